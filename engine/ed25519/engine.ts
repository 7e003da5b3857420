/**
 * Ed25519 verification (RFC 8032) under one exact rule, for who checks many signatures of few keys:
 *
 * - public key: canonical encoding of a point on the curve, not of small order, free of torsion; decided by `importKey`;
 * - signature: S < L, R canonical and not of small order;
 * - [S]B = R + [k]A without the cofactor, decided by comparing the encoding of [S]B - [k]A with R.
 *
 * Every signature of a batch is decided on its own; what they share is the cost of inversions.
 */
import { createRecordWriter, POINT_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from './batch.js';
import { createKeyTables, type KeyTableStats } from './key-tables.js';
import { selfTest } from './self-test.js';
import type { KeyState, VerificationKey } from './verification-key.js';
import { instantiate, type WasmExports } from './wasm-exports.js';

export interface EngineOptions {
  /** Limit of the memory for keys' tables (52,224 bytes each); 64 MiB if left out. With less than one table all checks are cold. */
  readonly tableBytesMax?: number;
  /** Checks of a key without a table before it gets one; 4 if left out. */
  readonly warmAfter?: number;
}

export interface Ed25519Engine {
  /** Checks a public key, `Uint8Array(32)`; `undefined` when it may not be used. */
  importKey(publicKey: Uint8Array): VerificationKey | undefined;
  /** Decides one signature at once; a batch that is open stays as it is. */
  verify(key: VerificationKey, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Puts a check into the open batch and returns its index there. All bytes are copied. With an offset the signature is the 64 bytes
   * there, without one it must be exactly 64 bytes. Throws RangeError when the batch has `batchMax` checks.
   */
  add(key: VerificationKey, message: Uint8Array, signature: Uint8Array, signatureOffset?: number): number;
  /** Decides all checks of the open batch: 1 valid, 0 not. A view that the next `run` writes over. Opens the next batch. */
  run(): Uint8Array;
  readonly batchMax: number;
  stats(): KeyTableStats;
}

const TABLE_BYTES_MAX = 64 * 1024 ** 2;
const WARM_AFTER = 4;

/**
 * An engine with memory of its own; not to be shared between threads. Throws if the module does not give the known answers.
 * `module` is what assembly/ compiles to, see load-module.ts.
 */
export function createEd25519Engine(module: WebAssembly.Module, options: EngineOptions = {}): Ed25519Engine {
  const { tableBytesMax = TABLE_BYTES_MAX, warmAfter = WARM_AFTER } = options;
  const wasm = instantiate(module);
  selfTest(assemble(wasm, 0, 0));
  selfTest(assemble(wasm, 1, 0));
  return assemble(wasm, Math.floor(tableBytesMax / wasm.keyTableBytes()), warmAfter);
}

function assemble(wasm: WasmExports, tablesMax: number, warmAfter: number): Ed25519Engine {
  const owner = {};
  const batchMax = wasm.batchMax();
  const tables = createKeyTables(wasm, tablesMax, warmAfter);
  const { write } = createRecordWriter(wasm);
  let open = 0;
  /** The first check of the open batch: tables used since then must stay. */
  let openSince = Number.POSITIVE_INFINITY;

  const stateOf = (key: VerificationKey): KeyState => {
    const state = key as KeyState;
    if (state.owner !== owner) throw new TypeError('the key was imported by another engine');
    return state;
  };
  const put = (
    index: number,
    key: VerificationKey,
    message: Uint8Array,
    signature: Uint8Array,
    at: number,
  ) => {
    const state = stateOf(key);
    write(index, tables.tableFor(state, openSince), state, message, signature, at);
  };
  /** Memory that grows takes a new buffer, so views are not kept. */
  const view = (address: number, length: number) => new Uint8Array(wasm.memory.buffer, address, length);

  return {
    batchMax,

    importKey(publicKey) {
      if (publicKey.length !== PUBLIC_KEY_BYTES) return undefined;
      const staging = view(wasm.stagingAddress(), PUBLIC_KEY_BYTES + POINT_BYTES);
      staging.set(publicKey);
      if (wasm.importKey() === 0) return undefined;
      const state: KeyState = {
        publicKey: publicKey.slice(),
        owner,
        point: staging.slice(PUBLIC_KEY_BYTES),
        slot: undefined,
        coldChecks: 0,
        coldSince: 0,
      };
      return state;
    },

    verify(key, message, signature) {
      put(batchMax, key, message, signature, wholeSignature(signature));
      wasm.verifyBatch(batchMax, 1);
      return view(wasm.verdictsAddress() + batchMax, 1)[0] === 1;
    },

    add(key, message, signature, signatureOffset = wholeSignature(signature)) {
      if (open === batchMax) throw new RangeError(`the batch is full: ${batchMax} checks; call run() first`);
      if (open === 0) openSince = tables.checks() + 1;
      put(open, key, message, signature, signatureOffset);
      return open++;
    },

    run() {
      const count = open;
      wasm.verifyBatch(0, count);
      open = 0;
      openSince = Number.POSITIVE_INFINITY;
      return view(wasm.verdictsAddress(), count);
    },

    stats: tables.stats,
  };
}

/** Where a signature that must fill its array begins: nowhere if its length is wrong. */
const wholeSignature = (signature: Uint8Array) => (signature.length === SIGNATURE_BYTES ? 0 : -1);
