/**
 * Signatures that engines get wrong, by kind, as a function of a seed. Where the outcome follows from how a case is made it
 * is stated; the oracles decide the rest.
 */
import { sign } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { SMALL_ORDER_ENCODINGS } from '../../engine/protocol/index.js';
import { createRandom, type Random } from '../../engine/simulation/random.js';
import { challenge, fromLittleEndian, L, modL, P, TORSION, times, toLittleEndian } from './curve.js';
import {
  createMaterial,
  type KnownKey,
  type Material,
  randomBytes,
  randomScalar,
  refreshMaterial,
  signWith,
} from './material.js';

export interface SignatureCase {
  readonly kind: Kind;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** What the rule says, as far as the construction tells. */
  readonly expected?: boolean;
}

type Body = Omit<SignatureCase, 'kind'>;

interface Workshop {
  readonly random: Random;
  readonly material: Material;
}

/** Kind -> how often, and how. */
const KINDS = {
  'valid, by OpenSSL': { weight: 30, make: validByOpenssl },
  'valid, chosen nonce': { weight: 8, make: (shop) => validChosen(shop, false) },
  'valid, special scalars': { weight: 10, make: (shop) => validChosen(shop, true) },
  'one bit of R': { weight: 5, make: (shop) => changedSignature(shop, (bytes) => flip(shop, bytes, 0, 32)) },
  'one bit of S': { weight: 5, make: (shop) => changedSignature(shop, (bytes) => flip(shop, bytes, 32, 32)) },
  'one byte of R': { weight: 4, make: (shop) => changedSignature(shop, (bytes) => set(shop, bytes, 0)) },
  'one byte of S': { weight: 4, make: (shop) => changedSignature(shop, (bytes) => set(shop, bytes, 32)) },
  'one bit of the key': { weight: 1, make: changedKey },
  'one bit of the message': { weight: 4, make: changedMessage },
  'message longer or shorter': { weight: 2, make: resizedMessage },
  'key of somebody else': { weight: 3, make: otherKey },
  'signature of another message': { weight: 2, make: otherMessage },
  'negated R': { weight: 2, make: (shop) => changedSignature(shop, negateR) },
  'S + multiple of L': { weight: 4, make: (shop) => changedSignature(shop, (bytes) => addL(shop, bytes)) },
  'S at an edge': { weight: 4, make: (shop) => changedSignature(shop, (bytes) => edgeS(shop, bytes)) },
  'negated S': { weight: 1, make: (shop) => changedSignature(shop, negateS) },
  'R of small order': { weight: 3, make: smallOrderR },
  'R not canonical': { weight: 2, make: nonCanonicalR },
  'R with torsion, cofactored equation holds': { weight: 6, make: mixedR },
  'R no point or any point': { weight: 2, make: randomR },
  'key of small order': { weight: 1, make: smallOrderKey },
  'key with torsion, cofactored equation holds': { weight: 1, make: mixedKey },
  'key with torsion, cofactorless equation holds': { weight: 1, make: mixedKeyExact },
  'halves swapped': { weight: 1, make: (shop) => changedSignature(shop, swapHalves) },
  'constant bytes': { weight: 1, make: constantBytes },
} as const satisfies Record<string, { weight: number; make: (shop: Workshop) => Body }>;

export type Kind = keyof typeof KINDS;
export const CASE_KINDS = Object.keys(KINDS) as Kind[];

/** Kinds which differ from honest signatures in one point only, so that portable arithmetic is worth its time. */
export function isAdversarial(kind: Kind): boolean {
  return !['valid, by OpenSSL', 'one bit of the message', 'signature of another message'].includes(kind);
}

const WEIGHTED: readonly Kind[] = CASE_KINDS.flatMap((kind) =>
  Array.from({ length: KINDS[kind].weight }, () => kind),
);
/** After so many cases keys and nonces are replaced. */
const EPOCH_CASES = 20_000;

/** An endless stream of cases that depends on the seed only. */
export function createCaseSource(seed: number): () => SignatureCase {
  const random = createRandom(seed);
  let material = createMaterial(random);
  let made = 0;
  return () => {
    if (made > 0 && made % EPOCH_CASES === 0) material = refreshMaterial(material, random);
    made++;
    const kind = random.pick(WEIGHTED);
    return { kind, ...KINDS[kind].make({ random, material }) };
  };
}

/**
 * Lengths around which hashing pads differently: SHA-512 takes R || A || M in blocks of 128 bytes with 17 bytes of padding
 * at least, and 64 of the bytes are R and A.
 */
const EDGES = [0, 1, 31, 33, 47, 48, 63, 64, 111, 112, 127, 128, 175, 176, 191, 192, 239, 240, 255, 256, 257];
const LONG = [1023, 4096, 8_191, 16_383, 16_384, 16_385, 32_769, 65_536, 100_001];

function someMessage({ random }: Workshop): Uint8Array {
  const choice = random.int(1000);
  if (choice < 500) return randomBytes(random, 32);
  if (choice < 800) return randomBytes(random, random.int(301));
  if (choice < 998) return randomBytes(random, random.pick(EDGES));
  return randomBytes(random, random.pick(LONG));
}

function someKey({ random, material }: Workshop): KnownKey {
  return random.pick(random.chance(0.8) ? material.keys : material.specialKeys);
}

function someNonce({ random, material }: Workshop) {
  return random.pick(random.chance(0.8) ? material.nonces : material.specialNonces);
}

function validByOpenssl(shop: Workshop): Body {
  const key = shop.random.pick(shop.material.keys);
  const message = someMessage(shop);
  const signature = new Uint8Array(sign(null, message, key.privateKey!));
  return { publicKey: key.publicKey, message, signature, expected: true };
}

function validChosen(shop: Workshop, special: boolean): Body {
  const { random, material } = shop;
  const key = special ? random.pick(material.specialKeys) : someKey(shop);
  const { r, encodings } = special ? random.pick(material.specialNonces) : someNonce(shop);
  const message = someMessage(shop);
  const k = challenge(encodings[0]!, key.publicKey, message);
  return {
    publicKey: key.publicKey,
    message,
    signature: signWith(key, r, encodings[0]!, k),
    expected: true,
  };
}

function someValid(shop: Workshop): Body {
  return shop.random.chance(0.7) ? validByOpenssl(shop) : validChosen(shop, shop.random.chance(0.3));
}

/** A valid signature after `change`; valid only if nothing changed. */
function changedSignature(shop: Workshop, change: (signature: Uint8Array) => void): Body {
  const valid = someValid(shop);
  const signature = valid.signature.slice();
  change(signature);
  return { ...valid, signature, expected: Buffer.compare(signature, valid.signature) === 0 };
}

function flip({ random }: Workshop, bytes: Uint8Array, from: number, length: number): void {
  const bit = random.int(8 * length);
  bytes[from + (bit >> 3)]! ^= 1 << (bit & 7);
}

function set({ random }: Workshop, bytes: Uint8Array, from: number): void {
  bytes[from + random.int(32)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.int(256)]);
}

function changedKey(shop: Workshop): Body {
  const valid = someValid(shop);
  const publicKey = valid.publicKey.slice();
  flip(shop, publicKey, 0, 32);
  return { ...valid, publicKey, expected: false };
}

function changedMessage(shop: Workshop): Body {
  const valid = someValid(shop);
  const message = valid.message.length > 0 ? valid.message.slice() : Uint8Array.of(0);
  flip(shop, message, 0, message.length);
  return { ...valid, message, expected: false };
}

/** Padding must not hide a missing or an additional zero byte. */
function resizedMessage(shop: Workshop): Body {
  const valid = someValid(shop);
  const { message } = valid;
  const longer = new Uint8Array(message.length + shop.random.pick([1, 7, 128]));
  longer.set(message);
  if (shop.random.chance(0.3)) longer[message.length] = 0x80;
  const shorter = message.subarray(0, -1);
  return {
    ...valid,
    message: message.length > 0 && shop.random.chance(0.5) ? shorter : longer,
    expected: false,
  };
}

function otherKey(shop: Workshop): Body {
  const valid = someValid(shop);
  const { publicKey } = someKey(shop);
  return { ...valid, publicKey, expected: Buffer.compare(publicKey, valid.publicKey) === 0 };
}

function otherMessage(shop: Workshop): Body {
  const valid = someValid(shop);
  const message = someMessage(shop);
  return { ...valid, message, expected: Buffer.compare(message, valid.message) === 0 };
}

function negateR(signature: Uint8Array): void {
  signature[31]! ^= 0x80;
}

function negateS(signature: Uint8Array): void {
  signature.set(toLittleEndian(modL(-fromLittleEndian(signature.subarray(32)))), 32);
}

/** The same S once more: the equation holds, the encoding is another. */
function addL({ random }: Workshop, signature: Uint8Array): void {
  const s = fromLittleEndian(signature.subarray(32));
  const multiples = Number((2n ** 256n - 1n - s) / L);
  signature.set(toLittleEndian(s + L * BigInt(1 + random.int(multiples))), 32);
}

function edgeS({ random }: Workshop, signature: Uint8Array): void {
  const near = random.pick([0n, L, 2n * L, 8n * L, 2n ** 252n, 2n ** 253n, 2n ** 255n, 2n ** 256n - 4n]);
  const s = near + BigInt(random.int(7) - 3);
  signature.set(toLittleEndian(s < 0n ? -s : s), 32);
}

function swapHalves(signature: Uint8Array): void {
  const r = signature.slice(0, 32);
  signature.copyWithin(0, 32);
  signature.set(r, 32);
}

/** With S = k·a the equation holds for R = 0, and its cofactored form for all R of small order. */
function smallOrderR(shop: Workshop): Body {
  const key = someKey(shop);
  const message = someMessage(shop);
  const r = shop.random.pick(SMALL_ORDER_ENCODINGS);
  const k = challenge(r, key.publicKey, message);
  return { publicKey: key.publicKey, message, signature: signWith(key, 0n, r, k), expected: false };
}

/** y = p..2^255-1, with both signs. */
function nonCanonicalR(shop: Workshop): Body {
  const key = someKey(shop);
  const message = someMessage(shop);
  const y = P + BigInt(shop.random.int(19));
  const r = toLittleEndian(y + (shop.random.chance(0.5) ? 2n ** 255n : 0n));
  const k = challenge(r, key.publicKey, message);
  return { publicKey: key.publicKey, message, signature: signWith(key, 0n, r, k), expected: false };
}

function mixedR(shop: Workshop): Body {
  const key = someKey(shop);
  const message = someMessage(shop);
  const { r, encodings } = someNonce(shop);
  const mixed = encodings[1 + shop.random.int(7)]!;
  const k = challenge(mixed, key.publicKey, message);
  return { publicKey: key.publicKey, message, signature: signWith(key, r, mixed, k), expected: false };
}

function randomR(shop: Workshop): Body {
  const key = someKey(shop);
  const message = someMessage(shop);
  const r = randomBytes(shop.random, 32);
  const k = challenge(r, key.publicKey, message);
  return {
    publicKey: key.publicKey,
    message,
    signature: signWith(key, randomScalar(shop.random), r, k),
    expected: false,
  };
}

/** The discrete logarithm of the neutral element is 0, and so S = r. */
function smallOrderKey(shop: Workshop): Body {
  const publicKey = shop.random.pick(SMALL_ORDER_ENCODINGS);
  const { r, encodings } = someNonce(shop);
  const signature = signWith({ a: 0n, publicKey }, r, encodings[0]!, 0n);
  return { publicKey, message: someMessage(shop), signature, expected: false };
}

function mixedKeyOf(shop: Workshop): { key: KnownKey; torsion: number } {
  const { a } = someKey(shop);
  const torsion = 1 + shop.random.int(7);
  return { key: { a, publicKey: times(a, Point.BASE).add(TORSION[torsion]!).toBytes() }, torsion };
}

function mixedKey(shop: Workshop): Body {
  const { key } = mixedKeyOf(shop);
  const message = someMessage(shop);
  const { r, encodings } = someNonce(shop);
  const rBytes = shop.random.pick(encodings);
  const k = challenge(rBytes, key.publicKey, message);
  return { publicKey: key.publicKey, message, signature: signWith(key, r, rBytes, k), expected: false };
}

/** R carries the torsion that [k]A takes away, so that any verifier which does not look at the key accepts. */
function mixedKeyExact(shop: Workshop): Body {
  const { key, torsion } = mixedKeyOf(shop);
  const { r, encodings } = someNonce(shop);
  for (let attempt = 0; ; attempt++) {
    const message = randomBytes(shop.random, 32);
    const guess = shop.random.int(8);
    const k = challenge(encodings[guess]!, key.publicKey, message);
    const cancels = (guess + torsion * Number(k % 8n)) % 8 === 0;
    if (!cancels && attempt < 200) continue;
    return {
      publicKey: key.publicKey,
      message,
      signature: signWith(key, r, encodings[guess]!, k),
      expected: false,
    };
  }
}

function constantBytes(shop: Workshop): Body {
  const { publicKey } = someKey(shop);
  const signature = new Uint8Array(64).fill(shop.random.pick([0, 1, 0x7f, 0x80, 0xff]));
  return { publicKey, message: someMessage(shop), signature, expected: false };
}
