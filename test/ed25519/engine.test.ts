import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createEd25519Engine, type Ed25519Engine, type EngineOptions } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';

const module = loadEd25519Module();
const TABLE_BYTES = 51 * 16 * 64;

const newEngine = (options?: EngineOptions): Ed25519Engine => createEd25519Engine(module, options);
const tables = (count: number, warmAfter = 0): EngineOptions => ({
  tableBytesMax: count * TABLE_BYTES,
  warmAfter,
});
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** A key of node:crypto with its public key in an engine. */
function newSigner(engine: Ed25519Engine) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const bytes = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'));
  return {
    bytes,
    key: engine.importKey(bytes)!,
    sign: (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey)),
  };
}

/** RFC 8032 section 7.1, tests 1 to 3. */
const RFC_8032 = [
  {
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
];

describe.each([
  ['cold', tables(0)],
  ['warm', tables(8)],
])('RFC 8032 section 7.1, %s', (_name, options) => {
  const engine = newEngine(options);
  test.each(RFC_8032)('message $message', (vector) => {
    const key = engine.importKey(hex(vector.publicKey))!;
    const signature = hex(vector.signature);
    expect(engine.verify(key, hex(vector.message), signature)).toBe(true);
    expect(engine.verify(key, hex(`${vector.message}00`), signature)).toBe(false);
    signature[40]! ^= 1;
    expect(engine.verify(key, hex(vector.message), signature)).toBe(false);
  });
});

describe('importing a key', () => {
  const engine = newEngine();

  test('refuses wrong lengths, points of small order, and what is not on the curve', () => {
    const good = newSigner(engine).bytes;
    expect(engine.importKey(good.subarray(0, 31))).toBeUndefined();
    expect(engine.importKey(new Uint8Array(33))).toBeUndefined();
    for (const bytes of [
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0000000000000000000000000000000000000000000000000000000000000080',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0200000000000000000000000000000000000000000000000000000000000000',
    ])
      expect(engine.importKey(hex(bytes)), bytes).toBeUndefined();
  });

  test('copies the bytes, and may be repeated', () => {
    const signer = newSigner(engine);
    const bytes = signer.bytes.slice();
    const first = engine.importKey(bytes)!;
    const second = engine.importKey(bytes)!;
    bytes.fill(0);
    const message = randomBytes(32);
    for (const key of [first, second]) expect(engine.verify(key, message, signer.sign(message))).toBe(true);
  });

  test('belongs to one engine', () => {
    const { key, sign } = newSigner(newEngine());
    const message = randomBytes(8);
    expect(() => engine.verify(key, message, sign(message))).toThrow(TypeError);
  });
});

describe('a batch', () => {
  test('gives each signature its own verdict, in order, warm and cold together', () => {
    const engine = newEngine(tables(2));
    const signers = Array.from({ length: 5 }, () => newSigner(engine));
    const expected: number[] = [];
    for (let i = 0; i < engine.batchMax; i++) {
      const { key, sign } = signers[i % signers.length]!;
      const message = randomBytes(32);
      const signature = sign(message);
      const wrong = i % 3 === 0;
      if (wrong) signature[i % 64]! ^= 1 << (i % 8);
      expect(engine.add(key, message, signature)).toBe(i);
      message.fill(0); // the engine keeps nothing of ours
      signature.fill(0);
      expected.push(wrong ? 0 : 1);
    }
    expect([...engine.run()]).toEqual(expected);
    expect([...engine.run()]).toEqual([]);
    const { warmChecks, coldChecks } = engine.stats();
    expect([warmChecks, coldChecks]).toEqual([103, 153]);
  });

  test('refuses more than it holds, and goes on after run', () => {
    const engine = newEngine();
    const { key, sign } = newSigner(engine);
    const message = randomBytes(32);
    const signature = sign(message);
    expect(engine.batchMax).toBeGreaterThanOrEqual(256);
    for (let i = 0; i < engine.batchMax; i++) engine.add(key, message, signature);
    expect(() => engine.add(key, message, signature)).toThrow(RangeError);
    expect(engine.run().every((verdict) => verdict === 1)).toBe(true);
    expect(engine.add(key, message, signature)).toBe(0);
  });

  test('takes signatures out of a larger block, and refuses what is not there', () => {
    const engine = newEngine();
    const { key, sign } = newSigner(engine);
    const message = randomBytes(32);
    const block = new Uint8Array(200);
    block.set(sign(message), 100);
    for (const at of [100, 99, 136, 137, 200, -1]) engine.add(key, message, block, at);
    engine.add(key, message, block);
    engine.add(key, message, block.subarray(100, 163));
    engine.add(key, message, block.subarray(100, 164));
    expect([...engine.run()]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  test('is not disturbed by single checks, new keys and new tables', () => {
    const engine = newEngine(tables(2));
    const [a, b, c] = [newSigner(engine), newSigner(engine), newSigner(engine)];
    const message = randomBytes(500);
    engine.add(a.key, message, a.sign(message));
    engine.add(b.key, message, a.sign(message));
    expect(engine.verify(c.key, message, c.sign(message))).toBe(true);
    const d = newSigner(engine);
    engine.add(d.key, message, d.sign(message));
    expect([...engine.run()]).toEqual([1, 0, 1]);
  });
});

test.each([0, 1, 31, 32, 33, 95, 96, 97, 127, 128, 191, 192, 16_383, 16_384, 16_385, 100_000])(
  'messages of %i bytes',
  (length) => {
    const engine = newEngine(tables(1, 1));
    const { key, sign } = newSigner(engine);
    const message = new Uint8Array(randomBytes(length));
    const signature = sign(message);
    const other = new Uint8Array(randomBytes(length + 1));
    for (let i = 0; i < 3; i++) {
      engine.add(key, message, signature);
      engine.add(key, other, signature);
    }
    expect([...engine.run()]).toEqual([1, 0, 1, 0, 1, 0]);
  },
);

describe('tables', () => {
  const check = (engine: Ed25519Engine, { key, sign }: ReturnType<typeof newSigner>, times = 1) => {
    const message = randomBytes(32);
    const signature = sign(message);
    for (let i = 0; i < times; i++) {
      expect(engine.verify(key, message, signature)).toBe(true);
      expect(engine.verify(key, randomBytes(32), signature)).toBe(false);
    }
  };

  test('come after some checks', () => {
    const engine = newEngine({ warmAfter: 4 });
    check(engine, newSigner(engine), 2);
    expect(engine.stats()).toMatchObject({ tables: 0, tableBytes: 0, coldChecks: 4, warmChecks: 0 });
    check(engine, newSigner(engine), 3);
    expect(engine.stats()).toMatchObject({
      tables: 1,
      tableBytes: TABLE_BYTES,
      coldChecks: 8,
      warmChecks: 2,
    });
  });

  test('of keys that were not used for the longest time make room', () => {
    const engine = newEngine(tables(3));
    const signers = Array.from({ length: 4 }, () => newSigner(engine));
    const [a, b, c, d] = signers as [
      (typeof signers)[0],
      (typeof signers)[0],
      (typeof signers)[0],
      (typeof signers)[0],
    ];
    for (const signer of [a, b, c, a]) check(engine, signer);
    expect(engine.stats()).toMatchObject({ tables: 3, builds: 3, evictions: 0 });
    check(engine, d);
    expect(engine.stats()).toMatchObject({ tables: 3, builds: 4, evictions: 1 });
    for (const signer of [a, c, d]) check(engine, signer);
    expect(engine.stats().builds).toBe(4);
    check(engine, b); // its handle is as good as ever
    expect(engine.stats()).toMatchObject({ tables: 3, builds: 5, evictions: 2, coldChecks: 0 });
  });

  test('that the open batch needs are not taken away', () => {
    const engine = newEngine(tables(2));
    const signers = Array.from({ length: 4 }, () => newSigner(engine));
    const message = randomBytes(32);
    for (const { key, sign } of signers) engine.add(key, message, sign(message));
    for (const { key, sign } of signers) expect(engine.verify(key, message, sign(message))).toBe(true);
    expect([...engine.run()]).toEqual([1, 1, 1, 1]);
    expect(engine.stats()).toMatchObject({ builds: 2, evictions: 0 });
    check(engine, signers[3]!);
    expect(engine.stats()).toMatchObject({ builds: 3, evictions: 1 });
  });

  test('are not built over and over when more keys are busy than there is room for', () => {
    const engine = newEngine(tables(2, 3));
    const signers = Array.from({ length: 6 }, () => newSigner(engine));
    for (let round = 0; round < 20; round++) for (const signer of signers) check(engine, signer);
    expect(engine.stats()).toMatchObject({ tables: 2, builds: 2, evictions: 0 });
  });

  test('without room for any, everything is checked cold', () => {
    const engine = newEngine({ tableBytesMax: TABLE_BYTES - 1, warmAfter: 0 });
    check(engine, newSigner(engine), 3);
    expect(engine.stats()).toEqual({
      tables: 0,
      tableBytes: 0,
      warmChecks: 0,
      coldChecks: 6,
      builds: 0,
      evictions: 0,
    });
  });
});
