import { randomUUID } from 'node:crypto';
import {
  type ConsumerGroups,
  createConsumerGroups,
  type Delivery,
  type GroupRef,
  type GroupSettings,
  type GroupStart,
} from '../../engine/consumers/index.js';
import { parseUuid } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { entityKey } from '../../engine/store/entity-key.js';
import { createTestDatabase } from '../support/database.js';

export interface TestStream {
  readonly tenantId: string;
  readonly storeId: string;
}

export const newStream = (tenantId: string = randomUUID()): TestStream => ({
  tenantId,
  storeId: randomUUID(),
});

export interface TestEvent {
  readonly entityId: string;
  readonly entityType?: string;
  readonly eventType?: string;
  readonly agentId?: string;
  readonly payload?: string;
}

/** Appends events to a stream in one transaction, as the sequencer does: the rows, then the counter. */
export async function appendEvents(
  sql: Sql,
  stream: TestStream,
  events: readonly (TestEvent | string)[],
): Promise<void> {
  const tenantStore = new Uint8Array(32);
  tenantStore.set(parseUuid(stream.tenantId)!, 0);
  tenantStore.set(parseUuid(stream.storeId)!, 16);
  const drafts = events.map(
    (event) => (typeof event === 'string' ? { entityId: event } : event) as TestEvent,
  );
  const keys = drafts.map((event) => entityKey(tenantStore, event.entityType ?? 'order', event.entityId));
  await sql.begin(async (tx) => {
    const [counter] = await tx<{ last: bigint }[]>`
      insert into ves_sequence_counters (tenant_id, store_id, current_sequence)
      values (${stream.tenantId}, ${stream.storeId}, ${events.length})
      on conflict (tenant_id, store_id) do update
        set current_sequence = ves_sequence_counters.current_sequence + excluded.current_sequence
      returning current_sequence as last`;
    const first = counter!.last - BigInt(events.length) + 1n;
    await tx`
      insert into ves_events (sequence_number, sequenced_at, entity_key, agent_key_id, ves_version, payload_kind, tenant_id,
        store_id, event_id, source_agent_id, entity_type, entity_id, event_type, created_at_str, payload, hashes)
      select n, now(), key, 1, 1, 0, ${stream.tenantId}, ${stream.storeId}, gen_random_uuid(), agent, type, id, event_type,
        '2026-01-31T12:00:00Z', payload, ${new Uint8Array(128)}::bytea
      from unnest(${drafts.map((_, i) => String(first + BigInt(i)))}::int8[], ${keys.map(String)}::int8[],
        ${drafts.map((event) => event.agentId ?? randomUUID())}::uuid[],
        ${drafts.map((event) => event.entityType ?? 'order')}::text[], ${drafts.map((event) => event.entityId)}::text[],
        ${drafts.map((event) => event.eventType ?? 'order.changed')}::text[],
        ${drafts.map((event) => event.payload ?? '{}')}::text[]) as e (n, key, agent, type, id, event_type, payload)`;
  });
}

export const SETTINGS: GroupSettings & { partitions: number } = {
  entityTypes: [],
  eventTypes: [],
  agents: [],
  ackTimeoutMs: 30_000,
  maxAttempts: 3,
  maxInFlight: 1000,
  partitions: 16,
};

/** A database with groups on it, as one process has them. */
export async function openGroups() {
  const database = await createTestDatabase({ migrated: true });
  const sql = connectDatabase(database.target, { max: 8, applicationName: 'consumers-test' });
  const groups = createConsumerGroups({ sql });
  return {
    sql,
    groups,
    /** Another process on the same database: its own connections and memory. */
    otherProcess() {
      const own = connectDatabase(database.target, { max: 4, applicationName: 'consumers-test-2' });
      const others = createConsumerGroups({ sql: own });
      return { sql: own, groups: others, end: () => own.end({ timeout: 1 }) };
    },
    async close() {
      groups.close();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

export type TestGroups = Awaited<ReturnType<typeof openGroups>>;

/** A stream with a group on it and short words for what tests do. */
export async function newGroup(
  { sql, groups }: TestGroups,
  options: {
    settings?: Partial<typeof SETTINGS>;
    start?: GroupStart;
    events?: readonly (TestEvent | string)[];
  } = {},
) {
  const stream = newStream();
  if (options.events) await appendEvents(sql, stream, options.events);
  const ref: GroupRef = { ...stream, name: 'workers' };
  await groups.create(ref, { ...SETTINGS, ...options.settings }, options.start ?? 'beginning');
  return handle(sql, groups, ref);
}

/** Short words for a group. */
export function handle(sql: Sql, groups: ConsumerGroups, ref: GroupRef) {
  const where = sql`tenant_id = ${ref.tenantId}
    and group_id = (select group_id from consumer_groups g where (g.tenant_id, g.store_id, g.name) = (${ref.tenantId}, ${ref.storeId}, ${ref.name}))`;
  return {
    ref,
    append: (...events: (TestEvent | string)[]) => appendEvents(sql, ref, events),
    pull: (consumer: string, max = 100, waitMs = 0) => groups.pull(ref, { consumer, max, waitMs }),
    ack: (consumer: string, deliveries: readonly Delivery[]) => groups.ack(ref, consumer, ids(deliveries)),
    nack: (
      consumer: string,
      deliveries: readonly Delivery[],
      manner: { delayMs?: number; park?: boolean; reason?: string } = {},
    ) =>
      groups.nack(ref, consumer, {
        deliveryIds: ids(deliveries),
        delayMs: 0,
        park: false,
        reason: 'refused',
        ...manner,
      }),
    state: () => groups.state(ref),
    /** The time to acknowledge what is in flight is over. */
    expireDeliveries: () =>
      sql`update consumer_group_deliveries set deadline_at = now() - interval '1 second' where ${where} and consumer is not null`,
    /** Delays are over. */
    expireDelays: () =>
      sql`update consumer_group_deliveries set due_at = now() - interval '1 second' where ${where} and due_at is not null`,
    /** The consumer has not called for longer than a lease. */
    expireConsumer: async (consumer: string) => {
      await sql`update consumer_group_members set expires_at = now() - interval '1 second' where ${where} and consumer = ${consumer}`;
      await sql`update consumer_group_partitions set lease_until = now() - interval '1 second' where ${where} and consumer = ${consumer}`;
    },
  };
}

export const ids = (deliveries: readonly Delivery[]): string[] => deliveries.map((each) => each.deliveryId);
export const numbers = (deliveries: readonly Delivery[]): number[] =>
  deliveries.map((each) => Number(each.sequence));
