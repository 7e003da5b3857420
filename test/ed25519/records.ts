/** Checks as the module takes them, k and S chosen at will: what hashing would never give can be tried this way. */
import { Point } from '@noble/ed25519';
import { modL, times, toLittleEndian } from './curve.js';
import type { Internals } from './internals.js';

/** A check; R is the right one, unless `r` says otherwise. */
export interface ChosenCheck {
  /** A = [a]B. */
  readonly a: bigint;
  readonly k: bigint;
  readonly s: bigint;
  readonly r?: Uint8Array;
}

/** Places in a record: see engine/ed25519/assembly/record.ts. */
const TABLE_AT = 0;
const LENGTH_AT = 4;
const K_AT = 32;
const S_AT = 64;
const R_AT = 96;
const POINT_AT = 256;
const HASHED = 0xffffffff;
const PAGE_BYTES = 65_536;

/** The encoding of [S]B - [k]A. */
export function rightR({ a, k, s }: ChosenCheck): Uint8Array {
  return times(s - k * a, Point.BASE).toBytes();
}

/** Decides at most 256 checks in one batch, each with a table of its own, or all without. */
export function decideChosen(engine: Internals, checks: readonly ChosenCheck[], warm: boolean): boolean[] {
  const tables = engine.call('keyTablesAddress');
  const tableBytes = engine.call('keyTableBytes');
  const records = engine.call('recordsAddress');
  const recordBytes = engine.call('recordBytes');
  const missing = tables + checks.length * tableBytes - engine.memory.buffer.byteLength;
  if (missing > 0) engine.memory.grow(Math.ceil(missing / PAGE_BYTES));
  for (const [i, check] of checks.entries()) {
    const record = records + i * recordBytes;
    const table = warm ? tables + i * tableBytes : 0;
    const point = negativePoint(check.a);
    if (warm) {
      engine.putBytes(engine.call('stagingAddress'), point);
      engine.call('buildKeyTable', table);
    }
    engine.putBytes(record + TABLE_AT, toLittleEndian(BigInt(table), 4));
    engine.putBytes(record + LENGTH_AT, toLittleEndian(BigInt(HASHED), 4));
    engine.putBytes(record + K_AT, toLittleEndian(modL(check.k)));
    engine.putBytes(record + S_AT, toLittleEndian(modL(check.s)));
    engine.putBytes(record + R_AT, check.r ?? rightR(check));
    // With a table whatever another check left there must not matter.
    engine.putBytes(record + POINT_AT, warm ? new Uint8Array(64).fill(i) : point);
  }
  engine.call('verifyBatch', 0, checks.length);
  return [...engine.bytes(engine.call('verdictsAddress'), checks.length)].map((verdict) => verdict === 1);
}

/** x and y of -A. */
function negativePoint(a: bigint): Uint8Array {
  const { x, y } = times(-a, Point.BASE).toAffine();
  const bytes = new Uint8Array(64);
  bytes.set(toLittleEndian(x));
  bytes.set(toLittleEndian(y), 32);
  return bytes;
}
