/**
 * The partition as a state machine: which requests form the next group, what happens when its transaction is refused,
 * unavailable, lost or fenced, and when a request is answered. Pure: inputs are events, outputs are effects; the shell
 * (committer.ts) performs the effects and feeds the results back. The simulator drives the same code.
 *
 *   idle ──submit──▶ opening ──opened──▶ writing ──committed──▶ next group, or idle
 *                      │  ▲                 │
 *        fenced: again ┘  │                 ├─ refused: again once, then in halves, down to the one event at fault
 *                         │                 └─ lost: marked tentative, connection reset, again
 *                         └──wake── pausing ◀── unavailable (from either)
 *
 * L2/L3 hang on two rules: outcomes are applied only after `committed`, and after `lost` nothing is guessed: the same
 * events are looked up again under the stream locks before they are numbered again.
 */
import { createFairQueue, type FairQueue } from './fair-queue.js';
import * as code from './outcome.js';
import type { GroupPlan } from './plan.js';
import type { GroupNeeds, Snapshot } from './ports.js';
import { createShares, shortageOf } from './shares.js';
import { halve, type Slice, type Submission, TENTATIVE_WRITTEN, wholeSlice } from './submission.js';

/** Caps of a group and of the queue; see docs/configuration.md. */
export interface PartitionLimits {
  readonly groupEventsMax: number;
  readonly groupBytesMax: number;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  readonly pauseMsMin: number;
  readonly pauseMsMax: number;
}

export type PartitionEvent =
  | { readonly type: 'submit'; readonly submission: Submission }
  | { readonly type: 'opened'; readonly snapshot: Snapshot; readonly nowMicros: number }
  | { readonly type: 'fenced' }
  | { readonly type: 'committed' }
  | { readonly type: 'refused'; readonly nowMs: number }
  | { readonly type: 'unavailable'; readonly nowMs: number }
  | { readonly type: 'lost'; readonly nowMs: number }
  | { readonly type: 'wake'; readonly nowMs: number }
  | { readonly type: 'close' };

export type PartitionEffect =
  | { readonly type: 'open'; readonly needs: GroupNeeds }
  | { readonly type: 'write'; readonly plan: GroupPlan }
  | { readonly type: 'release' }
  | { readonly type: 'reset' }
  | { readonly type: 'pause'; readonly ms: number }
  | { readonly type: 'reply'; readonly submission: Submission }
  | { readonly type: 'closed' };

export type Phase = 'idle' | 'opening' | 'writing' | 'pausing' | 'closed';

/** The functions the machine calls to decide; both pure. */
export interface PartitionRules {
  collectNeeds(group: readonly Slice[]): GroupNeeds;
  planGroup(group: readonly Slice[], snapshot: Snapshot, nowMicros: number): GroupPlan;
}

interface State {
  phase: Phase;
  closing: boolean;
  /** By tenant: each in order of arrival, all of them in turns (L10). */
  queue: FairQueue<Submission>;
  /** The group being tried. */
  group: readonly Slice[];
  plan: GroupPlan | undefined;
  /** Refusals of this very group so far. */
  refusals: number;
  /** Whose request the last group began with, and for how many groups more tenants are taken to share the partition. */
  lastTenant: string | undefined;
  sharedGroups: number;
  /** Parts of a refused group that wait for their turn, before anything from the queue. */
  parts: (readonly Slice[])[];
  pauseMs: number;
}

/** A tenant's turn, as a part of the largest group. */
const TURNS_PER_GROUP = 20;

/** Groups for which a partition counts as shared after tenants met in it: who sends now and then is not there all the time. */
const SHARED_GROUPS = 50;

type Handlers = {
  readonly [P in Phase]: {
    readonly [T in PartitionEvent['type']]: (
      event: Extract<PartitionEvent, { type: T }>,
    ) => PartitionEffect[];
  };
};

/** One partition's machine. `step` never throws for an event that can happen in the current phase. */
export interface Partition {
  step(event: PartitionEvent): PartitionEffect[];
  readonly phase: Phase;
  readonly queuedEvents: number;
}

/** Makes the machine in phase idle. */
export function createPartition(rules: PartitionRules, limits: PartitionLimits): Partition {
  const { groupEventsMax, groupBytesMax } = limits;
  /** What a request takes of a group, in events: by its events or by its bytes, whichever fills the group sooner. */
  const costOf = ({ eventCount, bytes }: Submission): number =>
    Math.max(eventCount, (bytes * groupEventsMax) / groupBytesMax);
  const turn = groupEventsMax / TURNS_PER_GROUP;
  const queuedEvents = createShares(limits.queueEventsMax);
  const queuedBytes = createShares(limits.queueBytesMax);
  const state: State = {
    phase: 'idle',
    closing: false,
    queue: createFairQueue(costOf, turn),
    group: [],
    plan: undefined,
    refusals: 0,
    lastTenant: undefined,
    sharedGroups: 0,
    parts: [],
    pauseMs: limits.pauseMsMin,
  };

  const impossible = (event: PartitionEvent): never => {
    throw new Error(`a partition in phase ${state.phase} got the impossible event "${event.type}"`);
  };

  function enqueue({ submission }: Extract<PartitionEvent, { type: 'submit' }>): PartitionEffect[] {
    const { tenant, eventCount, bytes } = submission;
    if (state.closing) return giveUp([wholeSlice(submission)], code.QUEUE_FULL);
    const shortage = shortageOf(
      queuedEvents.shortage(tenant, eventCount),
      queuedBytes.shortage(tenant, bytes),
    );
    // L8: a full queue answers at once. One request is always taken, however large.
    if (shortage !== undefined && state.queue.size > 0)
      return giveUp([wholeSlice(submission)], shortage === 'all' ? code.QUEUE_FULL : code.SHARE_FULL);
    state.queue.push(tenant, submission);
    queuedEvents.add(tenant, eventCount);
    queuedBytes.add(tenant, bytes);
    return [];
  }

  function uncount({ tenant, eventCount, bytes }: Submission): void {
    queuedEvents.remove(tenant, eventCount);
    queuedBytes.remove(tenant, bytes);
  }

  /**
   * Takes from the queue what fits into one group: each tenant's requests in order of arrival, the tenants in turns. While there are
   * several, the group ends with the round: who sends little shares its commit with one turn of who sends much, and waits for no
   * more than another one that is under way.
   */
  function takeGroup(): Slice[] {
    const group: Slice[] = [];
    const { queue } = state;
    const first = queue.peek()?.tenant;
    const changed = state.lastTenant !== undefined && first !== undefined && first !== state.lastTenant;
    if (queue.owners > 1 || changed) state.sharedGroups = SHARED_GROUPS;
    else if (state.sharedGroups > 0) state.sharedGroups--;
    state.lastTenant = first ?? state.lastTenant;
    const shared = state.sharedGroups > 0;
    const spent = new Map<string, number>();
    let events = 0;
    let bytes = 0;
    for (let submission = queue.peek(); submission !== undefined; submission = queue.peek()) {
      const { tenant } = submission;
      const fits =
        events + submission.eventCount <= groupEventsMax && bytes + submission.bytes <= groupBytesMax;
      const mine = spent.get(tenant) ?? 0;
      if (group.length > 0 && (!fits || (shared && mine >= turn))) break;
      queue.take();
      uncount(submission);
      group.push(wholeSlice(submission));
      events += submission.eventCount;
      bytes += submission.bytes;
      spent.set(tenant, mine + costOf(submission));
    }
    return group;
  }

  function openNext(): PartitionEffect[] {
    state.plan = undefined;
    state.refusals = 0;
    const part = state.parts.shift();
    state.group = part ?? takeGroup();
    if (state.group.length === 0) {
      state.phase = state.closing ? 'closed' : 'idle';
      return state.closing ? [{ type: 'closed' }] : [];
    }
    return open();
  }

  function open(): PartitionEffect[] {
    state.phase = 'opening';
    return [{ type: 'open', needs: rules.collectNeeds(state.group) }];
  }

  /** Answers every submission of the group whose last event is decided now. */
  function replies(group: readonly Slice[]): PartitionEffect[] {
    const effects: PartitionEffect[] = [];
    for (const { submission } of group) {
      if (submission.undecided === 0) {
        submission.undecided = -1; // answered: a submission may have several slices in one group
        effects.push({ type: 'reply', submission });
      }
    }
    return effects;
  }

  function giveUp(group: readonly Slice[], outcome: number): PartitionEffect[] {
    for (const { submission, from, to } of group) {
      for (let index = from; index < to; index++) {
        const unknown = submission.tentative?.[index] === TENTATIVE_WRITTEN;
        code.setOutcome(submission.outcome, index, unknown ? code.OUTCOME_UNKNOWN : outcome);
      }
      submission.undecided -= to - from;
    }
    return replies(group);
  }

  function settle(): PartitionEffect[] {
    state.plan!.settle();
    state.pauseMs = limits.pauseMsMin;
    const { group } = state;
    return [...replies(group), ...openNext()];
  }

  function plan({ snapshot, nowMicros }: Extract<PartitionEvent, { type: 'opened' }>): PartitionEffect[] {
    state.plan = rules.planGroup(state.group, snapshot, nowMicros);
    if (state.plan.write === undefined) return [{ type: 'release' }, ...settle()];
    state.phase = 'writing';
    return [{ type: 'write', plan: state.plan }];
  }

  /** The database refused the group and rolled it back: nothing of it is stored. */
  function refused(): PartitionEffect[] {
    state.refusals++;
    // Once more as it is: another process may have slipped in one of its ids, which the next look-up finds.
    if (state.refusals === 1) return open();
    const halves = halve(state.group);
    if (halves) {
      state.parts.unshift(...halves);
      return openNext();
    }
    const { group } = state;
    return [...giveUp(group, code.REFUSED_BY_STORE), ...openNext()];
  }

  function pause(): PartitionEffect[] {
    state.phase = 'pausing';
    const ms = state.pauseMs;
    state.pauseMs = Math.min(limits.pauseMsMax, state.pauseMs * 2);
    return [{ type: 'reset' }, { type: 'pause', ms }];
  }

  function lost(): PartitionEffect[] {
    state.plan!.markTentative();
    return pause();
  }

  /** After a pause: who is past the deadline is told what is known, the others are tried again. */
  function resume({ nowMs }: Extract<PartitionEvent, { type: 'wake' }>): PartitionEffect[] {
    const late = (slice: Slice) => slice.submission.deadlineMs <= nowMs;
    const effects: PartitionEffect[] = [];
    const keep = (group: readonly Slice[]): readonly Slice[] => {
      effects.push(...giveUp(group.filter(late), code.NOT_STORED));
      return group.filter((slice) => !late(slice));
    };
    const group = keep(state.group);
    state.parts = state.parts.map(keep).filter((part) => part.length > 0);
    const lateInQueue = state.queue.discard(({ deadlineMs }) => deadlineMs > nowMs);
    lateInQueue.forEach(uncount);
    effects.push(...giveUp(lateInQueue.map(wholeSlice), code.NOT_STORED));
    if (group.length === 0) return [...effects, ...openNext()];
    state.group = group;
    return [...effects, ...open()];
  }

  function close(): PartitionEffect[] {
    state.closing = true;
    return [];
  }

  const handlers: Handlers = {
    idle: {
      submit: (event) => [...enqueue(event), ...openNext()],
      close: () => [...close(), ...openNext()],
      opened: impossible,
      fenced: impossible,
      committed: impossible,
      refused: impossible,
      unavailable: impossible,
      lost: impossible,
      wake: impossible,
    },
    opening: {
      submit: enqueue,
      close,
      opened: plan,
      fenced: open,
      refused,
      unavailable: pause,
      // A connection that breaks before anything was written has stored nothing.
      lost: pause,
      committed: impossible,
      wake: impossible,
    },
    writing: {
      submit: enqueue,
      close,
      committed: settle,
      refused,
      unavailable: pause,
      lost,
      opened: impossible,
      fenced: impossible,
      wake: impossible,
    },
    pausing: {
      submit: enqueue,
      close,
      wake: resume,
      opened: impossible,
      fenced: impossible,
      committed: impossible,
      refused: impossible,
      unavailable: impossible,
      lost: impossible,
    },
    closed: {
      submit: (event) => giveUp([wholeSlice(event.submission)], code.QUEUE_FULL),
      close: () => [],
      opened: impossible,
      fenced: impossible,
      committed: impossible,
      refused: impossible,
      unavailable: impossible,
      lost: impossible,
      wake: impossible,
    },
  };

  return {
    step: (event) =>
      (handlers[state.phase][event.type] as (event: PartitionEvent) => PartitionEffect[])(event),
    get phase() {
      return state.phase;
    },
    get queuedEvents() {
      return queuedEvents.total;
    },
  };
}
