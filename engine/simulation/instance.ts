/** A simulated process of the service: the real committer, partition and planner for each of its partitions. */
import {
  type Committer,
  collectNeeds,
  createCommitter,
  createPlanner,
  createSubmission,
  type PackedBatch,
  type PartitionLimits,
  type PartitionRules,
  partitionOf,
  type Submission,
} from '../sequencer/index.js';
import type { Network } from './connection.js';
import type { StoredRow } from './database.js';
import { createModelStore, type ModelStore } from './model-store.js';
import type { Mutation } from './mutations.js';
import { sha256Into } from './sha256.js';

/** Small, so that groups, splits and full queues happen all the time. */
const LIMITS: PartitionLimits = {
  groupEventsMax: 10,
  groupBytesMax: 4_000,
  queueEventsMax: 40,
  queueBytesMax: 16_000,
  pauseMsMin: 5,
  pauseMsMax: 200,
};
const LEASE_MS = 1_000;
const COMMIT_TIMEOUT_MS = 700;
/** Clocks of different machines disagree. */
const SKEW_MS_MAX = 400;
const KEY_VERSION = 1;

export interface Instance {
  readonly name: string;
  readonly alive: boolean;
  /** Milliseconds since the epoch by this machine's clock. */
  nowMs(): number;
  /** Takes a packed batch; `answer` is called once per request unless the process dies before. */
  receive(packed: PackedBatch, answer: (submission: Submission) => void): void;
  /** Nothing runs in the process for this long: a long garbage collection, a suspended machine. */
  stop(ms: number): void;
  /** Everything in memory is gone. */
  crash(): void;
  /** Finishes what is queued and gives the partitions back. */
  close(): Promise<void>;
  /** Requests taken and not answered. */
  readonly unanswered: number;
  readonly queuedEvents: number;
}

export interface InstanceOptions {
  readonly network: Network;
  readonly name: string;
  /** How many partitions this process divides the streams into; others may disagree. */
  readonly partitions: number;
  readonly mutation: Mutation | undefined;
  onAnswer(submission: Submission): void;
  onInjectedRefusal(rows: readonly StoredRow[]): void;
}

export function startInstance(options: InstanceOptions): Instance {
  const { network, name, partitions, mutation } = options;
  const { scheduler, random, trace } = network;
  const skewMs = random.between(-SKEW_MS_MAX, SKEW_MS_MAX);
  const waiting = new Map<Submission, (submission: Submission) => void>();
  let alive = true;
  let stoppedUntil = 0;
  let lastMicros = 0;

  const nowMs = () => Math.floor(scheduler.now() + skewMs);
  const clock = {
    nowMs,
    nowMicros() {
      lastMicros = Math.max(lastMicros + 1, nowMs() * 1000);
      return lastMicros;
    },
  };

  function deliver(action: () => void): void {
    if (!alive) return;
    const left = stoppedUntil - scheduler.now();
    if (left > 0) scheduler.after(left, () => deliver(action));
    else action();
  }

  function reply(submission: Submission): void {
    if (!alive) return;
    options.onAnswer(submission);
    waiting.get(submission)?.(submission);
    waiting.delete(submission);
  }

  const stores: ModelStore[] = [];
  const committers: Committer[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const store = createModelStore({
      network,
      name: `${name}/${partition}`,
      deliver,
      partition: `${partition}/${partitions}`,
      ownerId: name,
      leaseMs: LEASE_MS,
      commitTimeoutMs: COMMIT_TIMEOUT_MS,
      onInjectedRefusal: options.onInjectedRefusal,
      withoutStreamLocks: mutation?.withoutStreamLocks ?? false,
    });
    const rules: PartitionRules = {
      collectNeeds,
      planGroup: createPlanner(sha256Into, { keyVersion: () => KEY_VERSION }),
    };
    stores.push(store);
    committers.push(
      createCommitter({
        store: mutation?.store?.(store) ?? store,
        rules: mutation?.rules?.(rules) ?? rules,
        reply: mutation?.reply?.(reply) ?? reply,
        clock,
        limits: LIMITS,
        sleep: (ms) => new Promise((resolve) => scheduler.after(ms, () => deliver(resolve))),
      }),
    );
  }

  return {
    name,
    get alive() {
      return alive;
    },
    nowMs,
    receive(packed, answer) {
      deliver(() => {
        for (let request = 0; request < packed.requestCount; request++) {
          const submission = createSubmission(packed, request);
          waiting.set(submission, answer);
          const tenant = Buffer.from(submission.tenant, 'hex');
          committers[partitionOf(tenant, Buffer.from(submission.store, 'hex'), partitions)]!.submit(
            submission,
          );
        }
      });
    },
    stop(ms) {
      trace(`${name} stops for ${Math.round(ms)} ms`);
      stoppedUntil = scheduler.now() + ms;
    },
    crash() {
      trace(`${name} crashes`);
      alive = false;
      for (const store of stores) void store.reset();
    },
    async close() {
      trace(`${name} closes`);
      await Promise.all(committers.map((committer) => committer.close()));
      await Promise.all(stores.map((store) => store.close()));
      trace(`${name} is closed`);
      alive = false;
    },
    get unanswered() {
      return waiting.size;
    },
    get queuedEvents() {
      return committers.reduce((sum, committer) => sum + committer.queuedEvents, 0);
    },
  };
}
