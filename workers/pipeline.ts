/**
 * The main thread's end of the hot path: gathers request bodies into bundles, hands them to the verify pool, answers. It
 * never looks into a body.
 *
 * Coalescing needs no timer: a bundle leaves at the end of the turn while its worker has room, otherwise it grows until a
 * bundle comes back. Requests of one lane (connection) go to one worker while any of them is under way, and a worker
 * hands bundles on in order, so they reach their stream in the order of submission.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { STREAM_LEGACY, STREAM_VES } from '../engine/sequencer/index.js';
import type { IngestPort, IngestRequest } from './ingest-port.js';
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
  type VerifyResult,
  type VerifyTask,
  type WorkerSetup,
} from './messages.js';

export interface PipelineEvents {
  onStats(partition: number, stats: PartitionStats): void;
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

/** Bundles under way per verify worker: one being verified, the others waiting for their group or the next turn. */
const BUNDLES_PER_WORKER = 4;
/** A bundle is closed at this size, so that its first request does not wait for the verification of too many others. */
const BUNDLE_BYTES = 192 * 1024;
const VERIFY_NICENESS = 5;
const ARENA_BYTES_MIN = 16 * 1024;

/** A bundle being filled. */
interface Bundle {
  arena: Uint8Array<ArrayBuffer>;
  bytes: number;
  readonly requests: IngestRequest[];
  /** Offset and length of each body: the bodies themselves may be gone by the time the bundle leaves. */
  readonly places: { readonly offset: number; readonly length: number }[];
}

/** One verify worker as the dispatcher sees it. */
interface Lane {
  readonly slot: number;
  underWay: number;
  /** Bundles in order; the last one is open. */
  readonly waiting: Bundle[];
  requests: number;
}

/** Starts the threads and resolves when all of them are ready. */
export async function createPipeline(setup: WorkerSetup, events: PipelineEvents): Promise<Pipeline> {
  const { config } = setup;
  const { verifyThreads, partitions } = config.sequencer;
  const { inflightBytesMax, inflightRequestsMax } = config.limits;

  const partitionThreads = await Promise.all(
    Array.from({ length: partitions }, (_, partition) => startPartition(setup, partition, events)),
  );

  /** The worker the next task is meant for; read by the balancer, which Piscina calls within `run`. */
  let intended = 0;
  const pool = new Piscina({
    filename: new URL('./verify.js', import.meta.url).href,
    minThreads: verifyThreads,
    maxThreads: verifyThreads,
    concurrentTasksPerWorker: BUNDLES_PER_WORKER,
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

  const workers: Lane[] = Array.from({ length: verifyThreads }, (_, slot) => ({
    slot,
    underWay: 0,
    waiting: [],
    requests: 0,
  }));
  /** Connections with requests under way: the worker they are bound to and how many. */
  const bound = new Map<number, { worker: Lane; requests: number }>();
  const channel = new BroadcastChannel(KEY_CACHE_CHANNEL);
  channel.unref();
  let inflightBytes = 0;
  let inflightRequests = 0;
  let closing = false;
  let flushing = false;
  let idle: () => void = () => {};

  function submit(request: IngestRequest): boolean {
    const { body, lane } = request;
    // L8: one request is always taken, however large; a full house refuses.
    const full = inflightBytes + body.length > inflightBytesMax || inflightRequests >= inflightRequestsMax;
    if (closing || (full && inflightRequests > 0)) return false;
    inflightBytes += body.length;
    inflightRequests++;
    const binding = bound.get(lane);
    const worker = binding?.worker ?? leastBusy();
    if (binding) binding.requests++;
    else bound.set(lane, { worker, requests: 1 });
    worker.requests++;
    append(worker, request);
    if (!flushing) {
      flushing = true;
      setImmediate(flush);
    }
    return true;
  }

  function leastBusy(): Lane {
    let best = workers[0]!;
    for (const worker of workers) if (worker.requests < best.requests) best = worker;
    return best;
  }

  function append(worker: Lane, request: IngestRequest): void {
    const { body } = request;
    let bundle = worker.waiting.at(-1);
    if (!bundle || (bundle.bytes > 0 && bundle.bytes + body.length > BUNDLE_BYTES)) {
      bundle = {
        arena: new Uint8Array(Math.max(ARENA_BYTES_MIN, body.length)),
        bytes: 0,
        requests: [],
        places: [],
      };
      worker.waiting.push(bundle);
    }
    if (bundle.bytes + body.length > bundle.arena.length) {
      const larger = new Uint8Array(Math.max(bundle.arena.length * 2, bundle.bytes + body.length));
      larger.set(bundle.arena.subarray(0, bundle.bytes));
      bundle.arena = larger;
    }
    bundle.arena.set(body, bundle.bytes);
    bundle.places.push({ offset: bundle.bytes, length: body.length });
    bundle.requests.push(request);
    bundle.bytes += body.length;
  }

  function flush(): void {
    flushing = false;
    for (const worker of workers) {
      while (worker.underWay < BUNDLES_PER_WORKER && worker.waiting.length > 0)
        void run(worker, worker.waiting.shift()!);
    }
  }

  async function run(worker: Lane, bundle: Bundle): Promise<void> {
    worker.underWay++;
    let result: VerifyResult | undefined;
    try {
      const task = toTask(bundle);
      intended = worker.slot;
      result = await pool.run(task, { transferList: [task.bodies] });
    } catch (error) {
      events.onLog('error', 'a bundle of requests was lost with its worker', { cause: String(error) });
    }
    worker.underWay--;
    finish(worker, bundle, result);
    if (worker.waiting.length > 0) flush();
  }

  function finish(worker: Lane, bundle: Bundle, result: VerifyResult | undefined): void {
    const errorsByRequest = new Map(result?.errors.map((error) => [error.request, error]));
    bundle.requests.forEach((request, i) => {
      inflightBytes -= bundle.places[i]!.length;
      inflightRequests--;
      worker.requests--;
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
    if (closing && inflightRequests === 0) idle();
  }

  function release(lane: number): void {
    const binding = bound.get(lane)!;
    if (--binding.requests === 0) bound.delete(lane);
  }

  async function close(): Promise<void> {
    closing = true;
    if (inflightRequests > 0) {
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
      return inflightBytes;
    },
    get inflightRequests() {
      return inflightRequests;
    },
    connectTail(partition, port) {
      partitionThreads[partition]!.postMessage({ type: 'tail', port } satisfies PartitionMessage, [port]);
    },
    broadcast: (message) => channel.postMessage(message),
    close,
  };
}

const LOST_BUNDLE =
  'The request was lost inside the service and may or may not be stored; sending the same events again is safe and gives their receipts';

function toTask(bundle: Bundle): VerifyTask {
  const requests = new Float64Array(bundle.requests.length * TASK_NUMBERS);
  const scopes: IngestScope[] = [];
  bundle.requests.forEach((request, i) => {
    let scope = scopes.indexOf(request.scope);
    if (scope === -1) scope = scopes.push(request.scope) - 1;
    const kind = request.kind === 'ves' ? STREAM_VES : STREAM_LEGACY;
    const { offset, length } = bundle.places[i]!;
    requests.set(
      [kind, scope, offset, length, request.deadlineMs, request.receipts, CODECS.indexOf(request.codec)],
      i * TASK_NUMBERS,
    );
  });
  return { bodies: bundle.arena.buffer, requests, scopes };
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
