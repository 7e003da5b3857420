/** Consumers of a group and their leases on its partitions. All writers hold the group's lock. */
import type { Sql, TransactionSql } from './connection.js';
import type { GroupRow } from './consumer-groups.js';

/** A partition, who has it, and what of it is in flight. */
export interface PartitionRow {
  readonly partition: number;
  readonly consumer: string | null;
  readonly leaseUntil: string | null;
  /** The lease has ended. */
  readonly expired: boolean;
  /** The lease is past a third of its time. */
  readonly aging: boolean;
  readonly inFlight: number;
}

/** The partitions of a group in order. */
export const readPartitions = (
  sql: Sql | TransactionSql,
  { tenantId, groupId }: GroupRow,
  leaseMs: number,
): Promise<PartitionRow[]> =>
  sql<PartitionRow[]>`
    select p.partition, p.consumer, p.lease_until as "leaseUntil",
           coalesce(p.lease_until < statement_timestamp(), false) as expired,
           coalesce(p.lease_until < statement_timestamp() + ${(leaseMs * 2) / 3} * interval '1 millisecond', false) as aging,
           coalesce(f.in_flight, 0)::int as "inFlight"
    from consumer_group_partitions p
    left join (
      select partition, count(*) as in_flight from consumer_group_deliveries
      where tenant_id = ${tenantId} and group_id = ${groupId} and consumer is not null group by partition
    ) f on f.partition = p.partition
    where p.tenant_id = ${tenantId} and p.group_id = ${groupId}
    order by p.partition`;

/** Notes that the consumer lives. Writes only where a third of its time has gone, so that calls in quick succession cost nothing. */
export async function seeMember(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  consumer: string,
  leaseMs: number,
): Promise<void> {
  await tx`
    insert into consumer_group_members (tenant_id, group_id, consumer, expires_at)
    select ${tenantId}, ${groupId}, ${consumer}, statement_timestamp() + ${leaseMs} * interval '1 millisecond'
    where not exists (
      select from consumer_group_members
      where tenant_id = ${tenantId} and group_id = ${groupId} and consumer = ${consumer}
        and expires_at > statement_timestamp() + ${(leaseMs * 2) / 3} * interval '1 millisecond')
    on conflict (tenant_id, group_id, consumer) do update set expires_at = excluded.expires_at`;
}

/** The same for a consumer that is known; one that left or was forgotten comes back with its next pull only. */
export async function renewMember(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  consumer: string,
  leaseMs: number,
): Promise<void> {
  await tx`
    update consumer_group_members set expires_at = statement_timestamp() + ${leaseMs} * interval '1 millisecond'
    where tenant_id = ${tenantId} and group_id = ${groupId} and consumer = ${consumer}
      and expires_at < statement_timestamp() + ${(leaseMs * 2) / 3} * interval '1 millisecond'`;
}

/** Forgets consumers that have not called for the time of a lease. */
export async function forgetMembers(tx: TransactionSql, { tenantId, groupId }: GroupRow): Promise<void> {
  await tx`
    delete from consumer_group_members
    where tenant_id = ${tenantId} and group_id = ${groupId} and expires_at < statement_timestamp()`;
}

/** Names of consumers that have called lately. */
export async function liveMembers(
  sql: Sql | TransactionSql,
  { tenantId, groupId }: GroupRow,
): Promise<string[]> {
  const rows = await sql<{ consumer: string }[]>`
    select consumer from consumer_group_members
    where tenant_id = ${tenantId} and group_id = ${groupId} and expires_at >= statement_timestamp() order by consumer`;
  return rows.map((row) => row.consumer);
}

/** Gives the consumer a lease on some partitions and takes it off others. */
export async function leasePartitions(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  consumer: string,
  change: { readonly hold: readonly number[]; readonly release: readonly number[]; readonly leaseMs: number },
): Promise<void> {
  if (change.hold.length > 0)
    await tx`
      update consumer_group_partitions
      set consumer = ${consumer}, lease_until = statement_timestamp() + ${change.leaseMs} * interval '1 millisecond'
      where tenant_id = ${tenantId} and group_id = ${groupId} and partition = any(${[...change.hold]}::int[])`;
  if (change.release.length > 0)
    await tx`
      update consumer_group_partitions set consumer = null, lease_until = null
      where tenant_id = ${tenantId} and group_id = ${groupId} and partition = any(${[...change.release]}::int[])`;
}

/** The consumer has gone: nothing is its any more. What it has in flight must have been returned before. */
export async function removeMember(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  consumer: string,
): Promise<void> {
  await tx`
    update consumer_group_partitions set consumer = null, lease_until = null
    where tenant_id = ${tenantId} and group_id = ${groupId} and consumer = ${consumer}`;
  await tx`
    delete from consumer_group_members
    where tenant_id = ${tenantId} and group_id = ${groupId} and consumer = ${consumer}`;
}
