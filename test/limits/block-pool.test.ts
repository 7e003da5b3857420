import { expect, test } from 'vitest';
import { createBlockPool } from '../../workers/block-pool.js';

const KIB = 1024;

test('blocks are large enough, whatever is asked for', () => {
  const pool = createBlockPool(KIB * KIB);
  for (const bytes of [0, 1, 2048, 2049, 4096, 4097, 65_536, 65_537, 10_000_000]) {
    const block = pool.take(bytes);
    expect(block.length).toBeGreaterThanOrEqual(bytes);
    pool.give(block);
    expect(pool.take(bytes).length).toBeGreaterThanOrEqual(bytes);
  }
});

test('a block that was given back is used again, for one at a time', () => {
  const pool = createBlockPool(KIB * KIB);
  const block = pool.take(70_000);
  expect(pool.take(70_000)).not.toBe(block);
  pool.give(block);
  expect(pool.take(100_000)).toBe(block);
  expect(pool.take(100_000)).not.toBe(block);
});

test('no more is kept than allowed', () => {
  const pool = createBlockPool(256 * KIB);
  const blocks = Array.from({ length: 10 }, () => pool.take(100 * KIB));
  for (const block of blocks) pool.give(block);
  const again = Array.from({ length: 10 }, () => pool.take(100 * KIB));
  expect(again.filter((block) => blocks.includes(block))).toHaveLength(2);
});
