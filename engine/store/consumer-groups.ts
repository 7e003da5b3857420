/** Rows of consumer groups. Who changes anything of a group holds {@link lockGroup}'s lock until the end of the transaction. */
import type { Sql, TransactionSql } from './connection.js';

/** A group by its stream and name. Lower-case hyphenated UUIDs. */
export interface GroupRef {
  readonly tenantId: string;
  readonly storeId: string;
  readonly name: string;
}

/** What may be changed of a group. Empty lists let every event pass. */
export interface GroupSettings {
  readonly entityTypes: readonly string[];
  readonly eventTypes: readonly string[];
  /** Lower-case hyphenated UUIDs. */
  readonly agents: readonly string[];
  readonly ackTimeoutMs: number;
  readonly maxAttempts: number;
  /** Most deliveries one consumer has in flight. */
  readonly maxInFlight: number;
}

/** A stored group. Timestamps are the server's text. */
export interface GroupRow extends GroupRef, GroupSettings {
  readonly groupId: string;
  readonly partitions: number;
  /** Events up to this number have been read for the group. */
  readonly readSequence: bigint;
  readonly createdAt: string;
  readonly updatedAt: string;
}

const columns = (sql: Sql | TransactionSql) => sql`
  tenant_id as "tenantId", store_id as "storeId", name, group_id as "groupId", entity_types as "entityTypes",
  event_types as "eventTypes", agents, partitions, ack_timeout_ms as "ackTimeoutMs", max_attempts as "maxAttempts",
  max_in_flight as "maxInFlight", read_sequence as "readSequence", created_at as "createdAt", updated_at as "updatedAt"`;

/** The group, as committed. By the primary key; takes no lock. */
export async function findGroup(
  sql: Sql | TransactionSql,
  { tenantId, storeId, name }: GroupRef,
): Promise<GroupRow | undefined> {
  const [row] = await sql<GroupRow[]>`
    select ${columns(sql)} from consumer_groups
    where tenant_id = ${tenantId} and store_id = ${storeId} and name = ${name}`;
  return row;
}

/**
 * Waits for the group's lock and reads the group behind it. An advisory lock, because a transaction that changes nothing then writes
 * nothing: consumers that find nothing to do cost no disk. Names whose hashes are equal wait for each other, that is all.
 */
export async function lockGroup(tx: TransactionSql, ref: GroupRef): Promise<GroupRow | undefined> {
  const lock = `consumer group ${ref.tenantId}/${ref.storeId}/${ref.name}`;
  const locked = tx`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`;
  const [, group] = await Promise.all([locked, findGroup(tx, ref)]); // sent together, answered in order
  return group;
}

/** The groups of a stream by name. */
export const listGroups = (sql: Sql, stream: { tenantId: string; storeId: string }): Promise<GroupRow[]> =>
  sql<GroupRow[]>`
    select ${columns(sql)} from consumer_groups
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} order by name`;

/** How many groups the tenant has, counted so that two creations at once cannot pass the same last place. */
export async function countGroups(tx: TransactionSql, tenantId: string): Promise<number> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`consumer groups of ${tenantId}`}, 0))`;
  const [row] = await tx<{ count: bigint }[]>`
    select count(*) as count from consumer_groups where tenant_id = ${tenantId}`;
  return Number(row?.count ?? 0n);
}

export async function insertGroup(
  tx: TransactionSql,
  { tenantId, storeId, name }: GroupRef,
  settings: GroupSettings & { readonly partitions: number; readonly readSequence: bigint },
): Promise<GroupRow> {
  const [row] = await tx<GroupRow[]>`
    insert into consumer_groups (tenant_id, store_id, name, entity_types, event_types, agents, partitions, ack_timeout_ms,
      max_attempts, max_in_flight, read_sequence)
    values (${tenantId}, ${storeId}, ${name}, ${[...settings.entityTypes]}::text[], ${[...settings.eventTypes]}::text[],
      ${[...settings.agents]}::uuid[], ${settings.partitions}, ${settings.ackTimeoutMs}, ${settings.maxAttempts},
      ${settings.maxInFlight}, ${settings.readSequence})
    returning ${columns(tx)}`;
  await tx`
    insert into consumer_group_partitions (tenant_id, group_id, partition)
    select ${tenantId}, ${row!.groupId}, generate_series(0, ${settings.partitions}::int - 1)`;
  return row!;
}

export async function updateGroup(
  tx: TransactionSql,
  group: GroupRow,
  settings: GroupSettings,
): Promise<GroupRow> {
  const [row] = await tx<GroupRow[]>`
    update consumer_groups set entity_types = ${[...settings.entityTypes]}::text[],
      event_types = ${[...settings.eventTypes]}::text[], agents = ${[...settings.agents]}::uuid[],
      ack_timeout_ms = ${settings.ackTimeoutMs}, max_attempts = ${settings.maxAttempts},
      max_in_flight = ${settings.maxInFlight}, updated_at = now()
    where tenant_id = ${group.tenantId} and store_id = ${group.storeId} and name = ${group.name}
    returning ${columns(tx)}`;
  return row!;
}

/** Removes the group with everything that belongs to it. */
export async function deleteGroup(tx: TransactionSql, { tenantId, groupId }: GroupRow): Promise<void> {
  for (const table of [
    'consumer_group_deliveries',
    'consumer_group_parked',
    'consumer_group_partitions',
    'consumer_group_members',
    'consumer_groups',
  ])
    await tx`delete from ${tx(table)} where tenant_id = ${tenantId} and group_id = ${groupId}`;
}

/**
 * Sets the group back or forward: it goes on behind `readSequence`. Everything that waits or is in flight is forgotten, and so is what
 * is parked beyond that place, because it will be read again.
 */
export async function moveGroup(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  readSequence: bigint,
): Promise<void> {
  await tx`delete from consumer_group_deliveries where tenant_id = ${tenantId} and group_id = ${groupId}`;
  await tx`
    delete from consumer_group_parked
    where tenant_id = ${tenantId} and group_id = ${groupId} and sequence_number > ${readSequence}`;
  await tx`
    update consumer_groups set read_sequence = ${readSequence}, updated_at = now()
    where tenant_id = ${tenantId} and group_id = ${groupId}`;
}
