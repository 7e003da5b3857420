import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFairQueue } from '../../engine/sequencer/index.js';

type Item = { readonly owner: string; readonly cost: number; readonly n: number };
const TURN = 10;
const queueOf = (items: readonly Item[]) => {
  const queue = createFairQueue<Item>(({ cost }) => cost, TURN);
  for (const item of items) queue.push(item.owner, item);
  return queue;
};
const takeAll = (queue: ReturnType<typeof queueOf>, mayGo?: (owner: string) => boolean) => {
  const taken: Item[] = [];
  for (let item = queue.peek(mayGo); item !== undefined; item = queue.peek(mayGo)) {
    expect(queue.take()).toBe(item);
    taken.push(item);
  }
  return taken;
};
const flood = (owner: string, count: number, cost: number): Item[] =>
  Array.from({ length: count }, (_, n) => ({ owner, cost, n }));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('a fair queue', () => {
  test('does not hold on to what was taken', async () => {
    const queue = createFairQueue<object>(() => 1, 1);
    const taken: WeakRef<object>[] = [];
    for (let n = 0; n < 100; n++) queue.push('a', { n });
    for (let n = 0; n < 50 && queue.peek(); n++) taken.push(new WeakRef(queue.take()));
    await new Promise((resolve) => setTimeout(resolve)); // a reference lives at least as long as the turn it was made in
    collectGarbage();
    expect(taken.filter((item) => item.deref() !== undefined)).toEqual([]);
    expect(queue.size).toBe(50);
  });

  test('is first come, first served for one owner', () => {
    const items = flood('a', 2000, 3);
    const queue = queueOf(items);
    expect(takeAll(queue)).toEqual(items);
    expect([queue.size, queue.owners]).toEqual([0, 0]);
  });

  test('lets a newcomer wait for one turn of everybody else, however much they have waiting', () => {
    const queue = queueOf([...flood('a', 1000, 2), ...flood('b', 1000, 2)]);
    const newcomer = { owner: 'c', cost: 2, n: 0 };
    queue.push('c', newcomer);
    expect(takeAll(queue).indexOf(newcomer)).toBeLessThanOrEqual((2 * TURN) / 2);
  });

  test('passes over owners that may not go, and keeps their items', () => {
    const queue = queueOf([...flood('a', 5, 30), ...flood('b', 5, 30)]);
    expect(takeAll(queue, (owner) => owner === 'b').map(({ owner }) => owner)).toEqual(
      Array.from({ length: 5 }, () => 'b'),
    );
    expect(queue.peek(() => false)).toBeUndefined();
    expect(takeAll(queue).length).toBe(5);
  });

  test('discards what is not to be kept and goes on with the rest in order', () => {
    const queue = queueOf([...flood('a', 6, 1), ...flood('b', 2, 1)]);
    queue.peek();
    queue.take();
    const gone = queue.discard(({ owner, n }) => owner === 'a' && n % 2 === 1);
    expect(gone.length).toBe(4);
    expect([queue.size, queue.owners]).toEqual([3, 1]);
    expect(takeAll(queue).map(({ n }) => n)).toEqual([1, 3, 5]);
  });

  test('keeps each owner’s order, loses and repeats nothing, whatever happens in which order', () => {
    const push = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), cost: fc.integer({ min: 0, max: 45 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(push, fc.constant('take' as const)), { maxLength: 200 }), (steps) => {
        const queue = queueOf([]);
        const left: Item[] = [];
        let n = 0;
        for (const step of steps) {
          if (step === 'take') {
            const item = queue.peek();
            expect(item === undefined).toBe(left.length === 0);
            if (item === undefined) continue;
            expect(queue.take()).toBe(item);
            expect(item).toBe(left.find(({ owner }) => owner === item.owner));
            left.splice(left.indexOf(item), 1);
          } else {
            const item = { ...step, n: n++ };
            queue.push(item.owner, item);
            left.push(item);
          }
          expect([queue.size, queue.owners]).toEqual([left.length, new Set(left.map((i) => i.owner)).size]);
        }
      }),
    );
  });

  test('gives owners that always have something waiting the same, to within a turn and an item', () => {
    const costs = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(costs, fc.integer({ min: 1, max: 300 }), (costOf, takes) => {
        const queue = queueOf(costOf.flatMap((cost, owner) => flood(String(owner), 400, cost)));
        const got = costOf.map(() => 0);
        for (let i = 0; i < takes; i++) {
          const { owner, cost } = queue.peek()!;
          queue.take();
          got[Number(owner)]! += cost;
        }
        expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(2 * (TURN + Math.max(...costOf)));
      }),
    );
  });
});
