import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutChunk, type EventChunk, eventBytes } from '../../engine/subscriptions/index.js';

/** A chunk over `first..last` whose events (a subset) are encoded as their number in decimal. */
function chunkOf(first: number, last: number, sequences: readonly number[]): EventChunk {
  const texts = sequences.map(String);
  let end = 0;
  return {
    first,
    last,
    head: last,
    count: sequences.length,
    bytes: Buffer.from(texts.join('')),
    ends: Uint32Array.from(texts, (text) => (end += text.length)),
    sequences: Float64Array.from(sequences),
  };
}

const textsOf = (chunk: EventChunk) =>
  Array.from({ length: chunk.count }, (_, i) => Number(Buffer.from(eventBytes(chunk, i)).toString()));

test('a chunk that is wanted whole stays itself', () => {
  const chunk = chunkOf(5, 9, [5, 7]);
  expect(cutChunk(chunk, 4, 2)).toBe(chunk);
});

test('pieces of any size, one behind the other, hold every event once and cover every number', () => {
  const chunks = fc
    .record({
      first: fc.integer({ min: 1, max: 1000 }),
      passes: fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
    })
    .map(({ first, passes }) =>
      chunkOf(
        first,
        first + passes.length - 1,
        passes.flatMap((passed, i) => (passed ? [first + i] : [])),
      ),
    );
  fc.assert(
    fc.property(
      chunks,
      fc.nat(50),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (chunk, skip, rooms) => {
        let cursor = Math.min(chunk.first - 1 + skip, chunk.last);
        const wanted = [...chunk.sequences].filter((sequence) => sequence > cursor);
        const got: number[] = [];
        for (let i = 0; cursor < chunk.last; i++) {
          const room = rooms[i % rooms.length]!;
          const piece = cutChunk(chunk, cursor, room);
          expect(piece.count).toBeLessThanOrEqual(room);
          expect(piece.last).toBeGreaterThan(cursor);
          expect(textsOf(piece)).toEqual([...piece.sequences]);
          got.push(...piece.sequences);
          cursor = piece.last;
        }
        expect(got).toEqual(wanted);
      },
    ),
  );
});
