/** Known faults, planted to prove that the simulator would see them. */
import {
  type GroupPlan,
  type GroupStore,
  type PartitionRules,
  STREAM_VES,
  type StoreFailure,
  type StreamState,
  type Submission,
} from '../sequencer/index.js';

/** Changes to the parts a partition is made of. */
export interface Mutation {
  /** What a developer might have got wrong. */
  readonly fault: string;
  rules?(rules: PartitionRules): PartitionRules;
  store?(store: GroupStore): GroupStore;
  reply?(reply: (submission: Submission) => void): (submission: Submission) => void;
  readonly withoutStreamLocks?: boolean;
}

const planning =
  (change: (plan: GroupPlan) => GroupPlan) =>
  (rules: PartitionRules): PartitionRules => ({
    ...rules,
    planGroup: (...parameters) => change(rules.planGroup(...parameters)),
  });

/** Changes what `open` finds. */
const finding =
  (
    change: (
      snapshot: Extract<Awaited<ReturnType<GroupStore['open']>>, { fenced: false }>['snapshot'],
    ) => typeof snapshot,
  ) =>
  (store: GroupStore): GroupStore => ({
    ...store,
    async open(needs) {
      const opened = await store.open(needs);
      return opened.fenced ? opened : { fenced: false, snapshot: change(opened.snapshot) };
    },
  });

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'acknowledge-before-commit': {
    fault: 'a request is answered when the write is sent, not when it is durable',
    store: (store) => {
      let writing: Promise<void> = Promise.resolve();
      return {
        ...store,
        open: (needs) => writing.catch(() => {}).then(() => store.open(needs)),
        async write(group) {
          writing = store.write(group);
          writing.catch(() => {});
        },
      };
    },
  },
  'forget-tentative': {
    fault: 'after a lost commit nobody remembers which events it may have stored',
    rules: planning((plan) => ({ ...plan, markTentative() {} })),
  },
  'lost-means-not-stored': {
    fault: 'a connection that breaks around COMMIT is taken for a rollback',
    store: (store) => ({
      ...store,
      write: (group) =>
        store.write(group).catch((error: StoreFailure) => {
          throw error.outcome === 'lost'
            ? Object.assign(new Error('guessed'), { outcome: 'unavailable' as const })
            : error;
        }),
    }),
  },
  'lost-means-stored': {
    fault: 'a connection that breaks around COMMIT is taken for a success',
    store: (store) => ({
      ...store,
      write: (group) =>
        store.write(group).catch(async (error: StoreFailure) => {
          if (error.outcome !== 'lost') throw error;
        }),
    }),
  },
  'skip-id-look-up': {
    fault: 'stored ids are not looked up',
    store: finding((snapshot) => ({ ...snapshot, events: new Map() })),
  },
  'skip-command-look-up': {
    fault: 'used command ids are not looked up',
    store: finding((snapshot) => ({ ...snapshot, commands: new Set() })),
  },
  'cached-head': {
    fault: 'the head of a stream is remembered from the last group instead of read under its lock',
    store: (store) => {
      const cache = new Map<string, StreamState>();
      return {
        ...finding((snapshot) => {
          for (const [key, state] of snapshot.streams) if (!cache.has(key)) cache.set(key, { ...state });
          return {
            ...snapshot,
            streams: new Map([...snapshot.streams.keys()].map((key) => [key, cache.get(key)!])),
          };
        })(store),
        async write(group) {
          await store.write(group);
          for (const { stream, last, frontier } of group.streams)
            cache.set(stream.key, { head: last, frontier });
        },
      };
    },
  },
  'no-stream-locks': { fault: 'streams are read without locking them', withoutStreamLocks: true },
  'cached-versions': {
    fault: 'versions of entities are remembered from the first look-up',
    store: (store) => {
      const cache = new Map<string, number>();
      return finding((snapshot) => {
        for (const [key, version] of snapshot.versions) if (!cache.has(key)) cache.set(key, version);
        return {
          ...snapshot,
          versions: new Map([...snapshot.versions.keys()].map((key) => [key, cache.get(key)!])),
        };
      })(store);
    },
  },
  'lock-own-log-only': {
    fault: 'a version check does not hold the other log of the store still',
    rules: (rules) => ({
      ...rules,
      collectNeeds(group) {
        const needs = rules.collectNeeds(group);
        const own = new Set(group.map(({ submission }) => submission.stream));
        return { ...needs, streams: new Map([...needs.streams].filter(([key]) => own.has(key))) };
      },
    }),
  },
  'decide-anew': {
    fault: 'rejections that stood beside a lost commit are decided anew after it turned out stored',
    rules: (rules) => ({
      ...rules,
      planGroup(group, snapshot, nowMicros) {
        for (const { submission } of group)
          submission.tentative = submission.tentative?.map((mark) => (mark === 2 ? 0 : mark));
        return rules.planGroup(group, snapshot, nowMicros);
      },
    }),
  },
  'wrong-frontier': {
    fault: 'the frontier that is stored lacks the last leaf of the group',
    rules: (rules) => ({
      ...rules,
      planGroup(group, snapshot, nowMicros) {
        const before = new Map(
          [...snapshot.streams].map(([key, { frontier }]) => [key, frontier?.nodes.slice()]),
        );
        const plan = rules.planGroup(group, snapshot, nowMicros);
        for (const { stream, first, last, frontier } of plan.write?.streams ?? [])
          if (stream.kind === STREAM_VES && first === last && frontier)
            frontier.nodes.set(before.get(stream.key)!);
        return plan;
      },
    }),
  },
  'receipt-before-commit': {
    fault:
      'a group receipt is kept from an attempt whose commit got lost, although the events were numbered anew',
    rules: (rules) => {
      const kept = new WeakMap<Submission, NonNullable<Submission['outcome']['trees']>>();
      return {
        ...rules,
        planGroup(group, snapshot, nowMicros) {
          const plan = rules.planGroup(group, snapshot, nowMicros);
          return {
            ...plan,
            markTentative() {
              plan.settle();
              for (const { submission, from, to } of group) {
                kept.set(submission, submission.outcome.trees ?? []);
                submission.undecided += to - from;
              }
              plan.markTentative();
            },
            settle() {
              plan.settle();
              for (const { submission } of group) {
                const stale = kept.get(submission);
                if (stale && stale.length > 0) submission.outcome.trees = stale;
              }
            },
          };
        },
      };
    },
  },
  'blame-the-group': {
    fault: 'a refused group is not split: all of it is answered',
    rules: (rules) => {
      const refusals = new Map<Submission, number>();
      return {
        ...rules,
        planGroup(group, snapshot, nowMicros) {
          const first = group[0]!;
          const seen = (refusals.get(first.submission) ?? 0) + 1;
          refusals.set(first.submission, seen);
          const plan = rules.planGroup(group, snapshot, nowMicros);
          if (seen < 3 || group.every(({ from, to }) => to - from === 1)) return plan;
          return {
            write: undefined,
            markTentative() {},
            settle() {
              for (const { submission, from, to } of group) {
                for (let index = from; index < to; index++) submission.outcome.events[index * 4] = 8;
                submission.undecided -= to - from;
              }
            },
          };
        },
      };
    },
  },
  'lose-a-reply': {
    fault: 'now and then a decided request is not answered',
    reply: (reply) => {
      let replies = 0;
      return (submission) => {
        if (++replies % 40 !== 0) reply(submission);
      };
    },
  },
};
