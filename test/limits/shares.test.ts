import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createShares, shortageOf } from '../../engine/sequencer/index.js';

const fill = (shares: ReturnType<typeof createShares>, owner: string) => {
  while (shares.fits(owner, 1)) shares.add(owner, 1);
  return shares.held(owner);
};

describe('shares', () => {
  test('of one owner alone come to three quarters', () => {
    const shares = createShares(4096);
    expect(fill(shares, 'flood')).toBe(3072);
    expect(shares.fits('modest', 1000)).toBe(true);
  });

  test('leave room however many owners take all they can', () => {
    const shares = createShares(4096);
    const floods = Array.from({ length: 10 }, (_, i) => `flood ${i}`);
    // Who came first has the most, and may not refill what is done of it.
    for (let round = 0; round < 100; round++)
      for (const owner of floods) {
        shares.remove(owner, Math.ceil(shares.held(owner) / 10));
        fill(shares, owner);
      }
    expect(shares.fits('modest', 40)).toBe(true);
  });

  test('end at the owner’s own limit', () => {
    expect(fill(createShares(100, 7), 'a')).toBe(7);
    expect(createShares(100, 7).fits('a', 8)).toBe(false);
  });

  test('count what is held elsewhere as taken', () => {
    const shares = createShares(100);
    expect([shares.fits('a', 40, 60), shares.fits('a', 41, 60)]).toEqual([true, false]);
  });

  test('say whether the whole or the owner’s part is taken', () => {
    const shares = createShares(100);
    shares.add('a', 60);
    expect(shares.shortage('a', 41)).toBe('all'); // 40 are free
    expect(shares.shortage('a', 40)).toBeUndefined(); // three times 40 is more than 100
    shares.add('a', 15);
    expect(shares.shortage('a', 1)).toBe('owner'); // 76 of three times 25
    expect(shares.shortage('b', 25)).toBeUndefined();
    expect(shares.shortage('b', 26)).toBe('all');
    expect(createShares(100, 7).shortage('a', 8)).toBe('owner');
    expect(shortageOf(undefined, 'owner', 'all')).toBe('all');
    expect(shortageOf(undefined, 'owner')).toBe('owner');
    expect(shortageOf(undefined, undefined)).toBeUndefined();
  });

  test('never exceed the whole, and come back to nothing', () => {
    const step = fc.record({
      owner: fc.constantFrom('a', 'b', 'c'),
      amount: fc.integer({ min: 0, max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shares = createShares(100);
        const added: typeof steps = [];
        for (const each of steps) {
          if (!shares.fits(each.owner, each.amount)) continue;
          shares.add(each.owner, each.amount);
          added.push(each);
          expect(shares.total).toBeLessThanOrEqual(100);
        }
        for (const { owner, amount } of added) shares.remove(owner, amount);
        expect([shares.total, shares.held('a'), shares.held('b'), shares.held('c')]).toEqual([0, 0, 0, 0]);
      }),
    );
  });
});
