/** The engine's routines one by one, through the module that is compiled for tests (see engine/ed25519/assembly/README.md). */
import { compileWasm } from '../../scripts/build-wasm.mjs';
import { modP } from './curve.js';

export const LIMBS = 9;
const LIMB_BITS = 29n;

type Routine = (...places: number[]) => number;

/** A running test module, and its memory in terms of numbers. */
export interface Internals {
  /** The exported routines by name; throws for a name that is not there. */
  call(name: string, ...places: number[]): number;
  /** As `call`, for routines that take an i64 last. */
  callWide(name: string, places: readonly number[], last: bigint): void;
  /** A constant of the module. */
  constant(name: string): number;
  /** Room of 256 bytes for each index below 700. */
  place(index: number): number;
  readonly memory: WebAssembly.Memory;
  bytes(at: number, length: number): Uint8Array;
  putBytes(at: number, bytes: Uint8Array): void;
  limbs(at: number): number[];
  putLimbs(at: number, limbs: readonly number[]): void;
  /** The number that nine limbs stand for, not reduced. */
  sum(at: number): bigint;
  /** The same modulo p. */
  value(at: number): bigint;
  /** Writes a number below 2^264 in magnitude as limbs, all but the last within 29 bits. */
  putNumber(at: number, number: bigint): void;
}

/** Compiles as the product is compiled. */
export async function compileInternals(): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(await compileWasm({ entry: 'test-exports' }));
}

export function createInternals(module: WebAssembly.Module): Internals {
  const { exports } = new WebAssembly.Instance(module);
  const memory = exports.memory as WebAssembly.Memory;
  function routine(name: string): Routine {
    const found = exports[name];
    if (typeof found !== 'function') throw new Error(`The test module has no routine ${name}.`);
    return found as Routine;
  }
  routine('prepare')();
  const scratch = routine('scratchAddress')();
  const limbs = (at: number) => [...new Int32Array(memory.buffer.slice(at, at + 4 * LIMBS))];
  function putLimbs(at: number, values: readonly number[]): void {
    const view = new DataView(memory.buffer);
    for (const [i, limb] of values.entries()) view.setInt32(at + 4 * i, limb, true);
  }
  const sum = (at: number) => sumOf(limbs(at));
  return {
    call: (name, ...places) => routine(name)(...places),
    callWide: (name, places, last) => (routine(name) as (...all: unknown[]) => void)(...places, last),
    constant: (name) => (exports[name] as { value: number }).value,
    place: (index) => scratch + 256 * index,
    memory,
    bytes: (at, length) => new Uint8Array(memory.buffer.slice(at, at + length)),
    putBytes: (at, bytes) => new Uint8Array(memory.buffer).set(bytes, at),
    limbs,
    putLimbs,
    sum,
    value: (at) => modP(sum(at)),
    putNumber: (at, number) => putLimbs(at, limbsOf(number)),
  };
}

/** The windows of the tables of keys and of the base point. */
export interface TableShape {
  readonly keyWidth: number;
  readonly keyWindows: number;
  readonly baseWidth: number;
  readonly baseWindows: number;
}

export function tableShape({ constant }: Internals): TableShape {
  return {
    keyWidth: constant('KEY_WIDTH'),
    keyWindows: constant('KEY_WINDOWS'),
    baseWidth: constant('BASE_WIDTH'),
    baseWindows: constant('BASE_WINDOWS'),
  };
}

export function sumOf(limbs: readonly number[]): bigint {
  return limbs.reduceRight((sum, limb) => (sum << LIMB_BITS) + BigInt(limb), 0n);
}

/** The number in limbs of 29 bits; the last one takes the rest, with the sign. */
export function limbsOf(number: bigint): number[] {
  let rest = number;
  return Array.from({ length: LIMBS }, (_, i) => {
    if (i === LIMBS - 1) return Number(rest);
    const limb = rest & ((1n << LIMB_BITS) - 1n);
    rest >>= LIMB_BITS;
    return Number(limb);
  });
}

/** What every product promises: see field.ts. */
export function isReduced(limbs: readonly number[]): boolean {
  return limbs.every((limb, i) =>
    i === 1 ? limb >= -(2 ** 16) && limb <= 2 ** 29 + 2 ** 16 : limb >= 0 && limb < 2 ** 29,
  );
}
