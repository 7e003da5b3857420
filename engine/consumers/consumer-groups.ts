import { ServiceError } from '../errors/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql, TransactionSql } from '../store/connection.js';
import {
  countGroups,
  deleteGroup,
  findGroup,
  insertGroup,
  listGroups,
  lockGroup,
  moveGroup,
  updateGroup,
} from '../store/consumer-groups.js';
import { discardParked, listParked, requeueParked } from '../store/consumer-groups-parked.js';
import { readVesHead } from '../store/heads.js';
import { createDeliveries } from './deliveries.js';
import { readGroupState } from './group-state.js';
import {
  type ConsumerGroups,
  type GroupRef,
  type GroupRow,
  type GroupSettings,
  type GroupStart,
  PARKED_CALL_MAX,
} from './group-types.js';
import { createLanes } from './lanes.js';
import type { WaitForHead } from './wait.js';

export interface ConsumerGroupDeps {
  readonly sql: Sql;
  /** News of streams; unset: waiting consumers look again every second. */
  readonly waitForHead?: WaitForHead;
}

/** Most groups of a tenant. */
export const GROUPS_PER_TENANT_MAX = 100;
/** Most connections groups use at a time. */
const CONNECTIONS_MAX = 4;

/** A transaction that holds the group's lock. */
export type InGroup = <Result>(
  ref: GroupRef,
  work: (tx: TransactionSql, group: GroupRow) => Promise<Result>,
) => Promise<Result>;

const notFound = ({ name }: GroupRef) =>
  new ServiceError('RESOURCE_NOT_FOUND', `This store has no consumer group ${name}`);

/** Consumer groups on the database. All state is there: any process serves any consumer. */
export function createConsumerGroups({ sql, waitForHead }: ConsumerGroupDeps): ConsumerGroups {
  const lanes = createLanes(CONNECTIONS_MAX);

  const inGroup: InGroup = (ref, work) =>
    lanes.run(
      `${ref.tenantId}/${ref.storeId}/${ref.name}`,
      () =>
        sql.begin(async (tx) => {
          const group = await lockGroup(tx, ref);
          if (group === undefined) throw notFound(ref);
          return work(tx, group);
        }) as Promise<never>,
    );
  const found = async (ref: GroupRef): Promise<GroupRow> => {
    const group = await findGroup(sql, ref);
    if (group === undefined) throw notFound(ref);
    return group;
  };

  return {
    ...createDeliveries({ sql, inGroup, waitForHead }),
    create: (ref, settings, start, audit) =>
      sql.begin(async (tx) => {
        const existing = await lockGroup(tx, ref);
        if (existing !== undefined) return { created: false, group: requireSame(existing, settings) };
        if ((await countGroups(tx, ref.tenantId)) >= GROUPS_PER_TENANT_MAX)
          throw new ServiceError('QUOTA_EXCEEDED', `A tenant has at most ${GROUPS_PER_TENANT_MAX} groups`);
        const readSequence = await readFrom(tx, ref, start);
        const group = await insertGroup(tx, ref, { ...settings, readSequence });
        await record(tx, audit);
        return { created: true, group };
      }) as Promise<{ created: boolean; group: GroupRow }>,
    update: (ref, change, audit) =>
      inGroup(
        ref,
        recorded(audit, (tx, group) => updateGroup(tx, group, { ...group, ...change })),
      ),
    list: (stream) => listGroups(sql, stream),
    state: async (ref) => readGroupState(sql, await found(ref)),
    remove: (ref, audit) => inGroup(ref, recorded(audit, deleteGroup)),
    seek: (ref, start, audit) =>
      inGroup(
        ref,
        recorded(audit, async (tx, group) => {
          const readSequence = await readFrom(tx, ref, start);
          await moveGroup(tx, group, readSequence);
          return { ...group, readSequence };
        }),
      ),
    listParked: async (ref, after, limit) => listParked(sql, await found(ref), after, limit),
    replayParked: (ref, sequences, audit) =>
      inGroup(
        ref,
        recorded(audit, (tx, group) => requeueParked(tx, group, { sequences, max: PARKED_CALL_MAX })),
      ),
    discardParked: (ref, sequences, audit) =>
      inGroup(
        ref,
        recorded(audit, (tx, group) => discardParked(tx, group, { sequences, max: PARKED_CALL_MAX })),
      ),
  };
}

async function record(tx: TransactionSql, audit: AuditRecord | undefined): Promise<void> {
  if (audit !== undefined) await appendAudit(tx, audit);
}

/** Work in a group with its record behind it, in the same transaction. */
const recorded =
  <Result>(
    audit: AuditRecord | undefined,
    work: (tx: TransactionSql, group: GroupRow) => Promise<Result>,
  ): ((tx: TransactionSql, group: GroupRow) => Promise<Result>) =>
  async (tx, group) => {
    const result = await work(tx, group);
    await record(tx, audit);
    return result;
  };

/** The number behind which a group goes on. */
async function readFrom(tx: TransactionSql, ref: GroupRef, start: GroupStart): Promise<bigint> {
  if (start === 'beginning') return 0n;
  const head = await readVesHead(tx as unknown as Sql, ref.tenantId, ref.storeId);
  if (start === 'head') return head;
  if (start < 1n || start > head + 1n)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `The sequence number to begin at must be 1 to ${head + 1n}, the one behind the head of the stream`,
    );
  return start - 1n;
}

const SETTINGS = ['ackTimeoutMs', 'maxAttempts', 'maxInFlight', 'partitions'] as const;
const LISTS = ['entityTypes', 'eventTypes', 'agents'] as const;

/** A creation that is repeated, because its answer got lost, finds what it made. */
function requireSame(group: GroupRow, settings: GroupSettings & { readonly partitions: number }): GroupRow {
  const named = (list: readonly string[]) => JSON.stringify([...new Set(list)].sort());
  const different = [
    ...SETTINGS.filter((name) => group[name] !== settings[name]),
    ...LISTS.filter((name) => named(group[name]) !== named(settings[name])),
  ];
  if (different.length > 0)
    throw new ServiceError(
      'ALREADY_EXISTS',
      `The group ${group.name} exists with other settings (${different.join(', ')}): update it, or use another name`,
    );
  return group;
}
