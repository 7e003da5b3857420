import { expect, test } from 'vitest';
import { parseUuid } from '../../engine/protocol/index.js';
import { createFrameWriter, encodeEvents, FRAME } from '../../engine/wire/index.js';
import { createHeardLog } from '../../loadtest/heard-log.js';
import { compareHeard } from '../../loadtest/scenarios/fan-out.js';

const id = (number: number) => parseUuid(`00000000-0000-4000-8000-${String(number).padStart(12, '0')}`)!;
const NOBODY = new Uint8Array(16);

/** A frame with the events of these numbers; the ids are those of `ids`. */
function frame(numbers: readonly number[], ids = numbers): Uint8Array {
  const writer = createFrameWriter();
  for (const [i, number] of numbers.entries()) {
    writer
      .array(16)
      .uint(number)
      .uint(1_000_000 + Math.floor(number / 2));
    writer.bin(NOBODY).bin(id(ids[i]!)).bin(NOBODY).uint(1).uint(2).uint(0).nil().nil();
    for (const text of ['order', 'o-1', 'order.changed', '2026-01-01T00:00:00Z', '{}']) writer.str(text);
    writer.bin(new Uint8Array(128));
  }
  const [first, last] = [numbers[0]!, numbers.at(-1)!];
  return encodeEvents(1, { first, last, head: 99, count: numbers.length }, writer.done());
}

test('frames of many subscribers make one log; instants are counted with their events', () => {
  const log = createHeardLog(1);
  const heard = log.take(frame([1, 2, 3]));
  expect(heard).toEqual({ first: 1, last: 3, instants: [1_000_000, 1, 1_000_001, 2] });
  expect(log.take(frame([1, 2, 3]))).toBe(heard);
  log.take(frame([4, 5]));
  // Another subscriber gets the same events in other pieces.
  log.take(frame([2, 3, 4]));
  expect(log.ids().length).toBe(5 * 16);
  expect([...log.ids().subarray(64)]).toEqual([...id(5)]);
});

test('a gap, another event under a known number, and a wrong order are found', () => {
  const log = createHeardLog(11);
  log.take(frame([11, 12]));
  expect(() => log.take(frame([14]))).toThrow('event 14 is heard before event 13');
  expect(() => log.take(frame([12, 13], [9, 13]))).toThrow('event 12 is not the same');
  expect(() => log.take(frame([13, 15, 14]))).toThrow('event 15 stands where 14 belongs');
  expect(() => log.take(createFrameWriter().array(2).uint(FRAME.pong).uint(1).done())).toThrow('type 42');
});

test('what was heard is compared with what is stored', async () => {
  const log = createHeardLog(2);
  log.take(frame([2, 3, 4]));
  const heard = { first: 2, ids: log.ids(), faults: [], leastCursor: 4 };
  const stored = (numbers: readonly number[], ids = numbers) =>
    compareHeard(
      heard,
      async function* () {
        yield numbers.map((sequence, i) => ({ sequence, id: id(ids[i]!) }));
      },
      'store',
    );
  expect(await stored([1, 2, 3, 4])).toEqual([]);
  expect(await stored([1, 2, 3])).toEqual(['L7: 1 events were heard that are not stored']);
  expect(await stored([1, 2, 3, 4, 5])).toEqual(['L7: event 5 is stored and was not heard']);
  expect(await stored([1, 2, 3, 4], [1, 2, 7, 4])).toEqual(['L7: event 3 is another one than was heard']);
});
