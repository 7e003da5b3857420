/**
 * Puts an exported stream into a database where it does not exist yet (or ends where the export begins). Nothing is believed: each
 * group of events goes the way of newly arrived ones, through the same judge (form, payload hash, key, signature), the same planner
 * (numbers, duplicates, versions) and the same transaction, with the clock, key version and sequencer id of the first time. A group
 * is written only when the planner gave every event its old number and the log's root is the exported one.
 */
import { randomUUID } from 'node:crypto';
import { ServiceError } from '../../engine/errors/index.js';
import { createNodeHasher, frontierRoot } from '../../engine/log/index.js';
import { decodeHex, encodeHex, equalBytes, parseInstant, parseUuid } from '../../engine/protocol/index.js';
import {
  collectNeeds,
  createBatchBuilder,
  createPlanner,
  createSubmission,
  type GroupWrite,
  outcome,
  readBatch,
  STREAM_LEGACY,
  STREAM_VES,
  type Submission,
  wholeSlice,
} from '../../engine/sequencer/index.js';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { createGroupStore, type PostgresGroupStore } from '../../engine/store/group-store.js';
import type { Sealer } from '../../engine/vault/index.js';
import { agentKeyName, type CachedKey } from '../../workers/agent-key-cache.js';
import { createJudge } from '../../workers/judge.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { prepareLegacyJson, prepareVesJson } from '../../workers/prepare-json.js';

/** A group of events that were committed together. */
export interface ImportGroup {
  /** The events' JSON texts, in order. */
  readonly events: readonly string[];
  readonly first: number;
  readonly last: number;
  readonly sequencedAtMicros: bigint;
  /** VES only. */
  readonly receipt?: { readonly sequencerId: string; readonly keyVersion: number; readonly root: Uint8Array };
}

export interface ImportKey {
  readonly agentId: string;
  readonly keyId: number;
  readonly publicKey: Uint8Array;
  readonly validFromMicros: number | null;
  readonly validToMicros: number | null;
  readonly revokedAtMicros: number | null;
}

export interface EventImporter {
  /** @throws ServiceError when the group is not exactly what was exported; nothing of it is stored then */
  add(group: ImportGroup): Promise<void>;
  close(): Promise<void>;
}

const EVERYTHING = Number.MAX_SAFE_INTEGER;
const LIMITS = { batchEventsMax: EVERYTHING, payloadBytesMax: EVERYTHING } as Parameters<
  typeof prepareVesJson
>[1];
const ANYBODY = { tenant: null, stores: [], agent: null };
/** A partition that no service has, so that its lease is in nobody's way; the streams' row locks keep numbers right. */
const PARTITIONS = 1_000_003;
const LEASE_MS = 60_000;
const COMMIT_TIMEOUT_MS = 120_000;
const LOCK_TIMEOUT_MS = 10_000;

export function createEventImporter(deps: {
  readonly target: DatabaseTarget;
  readonly kind: 'ves' | 'legacy';
  readonly tenantId: string;
  readonly storeId: string;
  readonly keys: readonly ImportKey[];
  /** What seals the next group's payloads; undefined where they are stored as they are. */
  findSealer(): Promise<Sealer | undefined>;
}): EventImporter {
  const { target, kind, tenantId, storeId } = deps;
  const judge = createJudge();
  const hashNode = createNodeHasher(sha256Into);
  const keys = new Map(deps.keys.map((key) => [nameOf(tenantId, key), cachedKey(tenantId, key)]));
  let keyVersion = 0;
  const plan = createPlanner(sha256Into, { keyVersion: () => keyVersion });
  let store: { readonly sequencerId: string; readonly group: PostgresGroupStore } | undefined;

  async function storeOf(sequencerId: string): Promise<PostgresGroupStore> {
    if (store?.sequencerId === sequencerId) return store.group;
    await store?.group.close();
    const group = createGroupStore({
      target,
      partition: { partitions: PARTITIONS, partition: 0, ownerId: randomUUID(), leaseMs: LEASE_MS },
      commitTimeoutMs: COMMIT_TIMEOUT_MS,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      sequencerId,
      sha256: sha256Into,
    });
    store = { sequencerId, group };
    return group;
  }

  function submit(group: ImportGroup, sealer: Sealer | undefined): Submission {
    const builder = createBatchBuilder();
    const streamKind = kind === 'ves' ? STREAM_VES : STREAM_LEGACY;
    builder.request(0, streamKind, parseUuid(tenantId)!, parseUuid(storeId)!, EVERYTHING, 0);
    const count = group.events.length;
    const agent = sourceAgentOf(group.events[0]!, kind);
    const member = kind === 'ves' ? 'agentId' : 'agent_id';
    const arrival = {
      slot: 0,
      codec: 'json' as const,
      body: Buffer.from(`{"${member}":"${agent}","events":[${group.events.join(',')}]}`),
      scope: ANYBODY,
      deadlineMs: EVERYTHING,
      receipts: 0,
    };
    const micros = Number(group.sequencedAtMicros);
    if (kind === 'ves') {
      const request = prepareVesJson(arrival, LIMITS, false);
      const keyOf = (name: string) => keys.get(name);
      judge.checkVes(request, 0, count, keyOf, micros);
      judge.decideSignatures();
      judge.ves(request, 0, count, builder, keyOf, micros, sealer);
    } else judge.legacy(prepareLegacyJson(arrival, LIMITS), 0, count, builder, sealer);
    return createSubmission(readBatch(builder.finish()), 0);
  }

  return {
    async add(group) {
      const submission = submit(group, await deps.findSealer());
      const slices = [wholeSlice(submission)];
      keyVersion = group.receipt?.keyVersion ?? 0;
      const groupStore = await storeOf(group.receipt?.sequencerId ?? NOBODY);
      let opened = await groupStore.open(collectNeeds(slices));
      for (let attempt = 0; opened.fenced && attempt < 3; attempt++)
        opened = await groupStore.open(collectNeeds(slices));
      if (opened.fenced)
        throw new ServiceError('SERVICE_UNAVAILABLE', 'Another import is running on this database');
      let write: GroupWrite;
      try {
        const planned = plan(slices, opened.snapshot, Number(group.sequencedAtMicros));
        planned.settle();
        requireAllAccepted(submission, group);
        if (planned.write === undefined) throw different(group, 'its events are stored already');
        write = planned.write;
        requireSameRange(write, group);
        requireSameRoot(write, group, (frontier) => frontierRoot(frontier, hashNode, sha256Into));
      } catch (error) {
        await groupStore.release();
        throw error;
      }
      await groupStore.write(write);
    },
    close: async () => store?.group.close(),
  };
}

/** Legacy streams have no receipts; the id goes nowhere. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

function sourceAgentOf(event: string, kind: 'ves' | 'legacy'): string {
  const parsed = JSON.parse(event) as Record<string, unknown>;
  return String(parsed[kind === 'ves' ? 'source_agent_id' : 'source_agent']);
}

const hex = (uuid: string): string => uuid.replaceAll('-', '');
const nameOf = (tenantId: string, key: ImportKey): string =>
  agentKeyName(hex(tenantId), hex(key.agentId), key.keyId);

/** An end by revocation counts from its moment only: the event was judged before it. */
const cachedKey = (tenantId: string, key: ImportKey): CachedKey => ({
  publicKey: key.publicKey,
  row: {
    tenant: hex(tenantId),
    agent: hex(key.agentId),
    keyId: key.keyId,
    publicKey: Buffer.from(key.publicKey),
    status: 'active',
    validFromMicros: key.validFromMicros,
    validToMicros: key.validToMicros,
    revokedAtMicros: key.revokedAtMicros === null ? null : key.revokedAtMicros + REVOCATION_GRACE_MICROS,
  },
});

/** A revocation takes up to a second to reach every process, and an event waits for its group. */
const REVOCATION_GRACE_MICROS = 2_000_000;

const different = (group: ImportGroup, why: string): ServiceError =>
  new ServiceError(
    'INVARIANT_VIOLATION',
    `The events ${group.first} to ${group.last} cannot be imported as they were: ${why}`,
  );

function requireAllAccepted({ outcome: result }: Submission, group: ImportGroup): void {
  for (let i = 0; i < group.events.length; i++) {
    const code = result.events[i * outcome.EVENT_NUMBERS];
    if (code === outcome.ACCEPTED) continue;
    throw different(group, `event ${group.first + i} is refused (${nameOfOutcome(code)})`);
  }
}

const nameOfOutcome = (code: number | undefined): string =>
  Object.entries(outcome).find(([name, value]) => value === code && name !== 'EVENT_NUMBERS')?.[0] ??
  String(code);

function requireSameRange({ streams }: GroupWrite, group: ImportGroup): void {
  const [stream] = streams;
  if (stream?.first === group.first && stream.last === group.last) return;
  throw different(group, `they would get the numbers ${stream?.first} to ${stream?.last}`);
}

function requireSameRoot(
  { streams }: GroupWrite,
  group: ImportGroup,
  rootOf: (frontier: NonNullable<GroupWrite['streams'][number]['frontier']>) => Uint8Array,
): void {
  const frontier = streams[0]?.frontier;
  if (group.receipt === undefined || frontier === undefined) return;
  const root = rootOf(frontier);
  if (!equalBytes(root, group.receipt.root))
    throw different(
      group,
      `the log's root would be ${encodeHex(root)}, not ${encodeHex(group.receipt.root)}`,
    );
}

/** 32 bytes of hex in an export. */
export function bytesOf(text: unknown, what: string): Uint8Array {
  const bytes = typeof text === 'string' ? decodeHex(text, 32) : undefined;
  if (bytes === undefined)
    throw new ServiceError('INVALID_REQUEST_BODY', `${what} is not 64 hexadecimal digits`);
  return bytes;
}

/** An instant in an export, in microseconds. */
export function microsOf(text: unknown, what: string): bigint {
  const micros = typeof text === 'string' ? parseInstant(text) : undefined;
  if (micros === undefined)
    throw new ServiceError('INVALID_REQUEST_BODY', `${what} is not an RFC 3339 timestamp`);
  return micros;
}
