/** Signatures of RFC 8032 and of public test suites, with the verdicts that their publishers and our rule give. */
import { readFileSync } from 'node:fs';
import { hexBytes } from './curve.js';

export interface DecidedCase {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly expected: boolean;
}

export interface Rfc8032Case extends DecidedCase {
  readonly seed: Uint8Array;
}

/** RFC 8032 section 7.1: all five. */
export function rfc8032Cases(): Rfc8032Case[] {
  const vectors = readVectors('rfc8032-ed25519') as Record<
    'name' | 'seed' | 'publicKey' | 'message' | 'signature',
    string
  >[];
  return vectors.map((vector) => ({
    name: vector.name,
    seed: hexBytes(vector.seed),
    publicKey: hexBytes(vector.publicKey),
    message: hexBytes(vector.message),
    signature: hexBytes(vector.signature),
    expected: true,
  }));
}

/** Wycheproof marks each test `valid` or `invalid`; none of Ed25519 is a matter of opinion under the rule. */
export function wycheproofCases(): DecidedCase[] {
  const { testGroups, numberOfTests } = readVectors('wycheproof-ed25519') as {
    numberOfTests: number;
    testGroups: {
      publicKey: { pk: string };
      tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
    }[];
  };
  const cases = testGroups.flatMap(({ publicKey, tests }) =>
    tests.map(({ tcId, comment, msg, sig, result }) => ({
      name: `tcId ${tcId} ${comment}`,
      publicKey: hexBytes(publicKey.pk),
      message: hexBytes(msg),
      signature: hexBytes(sig),
      expected: result === 'valid',
    })),
  );
  if (cases.length !== numberOfTests) throw new Error('The Wycheproof file is not complete.');
  return cases;
}

/** Why the rule refuses a case of ed25519-speccheck. */
export interface SpeccheckReason {
  /** What `checkPublicKey` says of the key. */
  readonly key: 'ok' | 'small_order' | 'torsion';
  /** Whether S < L, R is canonical and R is not of small order. */
  readonly shape: boolean;
  /** Whether the cofactorless and the cofactored equation hold; the latter is what lenient verifiers check. */
  readonly equation: 'exact' | 'cofactored' | 'neither';
}

/**
 * The fifteen cases of ed25519-speccheck, an extension of the twelve in table 5 of Chalkias, Garillot, Nikolaenko: "Taming
 * the many EdDSAs" (2020): small order or mixed order in A and R, S not below L, R or A not canonical. The equations are
 * taken with k hashed from the bytes as they are. The rule refuses every one, each for at least one of the reasons.
 */
export const SPECCHECK_REASONS: readonly SpeccheckReason[] = [
  // S = 0, A and R of small order
  { key: 'small_order', shape: false, equation: 'cofactored' },
  { key: 'small_order', shape: false, equation: 'exact' },
  // A of small order, R mixed
  { key: 'small_order', shape: true, equation: 'cofactored' },
  { key: 'small_order', shape: true, equation: 'exact' },
  // A mixed, R of small order
  { key: 'torsion', shape: false, equation: 'cofactored' },
  { key: 'torsion', shape: false, equation: 'exact' },
  // A and R mixed
  { key: 'torsion', shape: true, equation: 'exact' },
  { key: 'torsion', shape: true, equation: 'cofactored' },
  // A mixed, R of prime order; fails for verifiers that reduce 8k mod L
  { key: 'torsion', shape: true, equation: 'cofactored' },
  // honest points, S + L, and S much above L
  { key: 'ok', shape: false, equation: 'exact' },
  { key: 'ok', shape: false, equation: 'exact' },
  // R of order 2 with the sign bit on x = 0; k from the canonical bytes, then from the given ones
  { key: 'torsion', shape: false, equation: 'neither' },
  { key: 'torsion', shape: false, equation: 'exact' },
  // A of order 2 with the sign bit on x = 0; k from the canonical bytes, then from the given ones
  { key: 'small_order', shape: true, equation: 'cofactored' },
  { key: 'small_order', shape: true, equation: 'exact' },
];

export function speccheckCases(): DecidedCase[] {
  const cases = readVectors('speccheck-ed25519') as Record<'message' | 'pub_key' | 'signature', string>[];
  if (cases.length !== SPECCHECK_REASONS.length) throw new Error('The speccheck file is not complete.');
  return cases.map(({ message, pub_key, signature }, index) => ({
    name: `case ${index}`,
    publicKey: hexBytes(pub_key),
    message: hexBytes(message),
    signature: hexBytes(signature),
    expected: false,
  }));
}

function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));
}
