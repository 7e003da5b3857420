/** A followed stream passes every number on once and in order, however the news of it arrive. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CommittedPiece } from '../../engine/subscriptions/index.js';
import { createTailStream } from '../../engine/subscriptions/tail-stream.js';

const TENANT = '0'.repeat(32);
const piece = (first: number, last: number): CommittedPiece => ({
  kind: 'ves',
  tenant: TENANT,
  store: TENANT,
  first,
  last,
});

/** What was passed on, as numbers; reads are answered when the test says so. */
function follow() {
  const passed: number[] = [];
  const reads: { from: number; to: number }[] = [];
  const pass = (from: number, to: number) => {
    for (let n = from; n <= to; n++) passed.push(n);
  };
  const stream = createTailStream({
    emit: ({ first, last }) => pass(first, last),
    fill: (from, to) => void reads.push({ from, to }),
  });
  const answer = (stored: number) => {
    const read = reads.shift();
    if (read === undefined) return false;
    const last = Math.min(read.to, stored);
    pass(read.from, last);
    stream.filled(Math.max(last, read.from - 1));
    return true;
  };
  return { stream, passed, reads, answer };
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('groups in order are passed on from memory', () => {
  const { stream, passed, reads } = follow();
  stream.begin(10);
  stream.committed(piece(11, 15));
  stream.committed(piece(16, 16));
  expect(passed).toEqual(upTo(11, 16));
  expect(reads).toEqual([]);
});

test('groups that arrive before the head is known are passed on if they lie behind it', () => {
  const { stream, passed } = follow();
  stream.committed(piece(9, 10));
  stream.committed(piece(11, 12));
  stream.begin(10);
  expect(passed).toEqual([11, 12]);
});

test('what another process committed in between is read', () => {
  const { stream, passed, reads, answer } = follow();
  stream.begin(10);
  stream.committed(piece(14, 15));
  expect(reads).toEqual([{ from: 11, to: 13 }]);
  answer(15);
  expect(passed).toEqual(upTo(11, 15));
});

test('a hint beyond what is stored is forgotten, the next one is followed', () => {
  const { stream, passed, reads, answer } = follow();
  stream.begin(3);
  stream.hint(9);
  answer(3);
  expect(reads).toEqual([]);
  stream.hint(5);
  answer(5);
  expect(passed).toEqual([4, 5]);
});

test('any mixture of groups, hints, reads and delays passes on 1..n once each', () => {
  const steps = fc.array(
    fc.record({
      size: fc.integer({ min: 1, max: 5 }),
      how: fc.constantFrom('here', 'elsewhere', 'silent'),
      delay: fc.nat(4),
      read: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, fc.nat(30), (groups, beginAt) => {
      const { stream, passed, answer } = follow();
      let head = 0;
      let start = -1;
      const late: { at: number; tell: () => void }[] = [];
      groups.forEach(({ size, how, delay, read }, i) => {
        if (i === Math.min(beginAt, groups.length - 1)) {
          start = head;
          stream.begin(head);
        }
        const group = piece(head + 1, head + size);
        head += size;
        const told = head;
        if (how === 'here') late.push({ at: i + delay, tell: () => stream.committed(group) });
        if (how === 'elsewhere') late.push({ at: i + delay, tell: () => stream.hint(told) });
        for (const each of late.filter(({ at }) => at === i)) each.tell();
        if (read) answer(head);
      });
      for (const each of late.filter(({ at }) => at >= groups.length)) each.tell();
      // The look once a second.
      while (answer(head));
      stream.hint(head);
      while (answer(head));
      expect(passed).toEqual(upTo(start + 1, head));
    }),
    { numRuns: 2000 },
  );
});
