import { describe, expect, test } from 'vitest';
import { collectNeeds, createPartition, outcome, type Submission } from '../../engine/sequencer/index.js';
import {
  codes,
  envelope,
  id,
  LIMITS,
  NOW_MICROS,
  planGroup,
  snapshot,
  submission,
} from '../sequencer/support.js';

const of = (tenant: string, name: string, events = 1): Submission =>
  submission(Array.from({ length: events }, (_, i) => envelope(`${name} ${i}`, { tenant: id(tenant) })));

/** A machine that is busy with a first group, so that what is submitted waits. */
function busy(limits: Partial<typeof LIMITS> = {}, tenant = 'first') {
  const partition = createPartition(
    { collectNeeds, planGroup },
    {
      ...LIMITS,
      groupEventsMax: 100,
      groupBytesMax: 1e9,
      queueEventsMax: 400,
      queueBytesMax: 1e9,
      ...limits,
    },
  );
  const first = of(tenant, 'first');
  partition.step({ type: 'submit', submission: first });
  let group: readonly Submission[] = [first];
  return {
    submit: (...submissions: Submission[]) =>
      submissions.flatMap((each) => partition.step({ type: 'submit', submission: each })),
    /** Commits the group under way; returns the requests that it answered. */
    commit() {
      partition.step({ type: 'opened', snapshot: snapshot(group), nowMicros: NOW_MICROS });
      const effects = partition.step({ type: 'committed' });
      return effects.flatMap((effect) => (effect.type === 'reply' ? [effect.submission] : []));
    },
    expectNext(submissions: readonly Submission[]) {
      group = submissions;
    },
  };
}

describe('tenants in a partition', () => {
  test('who sends little is in the next group, with no more than a turn of who floods', () => {
    const machine = busy();
    const flood = Array.from({ length: 60 }, (_, i) => of('flood', `flood ${i}`, 5));
    const modest = of('modest', 'modest');
    machine.submit(...flood, modest);
    machine.commit();
    machine.expectNext([...flood, modest]);
    const answered = machine.commit();
    expect(answered).toContain(modest);
    expect(answered).toEqual([flood[0], modest]);
  });

  test('one tenant alone gets whole groups', () => {
    const machine = busy({}, 'flood');
    const flood = Array.from({ length: 60 }, (_, i) => of('flood', `flood ${i}`, 5));
    machine.submit(...flood);
    machine.commit();
    machine.expectNext(flood);
    expect(machine.commit()).toEqual(flood.slice(0, 20));
  });

  test('tenants that met share the partition for a while, so that nobody waits for a large group when they come back', () => {
    const machine = busy({ queueEventsMax: 4000 });
    const flood = Array.from({ length: 200 }, (_, i) => of('flood', `flood ${i}`, 5));
    machine.submit(...flood);
    machine.commit();
    const groups = Array.from({ length: 53 }, () => {
      machine.expectNext(flood);
      return machine.commit().length;
    });
    expect(groups).toEqual([...new Array(50).fill(1), 20, 20, 20]);
  });

  test('a flood is refused before the queue is full, and nobody else is', () => {
    const machine = busy();
    const flood = Array.from({ length: 100 }, (_, i) => of('flood', `flood ${i}`, 5));
    const refused = machine.submit(...flood).length;
    expect(refused).toBe(100 - 300 / 5);
    expect(codes(flood.at(-1)!)).toEqual(new Array(5).fill(outcome.SHARE_FULL));
    expect(machine.submit(of('modest', 'modest', 20))).toEqual([]);
    const large = of('large', 'large', 90);
    machine.submit(large);
    expect(codes(large)).toEqual(new Array(90).fill(outcome.QUEUE_FULL)); // 80 have room, for whomever
  });
});
