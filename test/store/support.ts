import { createHash, hash } from 'node:crypto';
import type { Sha256Into } from '../../engine/log/index.js';
import type { VesEnvelope } from '../../engine/protocol/index.js';
import {
  collectNeeds,
  createBatchBuilder,
  createContentDigest,
  createPlanner,
  createSubmission,
  type EventEntry,
  type GroupNeeds,
  type GroupPlan,
  type GroupStore,
  outcome,
  readBatch,
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKind,
  type Submission,
  wholeSlice,
} from '../../engine/sequencer/index.js';
import type { DatabaseTarget, Sql } from '../../engine/store/connection.js';
import { encodeLegacyRow, encodeVesRow } from '../../engine/store/copy-row.js';
import { entityKey } from '../../engine/store/entity-key.js';
import { createGroupStore, type GroupStoreOptions } from '../../engine/store/group-store.js';

export const sha256Into: Sha256Into = (bytes, target, offset) => {
  target.set(createHash('sha256').update(bytes).digest(), offset);
};
export const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest();

/** A made-up UUID in 32 hex digits that depends on the name only. */
export const id = (name: string): string => hash('sha256', name).slice(0, 32);
export const uuid = (hex: string): string =>
  hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export const SEQUENCER_ID = id('sequencer');
export const KEY_VERSION = 7;

/** An event as the tests write it down; ids are 32 hex digits. */
export interface TestEvent {
  readonly kind: StreamKind;
  readonly tenant: string;
  readonly store: string;
  readonly id: string;
  readonly agent: string;
  readonly command: string | undefined;
  readonly base: number | undefined;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  readonly payload: string;
  readonly encrypted: boolean;
  readonly agentKeyId: number;
  readonly vesVersion: number;
  /** Legacy only. */
  readonly signature: Uint8Array | undefined;
}

/** Events of one stream. */
export const stream = (name: string, kind: StreamKind = STREAM_VES, tenant = name) => ({
  kind,
  tenant: id(`tenant ${tenant}`),
  store: id(`store ${name}`),
  event: (event: string | number, changes: Partial<TestEvent> = {}): TestEvent => ({
    kind,
    tenant: id(`tenant ${tenant}`),
    store: id(`store ${name}`),
    id: id(`${tenant} ${event}`),
    agent: id('agent'),
    command: undefined,
    base: undefined,
    entityType: 'order',
    entityId: `entity of ${event}`,
    eventType: 'order.created',
    createdAt: '2026-01-31T12:00:00.000Z',
    payload: `{"event":"${event}"}`,
    encrypted: false,
    agentKeyId: 1,
    vesVersion: 1,
    signature: undefined,
    ...changes,
  }),
});

const digestInto = createContentDigest(sha256Into);
const bytes = (hex: string) => Buffer.from(hex, 'hex');

/** Hashes and signature that depend on the event; nothing here checks them. */
export const partsOf = (event: TestEvent) => {
  const signingHash = sha256(Buffer.from(JSON.stringify({ ...event, signature: undefined })));
  const signature = Buffer.concat([sha256(signingHash), sha256(signingHash, signingHash)]);
  const plainHash = sha256(Buffer.from(event.payload));
  return { signingHash, signature, plainHash, cipherHash: sha256(plainHash) };
};

export const entityKeyOf = (event: TestEvent): Buffer => {
  const key = Buffer.alloc(8);
  key.writeBigInt64BE(entityKey(bytes(event.tenant + event.store), event.entityType, event.entityId));
  return key;
};

function encode(event: TestEvent, target: Buffer, offset: number) {
  const encoded = { end: 0, proof: 0, entity: 0 };
  const { signingHash, signature, plainHash, cipherHash } = partsOf(event);
  const payload = Buffer.from(event.payload);
  const key = entityKeyOf(event);
  if (event.kind === STREAM_VES) {
    const fixed = Buffer.concat([
      bytes(event.tenant),
      bytes(event.store),
      bytes(event.id),
      bytes(event.agent),
      event.command ? bytes(event.command) : Buffer.alloc(16),
      plainHash,
      event.encrypted ? cipherHash : Buffer.alloc(32),
      signature,
    ]);
    const envelope = {
      fixed,
      fixedOffset: 0,
      hasCommandId: event.command !== undefined,
      baseVersion: event.base,
      agentKeyId: event.agentKeyId,
      vesVersion: event.vesVersion,
      payloadKind: event.encrypted ? 1 : 0,
      entityType: event.entityType,
      entityId: event.entityId,
      eventType: event.eventType,
      createdAt: event.createdAt,
    } as unknown as VesEnvelope;
    encodeVesRow(target, offset, { envelope, payload, entityKey: key, signingHash }, encoded);
  } else {
    const legacy = {
      envelopeVersion: event.vesVersion,
      tenantId: bytes(event.tenant),
      storeId: bytes(event.store),
      eventId: bytes(event.id),
      sourceAgent: bytes(event.agent),
      commandId: event.command === undefined ? undefined : bytes(event.command),
      baseVersion: event.base,
      entityType: event.entityType,
      entityId: event.entityId,
      eventType: event.eventType,
      createdAt: event.createdAt,
      payload,
      payloadHash: plainHash,
      signature: event.signature,
      entityKey: key,
    };
    encodeLegacyRow(target, offset, legacy, encoded);
  }
  return encoded;
}

const ROW_BYTES_BESIDES_PAYLOAD = 8192;

/** One request of one stream, with rows as the verify worker makes them. */
export function submissionOf(
  events: readonly TestEvent[],
  deadlineMs = Number.POSITIVE_INFINITY,
): Submission {
  const builder = createBatchBuilder();
  const { kind, tenant, store } = events[0]!;
  builder.request(0, kind, bytes(tenant), bytes(store), deadlineMs);
  for (const event of events) {
    const texts = Buffer.byteLength(
      event.payload + event.entityType + event.entityId + event.eventType + event.createdAt,
    );
    const { target, offset } = builder.reserve(texts + ROW_BYTES_BESIDES_PAYLOAD);
    const encoded = encode(event, target, offset);
    const { signingHash, signature, plainHash } = partsOf(event);
    const command = event.command === undefined ? undefined : bytes(event.command);
    const proof = kind === STREAM_VES ? Buffer.concat([signingHash, signature]) : plainHash;
    const envelopeHash = event.encrypted ? sha256(Buffer.from(event.payload)) : undefined;
    const digest = Buffer.alloc(32);
    digestInto(proof, 0, proof.length, command, 0, event.base, envelopeHash, digest, 0);
    const entry: EventEntry = {
      idBytes: bytes(event.id),
      idOffset: 0,
      commandBytes: command,
      commandOffset: 0,
      digest,
      entityKey: entityKeyOf(event),
      baseVersion: event.base,
      verdict: outcome.ACCEPTED,
      proof: encoded.proof,
      entity: encoded.entity,
    };
    builder.event(entry, encoded.end);
  }
  return createSubmission(readBatch(builder.finish()), 0);
}

export const outcomesOf = ({ outcome: { events } }: Submission) =>
  Array.from({ length: events.length / 4 }, (_, i) => [events[i * 4], events[i * 4 + 1]]);

export const planGroup = createPlanner(sha256Into, { keyVersion: () => KEY_VERSION });

let lastMicros = 0;
/** Microseconds, strictly increasing. */
export const nowMicros = (): number => {
  lastMicros = Math.max(lastMicros + 1, Date.now() * 1000);
  return lastMicros;
};

/** Opens a group until it is not fenced, and plans it. */
export async function openAndPlan(store: GroupStore, submissions: readonly Submission[]): Promise<GroupPlan> {
  const group = submissions.map(wholeSlice);
  const needs: GroupNeeds = collectNeeds(group);
  for (let attempt = 0; attempt < 3; attempt++) {
    const opened = await store.open(needs);
    if (!opened.fenced) return planGroup(group, opened.snapshot, nowMicros());
  }
  throw new Error('fenced again and again');
}

/** The whole way of a group. Answers the submissions. */
export async function commit(
  store: GroupStore,
  ...requests: readonly (readonly TestEvent[])[]
): Promise<Submission[]> {
  const submissions = requests.map((events) => submissionOf(events));
  const plan = await openAndPlan(store, submissions);
  if (plan.write) await store.write(plan.write);
  else await store.release();
  plan.settle();
  return submissions;
}

let partitionsUsed = 0;
/** A partition number no other test of this file uses, so that tests do not wait for each other. */
export const freshPartition = () => ({ partitions: 1000, partition: partitionsUsed++ });

export function makeStore(
  target: DatabaseTarget,
  partition: { partitions: number; partition: number },
  {
    owner = 'owner',
    leaseMs = 10_000,
    ...rest
  }: { owner?: string; leaseMs?: number } & Partial<GroupStoreOptions> = {},
) {
  return createGroupStore({
    target,
    partition: { ...partition, ownerId: uuid(id(owner)), leaseMs },
    commitTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    sequencerId: uuid(SEQUENCER_ID),
    sha256: sha256Into,
    ...rest,
  });
}

/** The server process that serves a partition's store. */
export async function backendOf(sql: Sql, { partition }: { partition: number }): Promise<number> {
  const rows = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity where application_name = ${`stateset-sequencer partition ${partition}`}
    and datname = current_database() order by backend_start desc`;
  if (!rows[0]) throw new Error('the store has no connection');
  return rows[0].pid;
}

/** What a rejected store call was classified as. */
export const failureOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no failure',
    (error: { outcome?: string }) => error.outcome ?? String(error),
  );

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(
  what: string,
  condition: () => Promise<boolean>,
  timeoutMs = 5_000,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await pause(15);
  }
}

export { STREAM_LEGACY, STREAM_VES };
