/**
 * A partition's thread: takes packed batches from the verify workers' ports, runs the committer, sends outcomes back to the
 * port a batch came from. It parses nothing; what it does per event is a number, a hash chain step and a few map look-ups.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { GroupTree } from '../engine/log/index.js';
import {
  collectNeeds,
  createCommitter,
  createPlanner,
  createSubmission,
  type GroupReport,
  outcome,
  readBatch,
  requestSlot,
  type Submission,
} from '../engine/sequencer/index.js';
import { createGroupStore } from '../engine/store/group-store.js';
import { createCommitFeed } from './commit-feed.js';
import type {
  BatchMessage,
  OutcomeMessage,
  PartitionMessage,
  PartitionReport,
  PartitionStats,
  WorkerSetup,
} from './messages.js';
import { createMicrosClock } from './micros-clock.js';
import { sha256Into } from './native-crypto.js';
import { threadCpuMicros } from './thread-cpu.js';
import { nameThread } from './thread-name.js';

/** How long a partition stays with a silent owner. */
const LEASE_MS = 10_000;
/** Requests waiting in a partition, as a multiple of a full group. */
const QUEUED_GROUPS_MAX = 8;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 1_000;
const REPORT_INTERVAL_MS = 1_000;
/** L8: groups told of in one report. */
const GROUPS_REPORTED_MAX = 10_000;

const { config, database, identity, instanceId, partition } = workerData as WorkerSetup & {
  partition: number;
};
const { partitions, commitTimeoutMs, groupEventsMax, groupBytesMax } = config.sequencer;

nameThread(`partition-${partition}`);
const clock = createMicrosClock();
const keyVersion = () => identity.keyVersion;
const store = createGroupStore({
  target: database,
  partition: { partitions, partition, ownerId: instanceId, leaseMs: LEASE_MS },
  applicationName: config.database.applicationName,
  commitTimeoutMs,
  lockTimeoutMs: config.database.session.lockTimeoutMs,
  sequencerId: identity.id,
  sha256: sha256Into,
});
const stats: PartitionStats = {
  groups: 0,
  events: 0,
  failures: 0,
  fenced: 0,
  queuedEvents: 0,
  commitMs: 0,
  recent: [],
  head: 0,
  cpuMicros: 0,
};

const feed = createCommitFeed();
const committer = createCommitter({
  store,
  clock,
  rules: { collectNeeds, planGroup: createPlanner(sha256Into, { keyVersion }) },
  limits: {
    groupEventsMax,
    groupBytesMax,
    queueEventsMax: groupEventsMax * QUEUED_GROUPS_MAX,
    queueBytesMax: groupBytesMax * QUEUED_GROUPS_MAX,
    pauseMsMin: PAUSE_MS_MIN,
    pauseMsMax: PAUSE_MS_MAX,
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  reply: answer,
  committed: feed.publish,
  observe,
});

/** The last group's transaction, in milliseconds since 1970. */
let groupBegun = 0;
let groupEnded = 0;

/** Where a submission came from. */
interface Origin {
  readonly port: MessagePort;
  readonly batchId: number;
}
const origins = new WeakMap<Submission, Origin>();
/** Answers of this turn, by port: one message each. */
const outbox = new Map<MessagePort, { submission: Submission; batchId: number }[]>();

function receiveBatch(port: MessagePort, { batchId, batch }: BatchMessage): void {
  const packed = readBatch(batch);
  for (let request = 0; request < packed.requestCount; request++) {
    const submission = createSubmission(packed, request);
    origins.set(submission, { port, batchId });
    committer.submit(submission);
  }
}

function answer(submission: Submission): void {
  const origin = origins.get(submission)!;
  if (outbox.size === 0) queueMicrotask(flush);
  const waiting = outbox.get(origin.port);
  if (waiting) waiting.push({ submission, batchId: origin.batchId });
  else outbox.set(origin.port, [{ submission, batchId: origin.batchId }]);
}

function flush(): void {
  for (const [port, answers] of outbox) {
    let length = 0;
    for (const { submission } of answers)
      length += 5 + (submission.outcome.trees?.length ?? 0) + submission.outcome.events.length;
    const outcomes = new Float64Array(length);
    const sequencers: [number, number, number, string][] = [];
    const trees = new Map<GroupTree, number>();
    let at = 0;
    for (const { submission, batchId } of answers) {
      const slot = requestSlot(submission.batch, submission.request);
      const { events, head, sequencers: others, trees: mine = [] } = submission.outcome;
      if (head > stats.head) stats.head = head;
      outcomes.set([batchId, slot, head, events.length / outcome.EVENT_NUMBERS, mine.length], at);
      at += 5;
      for (const tree of mine) {
        if (!trees.has(tree)) trees.set(tree, trees.size);
        outcomes[at++] = trees.get(tree)!;
      }
      outcomes.set(events, at);
      at += events.length;
      if (others) for (const [event, id] of others) sequencers.push([batchId, slot, event, id]);
    }
    const group = [partition, groupBegun, groupEnded] as const;
    const message: OutcomeMessage = { outcomes, sequencers, trees: [...trees.keys()], group };
    port.postMessage(message, [outcomes.buffer]);
  }
  outbox.clear();
}

function observe({ result, events, durationMs, error }: GroupReport): void {
  if (result === 'committed') {
    stats.groups++;
    stats.events += events;
    stats.commitMs += durationMs;
    if (stats.recent.length < GROUPS_REPORTED_MAX)
      stats.recent.push({ events, ms: durationMs, queued: committer.queuedEvents });
    groupEnded = performance.timeOrigin + performance.now();
    groupBegun = groupEnded - durationMs;
    return;
  }
  if (result === 'empty') return;
  if (result === 'fenced') stats.fenced++;
  else stats.failures++;
  const cause = error instanceof Error ? error.message : undefined;
  report({
    type: 'log',
    level: result === 'fenced' ? 'info' : 'warn',
    message: `group ${result}`,
    details: { partition, cause },
  });
}

function report(message: PartitionReport): void {
  parentPort!.postMessage(message);
}

let reported = -1;
const keepingAlive = setInterval(() => void store.keepAlive().catch(() => {}), LEASE_MS / 3);
const reporting = setInterval(() => {
  const changed = stats.groups + stats.failures + stats.fenced;
  if (changed === reported) return;
  reported = changed;
  stats.queuedEvents = committer.queuedEvents;
  stats.cpuMicros = threadCpuMicros();
  report({ type: 'stats', partition, stats });
  stats.recent = [];
}, REPORT_INTERVAL_MS);

parentPort!.on('message', (message: PartitionMessage) => {
  if (message.type === 'port') {
    message.port.on('message', (batch: BatchMessage) => receiveBatch(message.port, batch));
    return;
  }
  if (message.type === 'tail') {
    feed.attach(message.port);
    return;
  }
  void committer.close().then(async () => {
    clearInterval(reporting);
    clearInterval(keepingAlive);
    await store.close().catch(() => {});
    report({ type: 'closed' });
  });
});
report({ type: 'ready' });
