/**
 * The main thread's end of the hot path: gathers request bodies into bundles, hands them to the verify pool, answers. It
 * never looks into a body.
 *
 * Coalescing needs no timer: what came in a turn leaves at its end while its worker has room, otherwise it waits and is joined by
 * more until a bundle comes back; tenants take turns. Requests of one lane (connection) go to one worker while any of them is under way, and a worker
 * hands bundles on in order, so they reach their stream in the order of submission.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { createShares, STREAM_LEGACY, STREAM_VES, shortageOf } from '../engine/sequencer/index.js';
import { createBlockPool } from './block-pool.js';
import {
  type Bundle,
  type BundleQueue,
  createBundleQueue,
  type HeldRequest,
  REQUEST_BYTES,
} from './bundle-queue.js';
import type { IngestPort, IngestRefusal, IngestRequest } from './ingest-port.js';
import {
  CODECS,
  type IngestScope,
  KEY_CACHE_CHANNEL,
  type KeyCacheMessage,
  type PartitionMessage,
  type PartitionReport,
  type PartitionStats,
  type PortsMessage,
  RESULT_NUMBERS,
  TASK_NUMBERS,
  TIMING_NUMBERS,
  type VerifyResult,
  type VerifyStats,
  type VerifyTask,
  type WorkerSetup,
} from './messages.js';
import { POOL_EXEC_ARGV } from './pool-exec-argv.js';
import { createReserve } from './reserve.js';

export interface PipelineEvents {
  onStats(partition: number, stats: PartitionStats): void;
  /** About once a second per worker. */
  onVerifyStats?(stats: VerifyStats, worker: number): void;
  onLog(level: 'info' | 'warn' | 'error', message: string, details: object): void;
  /** A partition's thread died: the process cannot go on. */
  onFatal(error: Error): void;
}

export interface Pipeline extends IngestPort {
  /** Connects whoever follows streams with a partition. */
  connectTail(partition: number, port: MessagePort): void;
  /** Tells every verify worker about changed agent keys. */
  broadcast(message: KeyCacheMessage): void;
  /** Refuses new work, finishes what is under way, ends the threads. */
  close(): Promise<void>;
}

/** Bundles of one tenant under way per verify worker: one being verified, the others waiting for their group or the next turn. */
const TENANT_BUNDLES_MAX = 4;
/** The same for all tenants: the others find room beside one who floods, and another one. */
const WORKER_BUNDLES_MAX = 12;
const VERIFY_NICENESS = 5;
/** Blocks for bodies that are kept for the next ones. */
const SPARE_BYTES_MAX = 16 * 1024 * 1024;
/** Whose turn the operator's requests take, whose credentials belong to no tenant. */
const OPERATOR = '';

/** One verify worker as the dispatcher sees it. */
interface Lane {
  readonly slot: number;
  readonly waiting: BundleQueue;
  underWay: number;
  /** Bundles under way by tenant. */
  readonly tenants: Map<string, number>;
  /** Of the requests bound to it that are not answered. */
  bytes: number;
}

/** Starts the threads and resolves when all of them are ready. */
export async function createPipeline(setup: WorkerSetup, events: PipelineEvents): Promise<Pipeline> {
  const { config } = setup;
  const { verifyThreads, partitions } = config.sequencer;
  const { limits } = config;
  const inflightBytes = createShares(limits.inflightBytesMax, limits.tenantInflightBytesMax);
  const inflightRequests = createShares(limits.inflightRequestsMax, limits.tenantInflightRequestsMax);

  const partitionThreads = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => startPartition(setup, partition, events)),
  );

  /** The worker the next task is meant for; read by the balancer, which Piscina calls within `run`. */
  let intended = 0;
  const pool = new Piscina({
    filename: new URL('./verify.js', import.meta.url).href,
    execArgv: POOL_EXEC_ARGV,
    minThreads: verifyThreads,
    maxThreads: verifyThreads,
    concurrentTasksPerWorker: WORKER_BUNDLES_MAX,
    // A worker that sleeps in Atomics.wait would not see the outcomes that arrive on its other ports.
    atomics: 'disabled',
    // Verification is most of the work and the only part that may wait: a commit or an answer must not queue behind it.
    niceIncrement: VERIFY_NICENESS,
    workerData: setup,
    loadBalancer: (_task, workers) => workers[intended % Math.max(1, workers.length)] ?? null,
  });
  const connected = new Promise<void>((resolve) => {
    let ready = 0;
    pool.on('message', (message: PortsMessage) => {
      if (message.type !== 'ports') return;
      message.ports.forEach((port, partition) => {
        partitionThreads[partition]!.postMessage({ type: 'port', port } satisfies PartitionMessage, [port]);
      });
      if (++ready === verifyThreads) resolve();
    });
  });
  pool.on('error', (error: Error) => events.onLog('error', 'verify worker failed', { cause: error.message }));
  await connected;

  const blocks = createBlockPool(SPARE_BYTES_MAX);
  const workers: Lane[] = Array.from({ length: verifyThreads }, (_, slot) => ({
    slot,
    waiting: createBundleQueue(blocks),
    underWay: 0,
    tenants: new Map<string, number>(),
    bytes: 0,
  }));
  const reserve = createReserve();
  /** Connections with requests under way: the worker they are bound to, how many, and whose turns they take. */
  const bound = new Map<number, { worker: Lane; requests: number; turns: string }>();
  const channel = new BroadcastChannel(KEY_CACHE_CHANNEL);
  channel.unref();
  let closing = false;
  let flushing = false;
  let idle: () => void = () => {};

  function submit(request: IngestRequest): 'taken' | IngestRefusal {
    const { body, lane } = request;
    const tenant = tenantOf(request);
    if (closing) return 'stopping';
    const shortage = shortageOf(
      inflightBytes.shortage(tenant, body.length),
      inflightRequests.shortage(tenant, 1),
    );
    // L8: one request is always taken, however large; a full house refuses.
    if (shortage !== undefined && inflightRequests.total > 0)
      return shortage === 'all' ? 'service_full' : 'tenant_full';
    inflightBytes.add(tenant, body.length);
    inflightRequests.add(tenant, 1);
    const binding = bound.get(lane) ?? { worker: chooseWorker(tenant), requests: 0, turns: tenant };
    bound.set(lane, binding);
    binding.requests++;
    const { worker, turns } = binding;
    worker.bytes += body.length + REQUEST_BYTES;
    // The connection's turns, so that its requests stay in order whatever credentials they come with.
    worker.waiting.push(turns, request);
    if (!flushing) {
      flushing = true;
      setImmediate(flush);
    }
    return 'taken';
  }

  /** The least busy worker the tenant may use. */
  function chooseWorker(tenant: string): Lane {
    const keepsFree = reserve.mustLeaveFree(tenant, inflightBytes.held(tenant), performance.now());
    let best = workers[0]!;
    for (const worker of workers) {
      if (keepsFree && worker.slot === workers.length - 1) break;
      if (worker.bytes < best.bytes) best = worker;
    }
    return best;
  }

  function flush(): void {
    flushing = false;
    for (const worker of workers) {
      const mayGo = (tenant: string) => (worker.tenants.get(tenant) ?? 0) < TENANT_BUNDLES_MAX;
      while (worker.underWay < WORKER_BUNDLES_MAX) {
        const bundle = worker.waiting.next(mayGo);
        if (bundle === undefined) break;
        void run(worker, bundle);
      }
    }
  }

  async function run(worker: Lane, bundle: Bundle): Promise<void> {
    worker.underWay++;
    for (const tenant of bundle.tenants) worker.tenants.set(tenant, (worker.tenants.get(tenant) ?? 0) + 1);
    let result: VerifyResult | undefined;
    try {
      const task = toTask(bundle);
      for (const { block } of bundle.requests) blocks.give(block);
      intended = worker.slot;
      result = await pool.run(task, { transferList: [task.bodies] });
    } catch (error) {
      events.onLog('error', 'a bundle of requests was lost with its worker', { cause: String(error) });
    }
    worker.underWay--;
    for (const tenant of bundle.tenants) {
      const left = worker.tenants.get(tenant)! - 1;
      if (left > 0) worker.tenants.set(tenant, left);
      else worker.tenants.delete(tenant);
    }
    finish(worker, bundle, result);
    if (worker.waiting.size > 0) flush();
  }

  function finish(worker: Lane, bundle: Bundle, result: VerifyResult | undefined): void {
    if (result?.stats) reportStats(result.stats, worker.slot);
    if (result) tellTimings(bundle.requests, result.timings);
    const errorsByRequest = new Map(result?.errors.map((error) => [error.request, error]));
    bundle.requests.forEach(({ request, bytes: bodyBytes }, i) => {
      inflightBytes.remove(tenantOf(request), bodyBytes);
      inflightRequests.remove(tenantOf(request), 1);
      worker.bytes -= bodyBytes + REQUEST_BYTES;
      release(request.lane);
      const error = errorsByRequest.get(i);
      if (!result) request.reply({ ok: false, error: { code: 'TIMEOUT', message: LOST_BUNDLE } });
      else if (error) {
        const { code, message, details } = error;
        request.reply({ ok: false, error: { code, message, ...(details ? { details } : {}) } });
      } else {
        const [offset, length, accepted, rejected, replayed] = result.requests.subarray(
          i * RESULT_NUMBERS,
          (i + 1) * RESULT_NUMBERS,
        );
        const body = new Uint8Array(result.bodies, offset, length);
        request.reply({ ok: true, body, accepted: accepted!, rejected: rejected!, replayed: replayed! });
      }
    });
    if (closing && inflightRequests.total === 0) idle();
  }

  function reportStats(stats: VerifyStats, worker: number): void {
    events.onVerifyStats?.(stats, worker);
    const { fault } = stats.signatures;
    if (fault !== undefined)
      events.onLog('error', `${fault}; libsodium checks signatures instead, see the runbook`, {
        worker,
      });
  }

  function release(lane: number): void {
    const binding = bound.get(lane)!;
    if (--binding.requests === 0) bound.delete(lane);
  }

  async function close(): Promise<void> {
    closing = true;
    if (inflightRequests.total > 0) {
      await new Promise<void>((resolve) => {
        idle = resolve;
      });
    }
    await Promise.all(partitionThreads.map(stopPartition));
    channel.close();
    await pool.destroy();
  }

  return {
    submit,
    get inflightBytes() {
      return inflightBytes.total;
    },
    get inflightRequests() {
      return inflightRequests.total;
    },
    usageOf: (tenant) => ({
      bytes: inflightBytes.held(tenant ?? OPERATOR),
      requests: inflightRequests.held(tenant ?? OPERATOR),
    }),
    connectTail(partition, port) {
      partitionThreads[partition]!.postMessage({ type: 'tail', port } satisfies PartitionMessage, [port]);
    },
    broadcast: (message) => channel.postMessage(message),
    close,
  };
}

const LOST_BUNDLE =
  'The request was lost inside the service and may or may not be stored; sending the same events again is safe and gives their receipts';

const tenantOf = ({ scope }: IngestRequest): string => scope.tenant ?? OPERATOR;

function tellTimings(requests: readonly HeldRequest[], timings: Float64Array): void {
  for (let at = 0; at < timings.length; at += TIMING_NUMBERS) {
    const [request, received, verified, partition, groupBegun, groupEnded, decided, rendered] =
      timings.subarray(at, at + TIMING_NUMBERS) as unknown as Timings;
    requests[request]!.request.onTimings?.({
      received,
      verified,
      partition,
      groupBegun,
      groupEnded,
      decided,
      rendered,
    });
  }
}

/** See TIMING_NUMBERS. */
type Timings = readonly [number, number, number, number, number, number, number, number];

function toTask(bundle: Bundle): VerifyTask {
  const requests = new Float64Array(bundle.requests.length * TASK_NUMBERS);
  const bodies = new Uint8Array(bundle.bytes);
  const scopes = new Map<IngestScope, number>();
  let offset = 0;
  bundle.requests.forEach(({ request, block, bytes }, i) => {
    const scope = scopes.get(request.scope) ?? scopes.size;
    scopes.set(request.scope, scope);
    const kind = request.kind === 'ves' ? STREAM_VES : STREAM_LEGACY;
    const codec = CODECS.indexOf(request.codec);
    const isTraced = request.onTimings === undefined ? 0 : 1;
    bodies.set(block.subarray(0, bytes), offset);
    requests.set(
      [kind, scope, offset, bytes, request.deadlineMs, request.receipts, codec, isTraced],
      i * TASK_NUMBERS,
    );
    offset += bytes;
  });
  return { bodies: bodies.buffer, requests, scopes: [...scopes.keys()] };
}

async function startPartition(
  setup: WorkerSetup,
  partition: number,
  events: PipelineEvents,
): Promise<Worker> {
  const thread = new Worker(new URL('./sequencer.js', import.meta.url), {
    workerData: { ...setup, partition },
    name: `partition-${partition}`,
  });
  let stopping = false;
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (report: PartitionReport) => {
      if (report.type === 'ready') resolve();
      else if (report.type === 'stats') events.onStats(report.partition, report.stats);
      else if (report.type === 'log') events.onLog(report.level, report.message, report.details);
      else stopping = true;
    });
  });
  thread.on('error', (error) => events.onFatal(error));
  thread.on('exit', (code) => {
    if (!stopping) events.onFatal(new Error(`the thread of partition ${partition} ended with code ${code}`));
  });
  return thread;
}

/** Lets the thread finish its queue and give its lease back, then ends it. */
async function stopPartition(thread: Worker): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    thread.on('message', (report: PartitionReport) => {
      if (report.type === 'closed') resolve();
    });
  });
  thread.postMessage({ type: 'close' } satisfies PartitionMessage);
  await closed;
  await thread.terminate();
}
