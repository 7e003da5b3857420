import { describe, expect, test } from 'vitest';
import {
  outcome as code,
  collectNeeds,
  createPartition,
  type Partition,
  type PartitionEffect,
  type PartitionEvent,
  type PartitionLimits,
  type Phase,
  type Submission,
} from '../../engine/sequencer/index.js';
import {
  codes,
  envelope,
  id,
  LIMITS,
  NOW_MICROS,
  planGroup,
  sequences,
  snapshot,
  submission,
} from './support.js';

/** A machine, the effects it asked for since the last look, and short names for events. */
const start = (limits: Partial<PartitionLimits> = {}) => {
  const partition = createPartition({ collectNeeds, planGroup }, { ...LIMITS, ...limits });
  const log: PartitionEffect[] = [];
  const step = (event: PartitionEvent) => {
    const effects = partition.step(event);
    log.push(...effects);
    return effects;
  };
  const group = () => {
    const open = log.findLast((effect) => effect.type === 'open');
    return open?.type === 'open' ? open.needs.eventIds[0] : [];
  };
  return {
    partition,
    step,
    group,
    submit: (...submissions: Submission[]) =>
      submissions.map((each) => step({ type: 'submit', submission: each })),
    open: (of: readonly Submission[], known?: Parameters<typeof snapshot>[1]) =>
      step({ type: 'opened', snapshot: snapshot(of, known), nowMicros: NOW_MICROS }),
    types: () => log.splice(0).map((effect) => effect.type),
    replied: (effects: PartitionEffect[]) =>
      effects.flatMap((effect) => (effect.type === 'reply' ? [effect.submission] : [])),
  };
};

const pair = (...names: number[]) => submission(names.map((name) => envelope(name)));

/** Brings a fresh machine into a phase, with one request of two events in hand. */
const reach: Record<Phase, () => { partition: Partition; request: Submission }> = {
  idle: () => ({ partition: start().partition, request: pair(1, 2) }),
  opening: () => {
    const machine = start();
    const request = pair(1, 2);
    machine.submit(request);
    return { partition: machine.partition, request };
  },
  writing: () => {
    const { partition, request } = reach.opening();
    partition.step({ type: 'opened', snapshot: snapshot([request]), nowMicros: NOW_MICROS });
    return { partition, request };
  },
  pausing: () => {
    const { partition, request } = reach.opening();
    partition.step({ type: 'unavailable', nowMs: 0 });
    return { partition, request };
  },
  closed: () => {
    const { partition, request } = reach.idle();
    partition.step({ type: 'close' });
    return { partition, request };
  },
};

/** What each event leads to: the next phase and the effects, or nothing where it cannot happen. */
type Cell = readonly [next: Phase, ...effects: PartitionEffect['type'][]] | 'impossible';
const TABLE: Record<Phase, Record<PartitionEvent['type'], Cell>> = {
  idle: {
    submit: ['opening', 'open'],
    close: ['closed', 'closed'],
    opened: 'impossible',
    fenced: 'impossible',
    committed: 'impossible',
    refused: 'impossible',
    unavailable: 'impossible',
    lost: 'impossible',
    wake: 'impossible',
  },
  opening: {
    submit: ['opening'],
    close: ['opening'],
    opened: ['writing', 'write'],
    fenced: ['opening', 'open'],
    refused: ['opening', 'open'],
    unavailable: ['pausing', 'reset', 'pause'],
    lost: ['pausing', 'reset', 'pause'],
    committed: 'impossible',
    wake: 'impossible',
  },
  writing: {
    submit: ['writing'],
    close: ['writing'],
    committed: ['idle', 'reply'],
    refused: ['opening', 'open'],
    unavailable: ['pausing', 'reset', 'pause'],
    lost: ['pausing', 'reset', 'pause'],
    opened: 'impossible',
    fenced: 'impossible',
    wake: 'impossible',
  },
  pausing: {
    submit: ['pausing'],
    close: ['pausing'],
    wake: ['opening', 'open'],
    opened: 'impossible',
    fenced: 'impossible',
    committed: 'impossible',
    refused: 'impossible',
    unavailable: 'impossible',
    lost: 'impossible',
  },
  closed: {
    submit: ['closed', 'reply'],
    close: ['closed'],
    opened: 'impossible',
    fenced: 'impossible',
    committed: 'impossible',
    refused: 'impossible',
    unavailable: 'impossible',
    lost: 'impossible',
    wake: 'impossible',
  },
};
const CELLS = Object.entries(TABLE).flatMap(([phase, row]) =>
  Object.entries(row).map(([type, cell]) => [phase, type, cell] as [Phase, PartitionEvent['type'], Cell]),
);

describe('a partition', () => {
  test.each(CELLS)('in phase %s takes "%s" as the table says', (phase, type, cell) => {
    const { partition, request } = reach[phase]();
    expect(partition.phase).toBe(phase);
    const fields = { submission: pair(3), snapshot: snapshot([request]), nowMicros: NOW_MICROS, nowMs: 1 };
    const step = () => partition.step({ type, ...fields } as PartitionEvent);
    if (cell === 'impossible') {
      expect(step).toThrow(`phase ${phase} got the impossible event "${type}"`);
      expect(partition.phase).toBe(phase);
      return;
    }
    const [next, ...effects] = cell;
    expect(step().map((effect) => effect.type)).toEqual(effects);
    expect(partition.phase).toBe(next);
  });

  test('makes one group of what arrived during a transaction, within the caps, in order of arrival', () => {
    const machine = start({ groupEventsMax: 4 });
    const [a, b, c, d] = [pair(1), pair(2, 3), pair(4, 5), pair(6)];
    machine.submit(a, b, c, d);
    expect(machine.group()).toEqual([id(1)]);
    machine.open([a]);
    machine.step({ type: 'committed' });
    expect(machine.group()).toEqual([id(2), id(3), id(4), id(5)]);
    machine.open([b, c]);
    machine.step({ type: 'committed' });
    expect(machine.group()).toEqual([id(6)]);
    const bytes = start({ groupBytesMax: pair(2, 3).bytes + pair(4).bytes });
    const [e, f, g, h] = [pair(1), pair(2, 3), pair(4), pair(5)];
    bytes.submit(e, f, g, h);
    bytes.open([e]);
    bytes.step({ type: 'committed' });
    expect(bytes.group()).toEqual([id(2), id(3), id(4)]);
  });

  test('takes a request that is larger than a group on its own', () => {
    const machine = start({ groupEventsMax: 2 });
    const [a, large, b] = [pair(1), pair(2, 3, 4, 5), pair(6)];
    machine.submit(a, large, b);
    machine.open([a]);
    machine.step({ type: 'committed' });
    expect(machine.group()).toEqual([2, 3, 4, 5].map(id));
  });

  test('answers "queue full" beyond the caps, by events and by bytes, and never to the first in the queue', () => {
    const machine = start({ queueEventsMax: 3 });
    const requests = [pair(1), pair(2, 3), pair(4, 5), pair(6)];
    machine.submit(...requests);
    expect(requests.map((each) => [each.undecided, ...codes(each)])).toEqual([
      [1, 0],
      [2, 0, 0],
      [-1, code.QUEUE_FULL, code.QUEUE_FULL],
      [1, 0],
    ]);
    expect(machine.partition.queuedEvents).toBe(3);
    const bytes = start({ queueBytesMax: pair(2).bytes + 1 });
    const [a, b, c] = [pair(1), pair(2), pair(3)];
    bytes.submit(a, b, c);
    expect([b.undecided, c.undecided]).toEqual([1, -1]);
    const tiny = start({ queueEventsMax: 1 });
    const huge = pair(2, 3, 4);
    tiny.submit(pair(1), huge);
    expect(huge.undecided).toBe(3); // one request is always taken
  });

  test('tries a refused group once more as it is, then in halves, and blames the one event at fault', () => {
    const machine = start({ groupEventsMax: 100 });
    const before = pair(1);
    const requests = [pair(2, 3), pair(4, 5, 6, 7), pair(8)];
    const all = [before, ...requests];
    machine.submit(...all);
    machine.open([before]);
    machine.step({ type: 'committed' });
    const attempts: number[] = [];
    const replies: Submission[] = [];
    const names = new Map([1, 2, 3, 4, 5, 6, 7, 8].map((name) => [id(name), name]));
    let head = 1;
    while (machine.partition.phase !== 'idle') {
      const group = machine.group().map((each) => names.get(each)!);
      attempts.push(group.length);
      machine.open(all, { head });
      const poisoned = group.includes(5);
      if (!poisoned) head += group.length;
      replies.push(
        ...machine.replied(machine.step(poisoned ? { type: 'refused', nowMs: 0 } : { type: 'committed' })),
      );
    }
    expect(requests.map(codes)).toEqual([[0, 0], [0, code.REFUSED_BY_STORE, 0, 0], [0]]);
    expect(requests.flatMap(sequences)).toEqual([2, 3, 4, 0, 5, 6, 7]);
    expect(replies).toEqual(requests); // each once
    expect(attempts).toEqual([7, 7, 2, 5, 5, 4, 4, 2, 2, 1, 1, 1, 2, 1]);
  });

  test('looks the events of a lost commit up again before it numbers them', () => {
    const machine = start();
    const request = pair(1, 2);
    machine.submit(request);
    machine.open([request], { head: 5 });
    machine.types();
    machine.step({ type: 'lost', nowMs: 0 });
    expect([machine.types(), request.undecided]).toEqual([['reset', 'pause'], 2]);
    machine.step({ type: 'wake', nowMs: 10 });
    expect(machine.types()).toEqual(['open']);
    machine.open([request], { head: 9 });
    machine.step({ type: 'committed' });
    expect(sequences(request)).toEqual([10, 11]);
  });

  test('says "unknown" past the deadline only of what a lost commit may have stored', () => {
    const machine = start({ groupEventsMax: 2 });
    const requests = [pair(1), pair(2), pair(3)].map((each) => Object.assign(each, { deadlineMs: 100 }));
    const [written, queued, patient] = requests as [Submission, Submission, Submission];
    Object.assign(patient, { deadlineMs: 101 });
    machine.submit(written, queued, patient);
    machine.open([written]);
    machine.step({ type: 'lost', nowMs: 50 });
    const effects = machine.step({ type: 'wake', nowMs: 100 });
    expect(machine.replied(effects)).toEqual([written, queued]);
    expect(requests.map(codes)).toEqual([[code.OUTCOME_UNKNOWN], [code.NOT_STORED], [0]]);
    expect(machine.group()).toEqual([id(3)]);
    expect(machine.partition.queuedEvents).toBe(0);
  });

  test('keeps "unknown" for a lost commit even when a later attempt is merely unavailable', () => {
    const machine = start();
    const request = Object.assign(pair(1), { deadlineMs: 100 });
    machine.submit(request);
    machine.open([request]);
    machine.step({ type: 'lost', nowMs: 1 });
    machine.step({ type: 'wake', nowMs: 2 });
    machine.step({ type: 'unavailable', nowMs: 3 });
    machine.step({ type: 'wake', nowMs: 200 });
    expect(codes(request)).toEqual([code.OUTCOME_UNKNOWN]);
    expect(machine.partition.phase).toBe('idle');
  });

  test('answers a split request past its deadline once, with what is known of each event', () => {
    const machine = start();
    const request = Object.assign(pair(1, 2, 3, 4), { deadlineMs: 100 });
    machine.submit(request);
    for (let attempt = 0; attempt < 2; attempt++) {
      machine.open([request]);
      machine.step({ type: 'refused', nowMs: 0 });
    }
    machine.open([request]);
    machine.step({ type: 'committed' }); // 1 and 2
    machine.open([request], { head: 2 });
    machine.step({ type: 'unavailable', nowMs: 50 });
    const effects = machine.step({ type: 'wake', nowMs: 100 });
    expect(machine.replied(effects)).toEqual([request]);
    expect(codes(request)).toEqual([0, 0, code.NOT_STORED, code.NOT_STORED]);
  });

  test('pauses longer with every failure, up to the cap, and starts over after a success', () => {
    const machine = start();
    const request = pair(1);
    machine.submit(request);
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      for (const effect of machine.step({ type: 'unavailable', nowMs: 0 }))
        if (effect.type === 'pause') pauses.push(effect.ms);
      machine.step({ type: 'wake', nowMs: 0 });
    }
    machine.open([request]);
    machine.step({ type: 'committed' });
    machine.submit(pair(2));
    for (const effect of machine.step({ type: 'unavailable', nowMs: 0 }))
      if (effect.type === 'pause') pauses.push(effect.ms);
    expect(pauses).toEqual([10, 20, 40, 80, 80, 80, 10]);
  });

  test('answers replays without a write', () => {
    const machine = start();
    const request = submission([{ envelope: envelope(1), verdict: code.VERDICT_BASE }]);
    machine.submit(request);
    machine.types();
    machine.open([request]);
    expect(machine.types()).toEqual(['release', 'reply']);
    expect(machine.partition.phase).toBe('idle');
  });

  test('answers an empty request', () => {
    const machine = start();
    const request = submission([]);
    machine.submit(request);
    const effects = machine.open([request], { head: 4 });
    expect([machine.replied(effects), request.outcome.head]).toEqual([[request], 4]);
  });

  test('finishes what is queued after a close and takes nothing new', () => {
    const machine = start({ groupEventsMax: 1 });
    const [a, b, late, later] = [pair(1), pair(2), pair(3), pair(4)];
    machine.submit(a, b);
    machine.step({ type: 'close' });
    machine.submit(late);
    machine.open([a]);
    machine.step({ type: 'committed' });
    machine.open([b], { head: 1 });
    machine.types();
    machine.step({ type: 'committed' });
    expect(machine.types()).toEqual(['reply', 'closed']);
    machine.submit(later);
    expect([a, b, late, later].map(codes)).toEqual([[0], [0], [code.QUEUE_FULL], [code.QUEUE_FULL]]);
    expect(machine.partition.phase).toBe('closed');
  });
});
