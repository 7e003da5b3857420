/**
 * Signatures of events, checked by the project's own engine (engine/ed25519) many at a time, or by libsodium one by one. Both decide
 * under the same rule (engine/protocol/ed25519.ts). The engine is watched: now and then a signature is checked by node:crypto as well,
 * and at the first difference the engine is given up for good, and loudly.
 */
import { createPublicKey, verify as verifyByNode } from 'node:crypto';
import type { Ed25519Engine } from '../engine/ed25519/index.js';
import { checkSignatureShapeAt } from '../engine/protocol/index.js';
import type { UsableKey } from './agent-key-cache.js';
import { createSignatureVerifier } from './native-crypto.js';

/** What was checked, and how. Counts since the last report, except where said. */
export interface SignatureStats {
  /** By the engine with a table of the key's multiples, and without. */
  warm: number;
  cold: number;
  /** By libsodium. */
  native: number;
  crossChecks: number;
  /** Memory of the keys' tables at present. */
  tableBytes: number;
  /** Why the engine is not used any more, told once. */
  fault: string | undefined;
}

export interface SignatureChecks {
  /**
   * Puts a check into the open batch. Message, signature (64 bytes at `offset`) and key must not change before `decide`, which writes
   * the verdict to `verdicts[index]`: 1 if the signature holds, 0 if not. A full batch is decided at once.
   */
  add(
    key: UsableKey,
    message: Uint8Array,
    signature: Uint8Array,
    offset: number,
    verdicts: Uint8Array,
    index: number,
  ): void;
  /** Decides all that was added. */
  decide(): void;
  /** Decides one signature now; what was added stays as it is. */
  verify(key: UsableKey, message: Uint8Array, signature: Uint8Array, offset: number): boolean;
  /** What was done since the last call. */
  takeStats(): SignatureStats;
}

export interface SignatureCheckOptions {
  /** Unset: libsodium checks all signatures. */
  readonly engine?: Ed25519Engine | undefined;
  /** One in so many signatures is checked by node:crypto as well, at random; 0: none. */
  readonly crossCheckEvery?: number;
  /** Why there is no engine although there should be one. */
  readonly fault?: string | undefined;
}

/** A check that waits for its batch. */
interface Check {
  key: UsableKey;
  message: Uint8Array;
  signature: Uint8Array;
  offset: number;
  verdicts: Uint8Array;
  index: number;
}

/** Batches when there is no engine to say how large they are. */
const NATIVE_BATCH_MAX = 256;

export function createSignatureChecks(options: SignatureCheckOptions = {}): SignatureChecks {
  const { crossCheckEvery = 0 } = options;
  const verifyNatively = createSignatureVerifier();
  const batchMax = options.engine?.batchMax ?? NATIVE_BATCH_MAX;
  const checks: Check[] = [];
  let engine = options.engine;
  let count = 0;
  let untilCrossCheck = nextCrossCheck();
  let told = { warm: 0, cold: 0 };
  let native = 0;
  let crossChecks = 0;
  let fault = options.fault;

  /** On average one in `crossCheckEvery`, and nobody can know which. */
  function nextCrossCheck(): number {
    return crossCheckEvery === 0
      ? Number.POSITIVE_INFINITY
      : 1 + Math.floor(Math.random() * (2 * crossCheckEvery - 1));
  }

  function giveUp(reason: string): void {
    engine = undefined;
    fault = reason;
  }

  const decideNatively = ({
    key,
    message,
    signature,
    offset,
  }: Omit<Check, 'verdicts' | 'index'>): boolean => {
    native++;
    return verifyNatively(signature, offset, message, key.publicKey);
  };

  /** Whether node:crypto comes to the same verdict. */
  function crossCheck(
    { key, message, signature, offset }: Omit<Check, 'verdicts' | 'index'>,
    verdict: boolean,
  ): void {
    untilCrossCheck = nextCrossCheck();
    crossChecks++;
    if (verifyIndependently(key.publicKey, message, signature, offset) === verdict) return;
    const bytes = [key.publicKey, message, signature.subarray(offset, offset + 64)].map(hexOf);
    giveUp(
      `the signature engine and node:crypto disagree (engine: ${verdict}; key, message, signature: ${bytes.join(' ')})`,
    );
  }

  /** The engine's handle of a key is made once. A key that libsodium takes and the engine does not is a disagreement as well. */
  function handleOf(by: Ed25519Engine, key: UsableKey) {
    key.handle ??= by.importKey(key.publicKey);
    if (key.handle === undefined)
      giveUp(`the signature engine does not take the public key ${hexOf(key.publicKey)}`);
    return key.handle;
  }

  /** Whatever goes wrong in the engine, the verdict comes from libsodium. */
  function guarded<T>(work: (by: Ed25519Engine) => T): T | undefined {
    if (!engine) return undefined;
    try {
      return work(engine);
    } catch (error) {
      giveUp(`the signature engine failed: ${(error as Error).message}`);
      return undefined;
    }
  }

  function runEngine(): boolean {
    guarded((by) => {
      const verdicts = by.run();
      for (let i = 0; i < count; i++) {
        const check = checks[i]!;
        check.verdicts[check.index] = verdicts[i]!;
        if (--untilCrossCheck <= 0) crossCheck(check, verdicts[i] === 1);
      }
    });
    return engine !== undefined;
  }

  function decide(): void {
    if (count === 0) return;
    if (!runEngine()) {
      for (let i = 0; i < count; i++) {
        const check = checks[i]!;
        check.verdicts[check.index] = decideNatively(check) ? 1 : 0;
      }
    }
    count = 0;
  }

  return {
    add(key, message, signature, offset, verdicts, index) {
      if (count === batchMax) decide();
      guarded((by) => {
        const handle = handleOf(by, key);
        if (handle) by.add(handle, message, signature, offset);
      });
      const check = checks[count++];
      if (check === undefined) {
        checks.push({ key, message, signature, offset, verdicts, index });
        return;
      }
      check.key = key;
      check.message = message;
      check.signature = signature;
      check.offset = offset;
      check.verdicts = verdicts;
      check.index = index;
    },

    decide,

    verify(key, message, signature, offset) {
      const check = { key, message, signature, offset };
      const verdict = guarded((by) => {
        const handle = handleOf(by, key);
        if (!handle) return undefined;
        const valid = by.verify(handle, message, signature.subarray(offset, offset + 64));
        if (--untilCrossCheck <= 0) crossCheck(check, valid);
        return engine && valid;
      });
      return verdict ?? decideNatively(check);
    },

    takeStats() {
      const { warmChecks = told.warm, coldChecks = told.cold, tableBytes = 0 } = engine?.stats() ?? {};
      const stats = {
        ...{ warm: warmChecks - told.warm, cold: coldChecks - told.cold },
        ...{ native, crossChecks, tableBytes, fault },
      };
      told = { warm: warmChecks, cold: coldChecks };
      native = 0;
      crossChecks = 0;
      fault = undefined;
      return stats;
    },
  };
}

/** By an implementation that shares nothing with the engine. The key must have passed the rule's checks of keys. */
function verifyIndependently(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  offset: number,
): boolean {
  if (!checkSignatureShapeAt(signature, offset)) return false;
  const x = Buffer.from(publicKey).toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verifyByNode(null, message, key, signature.subarray(offset, offset + 64));
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
