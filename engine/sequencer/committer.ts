/**
 * The shell around a partition: performs the machine's effects one after another on one connection and feeds the results
 * back. Group commit needs no timer: whatever arrives while a transaction runs forms the next group.
 */
import {
  createPartition,
  type PartitionEffect,
  type PartitionEvent,
  type PartitionLimits,
  type PartitionRules,
} from './partition.js';
import type { Clock, GroupNeeds, GroupStore, GroupWrite, StoreFailure } from './ports.js';
import type { Submission } from './submission.js';

export interface CommitterOptions {
  readonly store: GroupStore;
  readonly clock: Clock;
  readonly rules: PartitionRules;
  readonly limits: PartitionLimits;
  /** Resolves after `ms` milliseconds. */
  sleep(ms: number): Promise<void>;
  /** Takes a decided request. */
  reply(submission: Submission): void;
  /** Takes what was committed, before any request is answered. Must not throw. */
  committed?(group: GroupWrite): void;
  /** Called after every transaction with what happened, for metrics and logs. */
  observe?(report: GroupReport): void;
}

/** What became of one attempt at a group. */
export interface GroupReport {
  readonly result: 'committed' | 'empty' | 'fenced' | StoreFailure['outcome'];
  readonly events: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

/** A running partition. */
export interface Committer {
  submit(submission: Submission): void;
  /** Refuses new work, finishes what is queued, resolves when the last group is decided. */
  close(): Promise<void>;
  readonly queuedEvents: number;
}

/** Starts a partition in phase idle. */
export function createCommitter(options: CommitterOptions): Committer {
  const { store, clock, observe } = options;
  const partition = createPartition(options.rules, options.limits);
  /** Effects not yet performed. One at a time, in order: a transaction never overlaps another. */
  const pending: PartitionEffect[] = [];
  let running = false;
  let closed: () => void = () => {};
  const whenClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });

  function feed(event: PartitionEvent): void {
    for (const effect of partition.step(event)) {
      // L8: a request refused on arrival is told so now, not after the transaction that happens to be running.
      if (effect.type === 'reply') options.reply(effect.submission);
      else pending.push(effect);
    }
    if (!running) void run();
  }

  async function run(): Promise<void> {
    running = true;
    for (let effect = pending.shift(); effect; effect = pending.shift()) {
      const result = perform(effect);
      const event = result instanceof Promise ? await result : result;
      if (event) pending.push(...partition.step(event));
    }
    running = false;
  }

  /** Effects that need no waiting return at once, so that answers leave in the turn that decided them. */
  function perform(effect: PartitionEffect): Promise<PartitionEvent | undefined> | undefined {
    switch (effect.type) {
      case 'reply':
        options.reply(effect.submission);
        return undefined;
      case 'closed':
        closed();
        return undefined;
      case 'open':
        return open(effect.needs);
      case 'write':
        return write(effect.plan.write!);
      case 'release':
        return release();
      case 'reset':
        return store.reset().then(() => undefined);
      case 'pause':
        return options.sleep(effect.ms).then(() => ({ type: 'wake', nowMs: clock.nowMs() }));
    }
  }

  async function open(needs: GroupNeeds): Promise<PartitionEvent> {
    const startedMs = clock.nowMs();
    try {
      const opened = await store.open(needs);
      if (!opened.fenced) return { type: 'opened', snapshot: opened.snapshot, nowMicros: clock.nowMicros() };
      observe?.({ result: 'fenced', events: 0, durationMs: clock.nowMs() - startedMs });
      return { type: 'fenced' };
    } catch (error) {
      return failed(error, startedMs);
    }
  }

  async function write(group: GroupWrite): Promise<PartitionEvent> {
    const startedMs = clock.nowMs();
    try {
      await store.write(group);
      options.committed?.(group);
      const events = group.rows[0].length + group.rows[1].length;
      observe?.({ result: 'committed', events, durationMs: clock.nowMs() - startedMs });
      return { type: 'committed' };
    } catch (error) {
      return failed(error, startedMs);
    }
  }

  /** Nothing was written, so nothing depends on how the transaction ends; a broken connection shows at the next open. */
  async function release(): Promise<undefined> {
    await store.release().catch(() => store.reset());
    return undefined;
  }

  function failed(error: unknown, startedMs: number): PartitionEvent {
    // An error the store did not classify may have come after the COMMIT was sent: the safe reading is "lost".
    const outcome = (error as Partial<StoreFailure>).outcome ?? 'lost';
    observe?.({ result: outcome, events: 0, durationMs: clock.nowMs() - startedMs, error });
    return { type: outcome, nowMs: clock.nowMs() };
  }

  return {
    submit: (submission) => feed({ type: 'submit', submission }),
    close() {
      feed({ type: 'close' });
      return whenClosed;
    },
    get queuedEvents() {
      return partition.queuedEvents;
    },
  };
}
