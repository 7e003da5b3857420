/** Every way through the engine to a verdict: with and without tables, one by one and in arrays, tables evicted meanwhile. */
import { createEd25519Engine, type Ed25519Engine, type VerificationKey } from '../../engine/ed25519/index.js';
import { createRandom, type Random } from '../../engine/simulation/random.js';
import type { SignatureCase } from './cases.js';

export interface EnginePath {
  readonly name: string;
  readonly engine: Ed25519Engine;
  /** Verdicts in the order of the cases. */
  judge(cases: readonly SignatureCase[]): boolean[];
  /** Whether the engine admits the key. */
  usable(publicKey: Uint8Array): boolean;
}

/** No key is ever checked so often. */
const NEVER_WARM = 1_000_000_000;
/** Room for a few tables only, whatever their shape. */
const TIGHT_TABLE_BYTES = 300_000;
const HANDLES_MAX = 2000;

/** The paths of one module; `seed` decides how arrays are cut and where bytes lie. */
export function createEnginePaths(module: WebAssembly.Module, seed: number): EnginePath[] {
  const random = createRandom(seed);
  const cold = createEd25519Engine(module, { warmAfter: NEVER_WARM });
  const warm = createEd25519Engine(module, { warmAfter: 0 });
  const tight = createEd25519Engine(module, { warmAfter: 0, tableBytesMax: TIGHT_TABLE_BYTES });
  return [
    singlePath('cold, one by one', cold, random),
    arrayPath('cold, arrays', cold, random),
    singlePath('warm, one by one', warm, random),
    arrayPath('warm, arrays', warm, random),
    sometimes(singlePath('evicted tables, one by one', tight, random), arrayPath('', tight, random), random),
  ];
}

function singlePath(name: string, engine: Ed25519Engine, random: Random): EnginePath {
  const handleOf = createHandles(engine, random);
  return {
    name,
    engine,
    usable: (publicKey) => handleOf(publicKey) !== undefined,
    judge: (cases) =>
      cases.map(({ publicKey, message, signature }) => {
        const key = handleOf(publicKey);
        return (
          key !== undefined && engine.verify(key, elsewhere(message, random), elsewhere(signature, random))
        );
      }),
  };
}

function arrayPath(name: string, engine: Ed25519Engine, random: Random): EnginePath {
  const handleOf = createHandles(engine, random);
  function judgeArray(cases: readonly SignatureCase[], verdicts: boolean[]): void {
    const places: number[] = [];
    for (const [i, { publicKey, message, signature }] of cases.entries()) {
      const key = handleOf(publicKey);
      if (key !== undefined) places[add(engine, key, message, signature, random)] = verdicts.length + i;
    }
    for (let i = 0; i < cases.length; i++) verdicts.push(false);
    const decided = engine.run();
    if (decided.length !== places.length)
      throw new Error(`${decided.length} verdicts on ${places.length} checks`);
    for (const [i, place] of places.entries()) verdicts[place] = decided[i] === 1;
  }
  return {
    name,
    engine,
    usable: (publicKey) => handleOf(publicKey) !== undefined,
    judge(cases) {
      const verdicts: boolean[] = [];
      while (verdicts.length < cases.length) {
        const length = random.pick([1, 2, 3, 16, engine.batchMax, 1 + random.int(engine.batchMax)]);
        judgeArray(cases.slice(verdicts.length, verdicts.length + length), verdicts);
      }
      return verdicts;
    },
  };
}

/** Rebuilding tables is slow, so only some blocks of cases take this way, half of them in arrays. */
function sometimes(single: EnginePath, array: EnginePath, random: Random): EnginePath {
  return {
    ...single,
    judge(cases) {
      const some = cases.slice(0, 1 + random.int(Math.min(cases.length, 64)));
      return (random.chance(0.5) ? single : array).judge(some);
    },
  };
}

/** Adds and then overwrites what was handed over: the batch must have copies. */
function add(
  engine: Ed25519Engine,
  key: VerificationKey,
  message: Uint8Array,
  signature: Uint8Array,
  random: Random,
): number {
  const text = elsewhere(message, random);
  const offset = random.int(3) * random.int(40);
  const block = new Uint8Array(offset + 64 + random.int(9)).fill(0xa5);
  block.set(signature, offset);
  const index =
    offset === 0 ? engine.add(key, text, block.subarray(0, 64)) : engine.add(key, text, block, offset);
  block.fill(0x5a);
  text.fill(0x5a);
  return index;
}

/** The bytes in the middle of a larger buffer. */
function elsewhere(bytes: Uint8Array, random: Random): Uint8Array {
  const offset = random.int(9);
  const block = new Uint8Array(offset + bytes.length + 3).fill(0x33);
  block.set(bytes, offset);
  return block.subarray(offset, offset + bytes.length);
}

/** Handles by key; now and then the same key is imported once more. */
function createHandles(engine: Ed25519Engine, random: Random) {
  const handles = new Map<string, VerificationKey | undefined>();
  return (publicKey: Uint8Array): VerificationKey | undefined => {
    const name = Buffer.from(publicKey).toString('latin1');
    if (handles.has(name) && !random.chance(0.002)) return handles.get(name);
    if (handles.size >= HANDLES_MAX) handles.clear();
    const handle = engine.importKey(elsewhere(publicKey, random));
    handles.set(name, handle);
    return handle;
  };
}
