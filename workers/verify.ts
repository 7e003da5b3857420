/**
 * The verify worker (a Piscina worker file). A task is a bundle of request bodies; its result is the bundle's replies.
 * In between the good events travel to the partition threads through ports of their own and come back as outcomes.
 *
 * Tasks overlap (while one waits for its group, the next is verified), but the first half of a task — read, judge, hand
 * over — runs in turns between tenants and, within a tenant, in the order of arrival, so that requests of one connection reach their stream in
 * order.
 */
import { MessageChannel, type MessagePort, parentPort, threadId } from 'node:worker_threads';
import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { ServiceError, toServiceError } from '../engine/errors/index.js';
import { encodeHex, FIXED } from '../engine/protocol/index.js';
import {
  type BatchBuilder,
  createBatchBuilder,
  FLAG_GROUP_RECEIPTS,
  outcome,
  partitionOf,
  STREAM_LEGACY,
  STREAM_VES,
} from '../engine/sequencer/index.js';
import { connectDatabase } from '../engine/store/connection.js';
import { openVault, type Sealer } from '../engine/vault/index.js';
import { type AgentKeyRef, type CachedKey, createAgentKeyCache } from './agent-key-cache.js';
import { createAgentPolicyCache } from './agent-policy-cache.js';
import { MIXED_BUNDLE_BYTES } from './bundle-queue.js';
import { findPolicies } from './find-policies.js';
import { createJudge, keyNameOf } from './judge.js';
import {
  type BatchMessage,
  CODECS,
  GROUP_RECEIPTS,
  KEY_CACHE_CHANNEL,
  type KeyCacheMessage,
  type OutcomeMessage,
  type PortsMessage,
  RESULT_NUMBERS,
  type RequestError,
  TASK_NUMBERS,
  type VerifyResult,
  type VerifyTask,
  type WorkerSetup,
} from './messages.js';
import { openSignatureChecks } from './open-signature-checks.js';
import { createRequestReaders } from './prepare.js';
import { createRenderer, type Rendered } from './render.js';
import { type PreparedRequest, refuse, requestError } from './request-context.js';
import { nameThread } from './thread-name.js';
import { createTurns, type Turn } from './turns.js';
import { createVerifyReport } from './verify-report.js';

/** Events judged before the thread looks at its ports again, and lets others go first. */
const EVENTS_PER_TURN = 32;
/** Events of a batch that is handed over early. */
const EVENTS_PER_BATCH = 64;

nameThread(`verify-${threadId}`);

const setup = workerData as WorkerSetup;
const { config, identity } = setup;
const partitions = config.sequencer.partitions;

const sql = connectDatabase(setup.database, {
  ...config.database.session,
  max: 2,
  applicationName: `${config.database.applicationName} verify ${threadId}`,
});
const keys = createAgentKeyCache(sql, config.auth.agentKeyCache);
const { readVes, readLegacy } = createRequestReaders(config.limits, config.sequencer.strictFormat);
const policies = createAgentPolicyCache(sql, config.auth.agentKeyCache);
const signatures = openSignatureChecks(config.sequencer.signatures);
const judge = createJudge(signatures);
const vault = openVault(sql, config.encryption);
const render = createRenderer(identity, config.transparency.origin);
/** By partition: of the bundle in work, and of the one that goes between its parts. */
const builders: BatchBuilder[] = [];
const guestBuilders: BatchBuilder[] = [];
const ports: MessagePort[] = [];

/** Requests on their way through a partition, by batch id and slot. */
interface Awaited {
  readonly requests: Map<number, PreparedRequest>;
  decided(): void;
}
const awaited = new Map<number, Awaited>();
let batchIds = 0;
/** Traced requests under way, and the group that decided them. */
const traced = new Map<PreparedRequest, OutcomeMessage['group']>();
const NO_GROUP: OutcomeMessage['group'] = [0, 0, 0];
const report = createVerifyReport(signatures);
const nowMs = () => performance.timeOrigin + performance.now();

connectPorts();

const broadcast = new BroadcastChannel(KEY_CACHE_CHANNEL);
broadcast.onmessage = (event) => {
  const { data } = event as { data: KeyCacheMessage };
  keys.receive(data);
  policies.receive(data);
};
broadcast.unref();

function connectPorts(): void {
  const remote: MessagePort[] = [];
  for (let p = 0; p < partitions; p++) {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', receiveOutcomes);
    ports.push(port1);
    remote.push(port2);
    builders.push(createBatchBuilder());
    guestBuilders.push(createBatchBuilder());
  }
  parentPort!.postMessage({ type: 'ports', ports: remote } satisfies PortsMessage, remote);
}

function receiveOutcomes({ outcomes, sequencers, trees, group }: OutcomeMessage): void {
  for (const [batchId, slot, event, id] of sequencers) {
    const request = awaited.get(batchId)?.requests.get(slot);
    if (!request) continue;
    request.outcome ??= outcome.createOutcome(0);
    request.outcome.sequencers ??= new Map();
    request.outcome.sequencers.set(event, id);
  }
  for (let at = 0; at < outcomes.length; ) {
    const [batchId, slot, head, count, treeCount] = outcomes.subarray(at, at + 5) as unknown as OutcomeHead;
    const firstEvent = at + 5 + treeCount;
    const end = firstEvent + count * outcome.EVENT_NUMBERS;
    const batch = awaited.get(batchId);
    const request = batch?.requests.get(slot);
    if (batch && request) {
      request.outcome = {
        events: outcomes.subarray(firstEvent, end),
        head,
        sequencers: request.outcome?.sequencers,
        trees: Array.from(outcomes.subarray(at + 5, firstEvent), (tree) => trees[tree]!),
      };
      if (traced.size > 0 && traced.has(request)) traced.set(request, group);
      batch.requests.delete(slot);
      if (batch.requests.size === 0) awaited.delete(batchId);
      batch.decided();
    }
    at = end;
  }
}

type OutcomeHead = readonly [batchId: number, slot: number, head: number, events: number, trees: number];

/** Each task's first half waits for its turn. */
const turns = createTurns();

/** Whose events a task holds; undefined: maybe anybody's. */
function tenantsOf({ scopes }: VerifyTask): ReadonlySet<string> | undefined {
  const tenants = new Set<string>();
  for (const { tenant } of scopes) {
    if (tenant === null) return undefined;
    tenants.add(tenant);
  }
  return tenants;
}

/** Piscina's entry: a bundle in, its replies out. */
export default async function verify(task: VerifyTask): Promise<VerifyResult> {
  const count = task.requests.length / TASK_NUMBERS;
  const errors: RequestError[] = [];
  const requests: (PreparedRequest | undefined)[] = new Array(count);
  let received = 0;
  let undecided = 0;
  let allDecided: () => void = () => {};
  const whenDecided = new Promise<void>((resolve) => {
    allDecided = resolve;
  });
  const decided = () => {
    if (--undecided === 0) allDecided();
  };

  const isSmall = task.bodies.byteLength <= MIXED_BUNDLE_BYTES;
  const mine = turns.wait(tenantsOf(task), isSmall).then(async (turn) => {
    received = nowMs();
    prepareAll(task, requests, errors);
    await findPolicies(policies, requests, errors);
    const agentKeys = await findKeys(requests, errors);
    const sealers = await findSealers(requests, errors);
    undecided = 1; // held open until everything is handed over
    await judgeAll(
      turn,
      requests,
      agentKeys,
      sealers,
      (n) => {
        undecided += n;
      },
      decided,
    );
    turn.done();
  });
  // A fault in here may leave half a request in a builder. The thread ends, the pool starts a fresh one, and the main
  // thread tells the clients that their outcome is unknown.
  await mine.catch((error) => {
    console.error('verify worker:', error);
    process.exit(1);
  });
  const verified = nowMs();
  decided();
  await whenDecided;
  const decidedAt = nowMs();
  report.bundle(requests, verified - received, decidedAt - verified);
  return finish(requests, errors, (rendered) =>
    timingsOf(task, requests, { received, verified, decided: decidedAt, rendered }),
  );
}

function prepareAll(
  task: VerifyTask,
  requests: (PreparedRequest | undefined)[],
  errors: RequestError[],
): void {
  const nowMs = Date.now();
  for (let i = 0; i < requests.length; i++) {
    const [kind, scopeIndex, offset, length, deadlineMs, receipts, codec, isTraced] = task.requests.subarray(
      i * TASK_NUMBERS,
      (i + 1) * TASK_NUMBERS,
    );
    const body = new Uint8Array(task.bodies, offset, length);
    const scope = task.scopes[scopeIndex!]!;
    const arrival = {
      slot: i,
      body,
      scope,
      deadlineMs: deadlineMs!,
      receipts: receipts!,
      codec: CODECS[codec!]!,
    };
    try {
      if (deadlineMs! <= nowMs) refuse('OVERLOADED', 'The request waited too long; nothing of it was stored');
      const request = kind === STREAM_VES ? readVes(arrival) : readLegacy(arrival);
      requests[i] = request;
      if (isTraced === 1) traced.set(request, NO_GROUP);
    } catch (error) {
      errors.push(requestError(i, error));
    }
  }
}

/** The keys that the bundle's events claim; where they cannot be read the request fails. */
async function findKeys(
  requests: (PreparedRequest | undefined)[],
  errors: RequestError[],
): Promise<ReadonlyMap<string, CachedKey>> {
  const wanted = new Map<string, AgentKeyRef>();
  for (const request of requests) {
    if (request?.kind !== 'ves') continue;
    let previous = -1;
    for (const { envelope } of request.events) {
      if (envelope.agentKeyId === previous) continue;
      previous = envelope.agentKeyId;
      const name = keyNameOf(envelope);
      if (wanted.has(name)) continue;
      const [tenant, agent] = name.split('/') as [string, string];
      wanted.set(name, { tenant, agent, keyId: envelope.agentKeyId });
    }
  }
  try {
    return await keys.find(wanted);
  } catch {
    for (const request of requests) {
      if (request?.kind !== 'ves') continue;
      requests[request.slot] = undefined;
      const message =
        'The agents’ keys cannot be read because the database is unavailable; nothing was stored';
      errors.push({ request: request.slot, code: 'SERVICE_UNAVAILABLE', message });
    }
    return new Map();
  }
}

/** What seals the payloads of the bundle, by tenant; undefined where payloads are stored as they are. */
async function findSealers(
  requests: (PreparedRequest | undefined)[],
  errors: RequestError[],
): Promise<ReadonlyMap<string, Sealer | ServiceError> | undefined> {
  if (!vault) return undefined;
  const tenants = requests.map((request) => request?.events[0] && tenantOf(request.events[0].envelope));
  const refuse = (slot: number, code: RequestError['code'], message: string) => {
    requests[slot] = undefined;
    errors.push({ request: slot, code, message });
  };
  const wanted = [...new Set(tenants.filter((tenant) => tenant !== undefined))];
  let sealers: ReadonlyMap<string, Sealer | ServiceError> | undefined;
  try {
    sealers = await vault.sealers.find(wanted);
  } catch {
    // The database's own error says nothing to clients.
  }
  tenants.forEach((tenant, slot) => {
    if (tenant === undefined || requests[slot] === undefined) return;
    const sealer = sealers?.get(tenant);
    if (sealer === undefined) refuse(slot, 'SERVICE_UNAVAILABLE', NO_SEALER);
    else if (sealer instanceof ServiceError) refuse(slot, sealer.code, sealer.message);
  });
  return sealers ?? new Map();
}

const NO_SEALER =
  'The keys that encrypt payloads cannot be read because the database is unavailable; nothing was stored';

const tenantOf = ({
  fixed,
  fixedOffset,
}: {
  readonly fixed: Uint8Array;
  readonly fixedOffset: number;
}): string => encodeHex(fixed, fixedOffset + FIXED.tenantId, fixedOffset + FIXED.tenantId + 16);

/** Where a request's events go. */
interface Entry {
  readonly partition: number;
  readonly builder: BatchBuilder;
  readonly sealer: Sealer | undefined;
}

/** Events [from, to) of a request. */
interface Piece {
  readonly request: PreparedRequest;
  readonly from: number;
  readonly to: number;
}

/** The requests' events in order, so many at a time. */
function* piecesOf(requests: readonly (PreparedRequest | undefined)[]): Generator<readonly Piece[]> {
  let pieces: Piece[] = [];
  let room = EVENTS_PER_TURN;
  for (const request of requests) {
    const count = request?.events.length ?? 0;
    for (let from = 0; from < count; ) {
      const to = Math.min(count, from + room);
      pieces.push({ request: request!, from, to });
      room -= to - from;
      from = to;
      if (room > 0) continue;
      yield pieces;
      pieces = [];
      room = EVENTS_PER_TURN;
    }
  }
  if (pieces.length > 0) yield pieces;
}

async function judgeAll(
  turn: Turn,
  requests: (PreparedRequest | undefined)[],
  agentKeys: ReadonlyMap<string, CachedKey>,
  sealers: ReadonlyMap<string, Sealer | ServiceError> | undefined,
  expect: (requests: number) => void,
  decided: () => void,
): Promise<void> {
  const mine = turn.isGuest ? guestBuilders : builders;
  const open = mine.map(() => new Map<number, PreparedRequest>());
  const keyOf = (name: string) => agentKeys.get(name);
  const handOver = (p: number) => {
    if (open[p]!.size === 0) return;
    const batchId = ++batchIds;
    awaited.set(batchId, { requests: open[p]!, decided });
    expect(open[p]!.size);
    open[p] = new Map();
    const batch = mine[p]!.finish();
    ports[p]!.postMessage({ batchId, batch } satisfies BatchMessage, [batch]);
  };
  const begin = (request: PreparedRequest): Entry => {
    const ids = request.events[0]!.envelope;
    const tenant = ids.fixed.subarray(
      ids.fixedOffset + FIXED.tenantId,
      ids.fixedOffset + FIXED.tenantId + 16,
    );
    const store = ids.fixed.subarray(ids.fixedOffset + FIXED.storeId, ids.fixedOffset + FIXED.storeId + 16);
    const p = partitionOf(tenant, store, partitions);
    const sealer = sealers?.get(tenantOf(ids));
    // Where payloads are to be sealed, none is ever stored in clear text.
    if (sealer instanceof ServiceError || (vault && !sealer))
      throw new Error('a request is judged without a key to seal its payloads');
    mine[p]!.request(
      request.slot,
      request.kind === 'ves' ? STREAM_VES : STREAM_LEGACY,
      tenant,
      store,
      request.deadlineMs,
      request.receipts & GROUP_RECEIPTS ? FLAG_GROUP_RECEIPTS : 0,
    );
    return { partition: p, builder: mine[p]!, sealer };
  };
  /** Of the request whose events are being entered: it may reach over several pieces. */
  let entry: Entry | undefined;
  for (const pieces of piecesOf(requests)) {
    // The signatures of a piece are decided together: they share work (engine/ed25519).
    const nowMicros = Date.now() * 1000;
    for (const { request, from, to } of pieces)
      if (request.kind === 'ves') judge.checkVes(request, from, to, keyOf, nowMicros);
    judge.decideSignatures();
    for (const { request, from, to } of pieces) {
      if (from === 0) entry = begin(request);
      const { partition, builder, sealer } = entry!;
      if (request.kind === 'ves') judge.ves(request, from, to, builder, keyOf, nowMicros, sealer);
      else judge.legacy(request, from, to, builder, sealer);
      if (to < request.events.length) continue;
      open[partition]!.set(request.slot, request);
      if (builder.events >= EVENTS_PER_BATCH) handOver(partition);
    }
    // Outcomes of earlier bundles may be waiting: their clients should not wait for this bundle's signatures.
    await new Promise(setImmediate);
    await turn.pause();
  }
  for (let p = 0; p < partitions; p++) handOver(p);
}

/** See TIMING_NUMBERS. */
function timingsOf(
  task: VerifyTask,
  requests: readonly (PreparedRequest | undefined)[],
  times: { received: number; verified: number; decided: number; rendered: number },
): Float64Array {
  const { received, verified, decided, rendered } = times;
  const numbers: number[] = [];
  requests.forEach((request, i) => {
    if (task.requests[(i + 1) * TASK_NUMBERS - 1] !== 1) return;
    const [partition, begun, ended] = (request && traced.get(request)) ?? NO_GROUP;
    if (request) traced.delete(request);
    numbers.push(i, received, verified, partition, begun, ended, decided, rendered);
  });
  return Float64Array.from(numbers);
}

function finish(
  requests: readonly (PreparedRequest | undefined)[],
  errors: RequestError[],
  timings: (renderedMs: number) => Float64Array,
): VerifyResult {
  const replies: (Rendered | undefined)[] = new Array(requests.length);
  let bytes = 0;
  for (let i = 0; i < requests.length; i++) {
    const request = requests[i];
    if (!request) continue;
    try {
      request.outcome ??= outcome.createOutcome(0);
      const reply = render(request);
      replies[i] = reply;
      bytes += typeof reply.body === 'string' ? Buffer.byteLength(reply.body) : reply.body.length;
    } catch (error) {
      errors.push(requestError(i, toServiceError(error)));
    }
  }
  const bodies = Buffer.allocUnsafeSlow(bytes);
  const numbers = new Float64Array(requests.length * RESULT_NUMBERS);
  let end = 0;
  for (let i = 0; i < requests.length; i++) {
    const reply = replies[i];
    const length = reply ? writeBody(bodies, end, reply.body) : -1;
    numbers.set(
      [end, length, reply?.accepted ?? 0, reply?.rejected ?? 0, reply?.replayed ?? 0],
      i * RESULT_NUMBERS,
    );
    end += Math.max(0, length);
  }
  return transferred({
    bodies: bodies.buffer as ArrayBuffer,
    requests: numbers,
    errors,
    timings: timings(nowMs()),
    stats: report.due(),
  });
}

function writeBody(target: Buffer, at: number, body: string | Uint8Array): number {
  if (typeof body === 'string') return target.write(body, at, 'utf8');
  target.set(body, at);
  return body.length;
}

/** Marks the result's buffer as to be transferred, not copied. */
function transferred(result: VerifyResult): VerifyResult {
  return move({
    get [transferableSymbol]() {
      return [result.bodies];
    },
    get [valueSymbol]() {
      return result;
    },
  } as never) as unknown as VerifyResult;
}
