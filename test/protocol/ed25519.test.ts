import { createPublicKey, verify as nodeVerify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import sodium from 'sodium-native';
import { describe, expect, it } from 'vitest';
import {
  checkPublicKey,
  checkSignatureShape,
  checkSignatureShapeAt,
  concatBytes,
  createVerifier,
  encodeHex,
  publicKeyFromSeed,
  SMALL_ORDER_ENCODINGS,
  signEd25519,
  verifyStrict,
} from '../../engine/protocol/index.js';
import { hex } from './support.js';

const L = Point.CURVE().n;

/** Our rule with a native verifier in the place of the curve arithmetic. */
function underTheRule(native: (sig: Uint8Array, message: Uint8Array, key: Uint8Array) => boolean) {
  return (sig: Uint8Array, message: Uint8Array, key: Uint8Array) =>
    checkPublicKey(key) === 'ok' && checkSignatureShape(sig) && native(sig, message, key);
}

const byNode = underTheRule((sig, message, key) => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url') };
  return nodeVerify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), sig);
});

const bySodium = underTheRule((sig, message, key) =>
  sodium.crypto_sign_verify_detached(Buffer.from(sig), Buffer.from(message), Buffer.from(key)),
);

/** The verdict, after making sure that all three implementations agree on it. */
function agreedVerdict(sig: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  const verdict = verifyStrict(sig, message, key);
  expect({ node: byNode(sig, message, key), sodium: bySodium(sig, message, key) }).toEqual({
    node: verdict,
    sodium: verdict,
  });
  return verdict;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function toScalar(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes.slice().reverse())}`);
}

/** A signature that holds cofactorlessly if the torsion parts of R and [k]A cancel: s = r + k·a for R = [r]B + T. */
function forge(a: bigint, key: Uint8Array, rPoint: Point, r: bigint, message: Uint8Array): Uint8Array {
  const rBytes = rPoint.toBytes();
  const k = toScalar(sha512(concatBytes(rBytes, key, message))) % L;
  return concatBytes(rBytes, littleEndian((r + k * a) % L));
}

describe('RFC 8032 section 7.1', () => {
  const vectors = [
    {
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      message: '',
      signature:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      key: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      message: '72',
      signature:
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    },
    {
      seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      key: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      message: 'af82',
      signature:
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    },
    {
      seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
      key: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
      message:
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
      signature:
        'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
    },
  ];

  for (const [i, vector] of vectors.entries()) {
    it(`test ${i + 1} signs and verifies`, () => {
      const key = publicKeyFromSeed(hex(vector.seed));
      expect(encodeHex(key)).toBe(vector.key);
      const signature = signEd25519(hex(vector.message), hex(vector.seed));
      expect(encodeHex(signature)).toBe(vector.signature);
      expect(agreedVerdict(signature, hex(vector.message), key)).toBe(true);
    });
  }
});

it('Wycheproof: every verdict is the expected one, and all implementations agree', () => {
  type Group = {
    publicKey: { pk: string };
    tests: { tcId: number; msg: string; sig: string; result: string }[];
  };
  const file = new URL('../vectors/wycheproof-ed25519.json', import.meta.url);
  const { testGroups, numberOfTests } = JSON.parse(readFileSync(file, 'utf8')) as {
    testGroups: Group[];
    numberOfTests: number;
  };
  let count = 0;
  for (const group of testGroups) {
    const key = hex(group.publicKey.pk);
    for (const test of group.tests) {
      const signature = hex(test.sig);
      const verdict =
        signature.length === 64
          ? agreedVerdict(signature, hex(test.msg), key)
          : verifyStrict(signature, hex(test.msg), key);
      expect(verdict, `tcId ${test.tcId}`).toBe(test.result === 'valid');
      count++;
    }
  }
  expect(count).toBe(numberOfTests);
});

it('"Taming the many EdDSAs": none of the edge cases passes, on any implementation', () => {
  const file = new URL('../vectors/speccheck-ed25519.json', import.meta.url);
  const cases = JSON.parse(readFileSync(file, 'utf8')) as Record<
    'message' | 'pub_key' | 'signature',
    string
  >[];
  expect(cases).toHaveLength(15);
  for (const { message, pub_key, signature } of cases) {
    expect(agreedVerdict(hex(signature), hex(message), hex(pub_key))).toBe(false);
  }
});

describe('public keys', () => {
  const honest = publicKeyFromSeed(new Uint8Array(32).fill(7));
  const torsion = Point.fromBytes(SMALL_ORDER_ENCODINGS[4]!);

  it('of small order are refused in all fourteen encodings', () => {
    expect(new Set(SMALL_ORDER_ENCODINGS.map((bytes) => encodeHex(bytes))).size).toBe(14);
    for (const encoding of SMALL_ORDER_ENCODINGS) expect(checkPublicKey(encoding)).toBe('small_order');
  });

  it('the list of small order encodings is the torsion subgroup', () => {
    const canonical = new Set<string>();
    let point = Point.ZERO;
    for (let i = 0; i < 8; i++) {
      canonical.add(encodeHex(point.toBytes()));
      point = point.add(torsion);
    }
    expect(point.equals(Point.ZERO)).toBe(true);
    expect(new Set(SMALL_ORDER_ENCODINGS.slice(0, 8).map((bytes) => encodeHex(bytes)))).toEqual(canonical);
    for (const encoding of SMALL_ORDER_ENCODINGS.slice(8)) {
      const reduced = Point.fromBytes(encoding, true);
      expect(canonical.has(encodeHex(reduced.toBytes()))).toBe(true);
      expect(encodeHex(reduced.toBytes())).not.toBe(encodeHex(encoding));
    }
  });

  it('are accepted when honest and refused with the reason otherwise', () => {
    expect(checkPublicKey(honest)).toBe('ok');
    expect(checkPublicKey(honest.subarray(1))).toBe('length');
    expect(checkPublicKey(new Uint8Array(33))).toBe('length');
    expect(checkPublicKey(Point.fromBytes(honest).add(torsion).toBytes())).toBe('torsion');
    expect(checkPublicKey(littleEndian(2n))).toBe('not_on_curve');
    // y = p + 3: a point on the curve in a second encoding
    expect(checkPublicKey(littleEndian(2n ** 255n - 19n + 3n))).toBe('not_canonical');
    expect(checkPublicKey(new Uint8Array(32).fill(0xff))).toBe('not_canonical');
  });

  it('that fail the check give no verifier', () => {
    expect(createVerifier(SMALL_ORDER_ENCODINGS[0]!)).toBeUndefined();
    expect(createVerifier(honest)).toBeTypeOf('function');
  });
});

describe('signatures', () => {
  const seed = new Uint8Array(32).fill(9);
  const key = publicKeyFromSeed(seed);
  const message = Uint8Array.of(1, 2, 3);
  const good = signEd25519(message, seed);
  const verify = createVerifier(key)!;

  it('are refused when S is not below L, though the equation holds', () => {
    const s = toScalar(good.subarray(32));
    for (const shifted of [s + L, L, L + 1n, 2n ** 256n - 1n, s + 8n * L]) {
      const forged = concatBytes(good.subarray(0, 32), littleEndian(shifted));
      expect(checkSignatureShape(forged)).toBe(false);
      expect(agreedVerdict(forged, message, key)).toBe(false);
    }
    expect(checkSignatureShape(concatBytes(good.subarray(0, 32), littleEndian(L - 1n)))).toBe(true);
  });

  it('are refused when R is of small order or not canonical', () => {
    for (const r of SMALL_ORDER_ENCODINGS) {
      expect(checkSignatureShape(concatBytes(r, good.subarray(32)))).toBe(false);
    }
    for (let i = 0n; i < 19n; i++) {
      for (const sign of [0n, 1n << 255n]) {
        const r = littleEndian((2n ** 255n - 19n + i) | sign);
        expect(checkSignatureShape(concatBytes(r, good.subarray(32)))).toBe(false);
      }
    }
    expect(checkSignatureShape(concatBytes(littleEndian(2n ** 255n - 21n), good.subarray(32)))).toBe(true);
  });

  it('with torsion in R fail the cofactorless equation', () => {
    const { scalar } = secretOf(seed);
    const r = 12345n;
    for (const encoding of SMALL_ORDER_ENCODINGS.slice(1, 8)) {
      const rPoint = Point.BASE.multiply(r).add(Point.fromBytes(encoding));
      expect(agreedVerdict(forge(scalar, key, rPoint, r, message), message, key)).toBe(false);
    }
    expect(agreedVerdict(forge(scalar, key, Point.BASE.multiply(r), r, message), message, key)).toBe(true);
  });

  it('with a small order R are refused even when the equation holds', () => {
    const { scalar } = secretOf(seed);
    const forged = forge(scalar, key, Point.ZERO, 0n, message);
    expect(agreedVerdict(forged, message, key)).toBe(false);
  });

  it('of any other length are refused', () => {
    for (const bytes of [new Uint8Array(0), good.subarray(1), concatBytes(good, Uint8Array.of(0))]) {
      expect(checkSignatureShape(bytes)).toBe(false);
      expect(verify(bytes, message)).toBe(false);
    }
  });

  it('are checked in place inside a larger block', () => {
    const block = concatBytes(new Uint8Array(5).fill(0xff), good);
    expect(checkSignatureShapeAt(block, 5)).toBe(true);
    expect(
      checkSignatureShapeAt(
        concatBytes(block.subarray(0, 5), SMALL_ORDER_ENCODINGS[0]!, good.subarray(32)),
        5,
      ),
    ).toBe(false);
  });

  it('any change of one bit is refused by all implementations', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 511 }), (bit) => {
        const changed = good.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(agreedVerdict(changed, message, key)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it('of random keys and messages verify, and all implementations agree', () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 200 }), bytes32, (secret, text, otherSeed) => {
        const publicKey = publicKeyFromSeed(secret);
        const signature = signEd25519(text, secret);
        expect(agreedVerdict(signature, text, publicKey)).toBe(true);
        expect(agreedVerdict(signature, concatBytes(text, Uint8Array.of(0)), publicKey)).toBe(false);
        const other = publicKeyFromSeed(otherSeed);
        expect(agreedVerdict(signature, text, other)).toBe(encodeHex(other) === encodeHex(publicKey));
      }),
      { numRuns: 20 },
    );
  });

  it('made of random and of special parts get one verdict from all implementations', () => {
    const special = [
      ...SMALL_ORDER_ENCODINGS,
      key,
      good.subarray(0, 32),
      littleEndian(L),
      littleEndian(L - 1n),
    ];
    const part = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom(...special));
    fc.assert(
      fc.property(part, part, part, (r, s, publicKey) => {
        agreedVerdict(concatBytes(r, s), message, publicKey);
      }),
      { numRuns: 60 },
    );
  });
});

/** The secret scalar of a seed (RFC 8032 section 5.1.5). */
function secretOf(seed: Uint8Array): { scalar: bigint } {
  const head = sha512(seed).slice(0, 32);
  head[0]! &= 248;
  head[31]! = (head[31]! & 63) | 64;
  return { scalar: toScalar(head) % L };
}
