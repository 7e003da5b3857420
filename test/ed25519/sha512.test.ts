import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeHex } from '../../engine/protocol/index.js';
import { compileInternals, createInternals, type Internals } from './internals.js';

let engine: Internals;
let out: number;
let at: number;

beforeAll(async () => {
  engine = createInternals(await compileInternals());
  out = engine.place(0);
  at = engine.place(1);
}, 60_000);

function hash(message: Uint8Array): string {
  engine.putBytes(at, message);
  engine.call('sha512', out, at, message.length);
  return encodeHex(engine.bytes(out, 64));
}

function hashInPieces(pieces: readonly Uint8Array[]): string {
  engine.call('sha512Begin');
  for (const piece of pieces) {
    engine.putBytes(at, piece);
    engine.call('sha512Update', at, piece.length);
  }
  engine.call('sha512End', out);
  return encodeHex(engine.bytes(out, 64));
}

const byNode = (message: Uint8Array) => createHash('sha512').update(message).digest('hex');
/** Different at every place, so that swapped bytes show. */
const counted = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

test('the examples of NIST for FIPS 180', () => {
  const text = (content: string) => new TextEncoder().encode(content);
  expect(hash(text('abc'))).toBe(
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  );
  expect(hash(text(''))).toBe(
    'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  );
  const two =
    'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu';
  expect(hash(text(two))).toBe(
    '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
  );
  const million = Array.from({ length: 100 }, () => text('a'.repeat(10_000)));
  expect(hashInPieces(million)).toBe(
    'e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b',
  );
});

test('every length up to five blocks', () => {
  for (let length = 0; length <= 640; length++) {
    expect(hash(counted(length)), `${length} bytes`).toBe(byNode(counted(length)));
    expect(hash(new Uint8Array(length).fill(0x80)), `${length} bytes`).toBe(
      byNode(new Uint8Array(length).fill(0x80)),
    );
  }
});

describe('in pieces', () => {
  test('cut at every place', () => {
    for (const length of [1, 111, 112, 127, 128, 129, 240, 256, 300]) {
      const message = counted(length);
      for (let cut = 0; cut <= length; cut++)
        expect(hashInPieces([message.subarray(0, cut), message.subarray(cut)]), `${cut} of ${length}`).toBe(
          byNode(message),
        );
    }
  });

  test('of any sizes, also none', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }), (pieces) => {
        expect(hashInPieces(pieces)).toBe(byNode(Buffer.concat(pieces)));
      }),
      { numRuns: 300 },
    );
  });

  test('begun and not ended do not show in the next message', () => {
    engine.call('sha512Begin');
    engine.putBytes(at, counted(200));
    engine.call('sha512Update', at, 200);
    expect(hash(counted(50))).toBe(byNode(counted(50)));
  });

  test('longer than 2^32 bits: the length counts beyond 32 bits', () => {
    const block = counted(65_536);
    const oracle = createHash('sha512');
    engine.putBytes(at, block);
    engine.call('sha512Begin');
    for (let i = 0; i < 8193; i++) {
      engine.call('sha512Update', at, block.length);
      oracle.update(block);
    }
    engine.call('sha512End', out);
    expect(encodeHex(engine.bytes(out, 64))).toBe(oracle.digest('hex'));
  }, 60_000);
});
