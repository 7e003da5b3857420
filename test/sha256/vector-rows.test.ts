import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { portableHashInto, type RowHashing, rowHashingOf } from '../../engine/protocol/index.js';
import { createVectorRowHashing } from '../../engine/sha256/index.js';
import { loadRowsModule } from '../../engine/sha256/load-module.js';
import { compileWasm } from '../../scripts/build-wasm.mjs';
import { sha256Into } from '../../workers/native-crypto.js';
import { openRowHashing } from '../../workers/row-hashing.js';

const HASHINGS: Record<string, RowHashing> = {
  'by vectors': createVectorRowHashing(loadRowsModule(), sha256Into),
  'one by one': rowHashingOf(portableHashInto),
  'as the workers do': openRowHashing(),
};

/** The digests by node:crypto's usual interface. */
const expected = (prefix: Uint8Array, rows: Uint8Array, offset: number, rowBytes: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const from = offset + i * rowBytes;
    return createHash('sha256')
      .update(prefix)
      .update(rows.subarray(from, from + rowBytes))
      .digest('hex');
  });

const split = (digests: Uint8Array, offset: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    Buffer.from(digests.subarray(offset + 32 * i, offset + 32 * (i + 1))).toString('hex'),
  );

const pseudorandom = (length: number, seed: number) => {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
};

describe.each(Object.entries(HASHINGS))('rows hashed %s', (_, hashing) => {
  test('have the digests of NIST example messages', () => {
    // FIPS 180-2, appendix B.2: 448 bits, and the 896 bits of the same family; four of each, so that all lanes hash them.
    const short = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq';
    const long =
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu';
    for (const [message, digest] of [
      [short, '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
      [long, 'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1'],
    ] as const) {
      const [head, row] = [message.slice(0, 8), message.slice(8)];
      const digests = new Uint8Array(4 * 32);
      hashing(Buffer.from(head), row.length)(Buffer.from(row.repeat(4)), 0, 4, digests, 0);
      expect(split(digests, 0, 4)).toEqual([digest, digest, digest, digest]);
    }
  });

  test('of every length and number have the digests of node:crypto', () => {
    const rows = pseudorandom(300 * 9 + 5, 1);
    for (const prefixBytes of [0, 1, 11])
      for (let rowBytes = 30; rowBytes <= 260; rowBytes++) {
        const prefix = pseudorandom(prefixBytes, rowBytes);
        const count = 1 + (rowBytes % 9);
        const digests = new Uint8Array(3 + 32 * count);
        hashing(prefix, rowBytes)(rows, 5, count, digests, 3);
        expect(split(digests, 3, count), `${prefixBytes} + ${rowBytes}`).toEqual(
          expected(prefix, rows, 5, rowBytes, count),
        );
      }
  });

  test('may be as many as one likes, and take the place of what was hashed', () => {
    fc.assert(
      fc.property(fc.constantFrom(64, 96, 147), fc.integer({ min: 1, max: 3000 }), (rowBytes, count) => {
        const bytes = pseudorandom(rowBytes * count, count);
        const digests = expected(Uint8Array.of(1), bytes, 0, rowBytes, count);
        hashing(Uint8Array.of(1), rowBytes)(bytes, 0, count, bytes, 0);
        expect(split(bytes, 0, count)).toEqual(digests);
      }),
      { numRuns: 25 },
    );
  });

  test('of several shapes may take turns', () => {
    const rows = pseudorandom(147 * 8, 3);
    const shapes = [
      { prefix: Uint8Array.of(0), rowBytes: 147 },
      { prefix: Uint8Array.of(1), rowBytes: 64 },
      { prefix: Buffer.from('VES_NODE_V1'), rowBytes: 64 },
      { prefix: new Uint8Array(0), rowBytes: 147 },
    ];
    const hashers = shapes.map(({ prefix, rowBytes }) => hashing(prefix, rowBytes));
    for (let turn = 0; turn < 12; turn++) {
      const i = (turn * 3 + (turn >> 2)) % shapes.length;
      const { prefix, rowBytes } = shapes[i]!;
      const digests = new Uint8Array(8 * 32);
      hashers[i]!(rows, 0, 8, digests, 0);
      expect(split(digests, 0, 8)).toEqual(expected(prefix, rows, 0, rowBytes, 8));
    }
  });
});

test('rows that are not there are refused, not invented', () => {
  const hashRows = HASHINGS['by vectors']!(Uint8Array.of(1), 64);
  expect(() => hashRows(new Uint8Array(127), 0, 2, new Uint8Array(64), 0)).toThrow(RangeError);
  expect(() => hashRows(new Uint8Array(128), 1, 2, new Uint8Array(64), 0)).toThrow(RangeError);
  expect(() => hashRows(new Uint8Array(128), 0, 2, new Uint8Array(63), 0)).toThrow(RangeError);
});

test('a module whose digests differ from the known ones is not used', async () => {
  const faults: [file: string, find: string, replace: string][] = [
    ['compress.ts', 'rotate(x, 17)', 'rotate(x, 16)'],
    ['compress.ts', 'rotate(x, 22)', 'rotate(x, 21)'],
    ['constants.ts', '0xc67178f2', '0xc67178f3'],
    ['index.ts', 'store<u8>(lane + length, 0x80);', ''],
    ['index.ts', 'if (count == 0) return;', 'return;'],
  ];
  const source = (name: string) =>
    readFileSync(new URL(`../../engine/sha256/assembly/${name}`, import.meta.url), 'utf8');
  for (const [file, find, replace] of faults) {
    expect(source(file).split(find), `${file}: ${find}`).toHaveLength(2);
    const binary = await compileWasm({
      room: 'sha256',
      optimizeLevel: 0,
      readSource: (name) => (name === file ? source(file).replace(find, replace) : undefined),
    });
    expect(
      () => createVectorRowHashing(new WebAssembly.Module(binary), sha256Into),
      `${file}: ${replace}`,
    ).toThrow('must not be used');
  }
}, 60_000);

test('the module is compiled to the same bytes each time, and asks its host for nothing', async () => {
  const file = readFileSync(new URL('../../engine/sha256/rows.wasm', import.meta.url));
  expect(file.equals(await compileWasm({ room: 'sha256' }))).toBe(true);
  expect(WebAssembly.Module.imports(loadRowsModule())).toEqual([]);
}, 60_000);
