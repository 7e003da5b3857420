import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COPY_HEADER, COPY_TRAILER } from '../../engine/store/copy-row.js';
import { createTupleReader } from '../../engine/store/copy-tuples.js';

const value = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null });
const rows = fc
  .integer({ min: 1, max: 5 })
  .chain((columns) =>
    fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 8 }),
  );

function encode(list: readonly (readonly (Uint8Array | null)[])[]): Buffer {
  const parts: Uint8Array[] = [COPY_HEADER];
  for (const row of list) {
    const count = Buffer.alloc(2);
    count.writeInt16BE(row.length);
    parts.push(count);
    for (const column of row) {
      const length = Buffer.alloc(4);
      length.writeInt32BE(column === null ? -1 : column.length);
      parts.push(length, column ?? Buffer.alloc(0));
    }
  }
  return Buffer.concat([...parts, COPY_TRAILER]);
}

test('rows are read whole, wherever the stream is cut', () => {
  fc.assert(
    fc.property(rows, fc.infiniteStream(fc.integer({ min: 1, max: 30 })), (list, sizes) => {
      const bytes = encode(list);
      const read: (Uint8Array | null)[][] = [];
      const push = createTupleReader(list[0]!.length, ({ bytes: piece, at, length, start, end }) => {
        read.push(
          Array.from(at, (from, i) =>
            length[i] === -1 ? null : Uint8Array.from(piece.subarray(from, from + length[i]!)),
          ),
        );
        expect(piece.readInt16BE(start)).toBe(list[0]!.length);
        expect(end).toBe(at.at(-1)! + Math.max(0, length.at(-1)!));
      });
      for (let at = 0; at < bytes.length; ) {
        const size = sizes.next().value;
        push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(read).toEqual(list);
    }),
  );
});

test('a row with another number of columns is not taken for anything', () => {
  expect(() => createTupleReader(3, () => {})(encode([[null, null]]))).toThrow(
    'a row of 2 columns, where 3 were asked for',
  );
});
