/**
 * A check of the whole engine in about a second: published vectors, edge cases, a few hundred differential cases, and every
 * routine at its edges. What `mutations.test.ts` holds against planted faults; answers with the first thing that is wrong.
 */
import { createHash } from 'node:crypto';
import { Point } from '@noble/ed25519';
import type { createEd25519Engine, VerificationKey } from '../../engine/ed25519/index.js';
import { SMALL_ORDER_ENCODINGS } from '../../engine/protocol/index.js';
import { createRandom } from '../../engine/simulation/random.js';
import { createCaseSource } from './cases.js';
import {
  challenge,
  decodeOrUndefined,
  fromLittleEndian,
  invertModP,
  L,
  modL,
  modP,
  P,
  TORSION,
  times,
  toLittleEndian,
} from './curve.js';
import { honestCases, mixedKeyCases, mixedRCases, refusedKeyCases, refusedRCases } from './edge-cases.js';
import { createInternals, type Internals, isReduced, limbsOf, sumOf, tableShape } from './internals.js';
import {
  keyFromScalar,
  keyFromSeed,
  randomBytes,
  randomScalar,
  SPECIAL_SCALARS,
  signWith,
} from './material.js';
import { firstRows, meetingSignature, meetings } from './meeting-sums.js';
import { createJudge } from './oracles.js';
import { type DecidedCase, rfc8032Cases, speccheckCases, wycheproofCases } from './published-cases.js';
import { type ChosenCheck, decideChosen, rightR } from './records.js';

export interface Subject {
  /** The module with the routines for tests. */
  readonly module: WebAssembly.Module;
  readonly create: typeof createEd25519Engine;
}

interface Check {
  readonly name: string;
  /** Whether all is well. */
  run(subject: Subject, internals: Internals): boolean;
}

const CASES = 400;
const SEED = 20_250_101;

/** The name of the first check that fails, with what was thrown if that is how; undefined when all is well. */
export function firstFailure(subject: Subject): string | undefined {
  let current = 'instantiation';
  try {
    const internals = createInternals(subject.module);
    for (const { name, run } of CHECKS) {
      current = name;
      if (!run(subject, internals)) return name;
    }
    return undefined;
  } catch (error) {
    return `${current}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

const NEVER_WARM = 1_000_000_000;

const CHECKS: readonly Check[] = [
  { name: 'self-test', run: ({ module, create }) => create(module).batchMax >= 256 },
  { name: 'vectors, cold', run: (subject) => decideAll(subject, { warmAfter: NEVER_WARM }) },
  { name: 'vectors, warm', run: (subject) => decideAll(subject, { warmAfter: 0 }) },
  {
    name: 'vectors, tables evicted',
    run: (subject) => decideAll(subject, { warmAfter: 0, tableBytesMax: 200_000 }),
  },
  { name: 'arrays keep their order and end', run: arraysKeepOrder },
  { name: 'messages of all lengths', run: messageLengths },
  { name: 'tables that are given away', run: tablesGivenAway },
  { name: 'the longest unused table is given away', run: longestUnusedGivenAway },
  { name: 'points that meet, through the interface', run: meetingThroughInterface },
  { name: 'points that meet, by record', run: (_subject, internals) => meetingByRecord(internals) },
  { name: 'k and S that hashing never gives', run: (_subject, internals) => chosenScalars(internals) },
  { name: 'products of elements', run: (_subject, internals) => products(internals) },
  { name: 'unique values', run: (_subject, internals) => uniqueValues(internals) },
  { name: 'powers', run: (_subject, internals) => powers(internals) },
  { name: 'scalars', run: (_subject, internals) => scalars(internals) },
  { name: 'SHA-512', run: (_subject, internals) => hashes(internals) },
  { name: 'encodings of points', run: (_subject, internals) => encodings(internals) },
  { name: 'sums of points', run: (_subject, internals) => sums(internals) },
];

let decided: DecidedCase[] | undefined;

/** All cases with their verdicts, those of the generator by OpenSSL under the rule. Made once. */
function decidedCases(): DecidedCase[] {
  if (decided) return decided;
  const next = createCaseSource(SEED);
  const judge = createJudge();
  const generated = Array.from({ length: CASES }, next).map((each) => ({
    ...each,
    name: each.kind,
    expected: judge(each.publicKey).native(each.message, each.signature),
  }));
  const published = [...rfc8032Cases(), ...wycheproofCases(), ...speccheckCases()];
  const edges = [
    ...honestCases(),
    ...refusedRCases(),
    ...refusedKeyCases(),
    ...mixedRCases(),
    ...mixedKeyCases(),
  ];
  decided = [...published, ...generated, ...edges];
  return decided;
}

function decideAll({ module, create }: Subject, options: Parameters<typeof create>[1]): boolean {
  const engine = create(module, options);
  const keys = new Map<string, VerificationKey | undefined>();
  const keyOf = (publicKey: Uint8Array) => {
    const name = Buffer.from(publicKey).toString('latin1');
    if (!keys.has(name)) keys.set(name, engine.importKey(publicKey));
    return keys.get(name);
  };
  let open: DecidedCase[] = [];
  const runOpen = () => {
    const verdicts = engine.run();
    const right =
      open.every(({ expected }, i) => verdicts[i] === (expected ? 1 : 0)) && verdicts.length === open.length;
    open = [];
    return right;
  };
  for (const [i, one] of decidedCases().entries()) {
    const key = keyOf(one.publicKey);
    if (key === undefined) {
      if (one.expected) return false;
      continue;
    }
    // Half one by one, half in arrays that stay open meanwhile.
    if (i % 2 === 0 || one.signature.length !== 64) {
      if (engine.verify(key, one.message, one.signature) !== one.expected) return false;
    } else {
      engine.add(key, one.message, one.signature);
      open.push(one);
      if (open.length === 150 && !runOpen()) return false;
    }
  }
  return runOpen();
}

/** A full array of valid signatures with an invalid one at a time; and nothing is left over for the next. */
function arraysKeepOrder({ module, create }: Subject): boolean {
  const engine = create(module, { warmAfter: 0 });
  const keys = [1, 2, 3].map((byte) => keyFromSeed(new Uint8Array(32).fill(byte)));
  const handles = keys.map(({ publicKey }) => engine.importKey(publicKey)!);
  const r = 0x123456789n;
  const rBytes = times(r, Point.BASE).toBytes();
  const checks = Array.from({ length: engine.batchMax }, (_, i) => {
    const message = Uint8Array.of(i, i >> 8);
    const key = keys[i % 3]!;
    return { message, signature: signWith(key, r, rBytes, challenge(rBytes, key.publicKey, message)) };
  });
  for (const bad of [0, 1, 63, 64, 127, 128, 200, engine.batchMax - 1]) {
    for (const [i, { message, signature }] of checks.entries()) {
      const given = signature.slice();
      if (i === bad) given[0]! ^= 1;
      if (engine.add(handles[i % 3]!, message, given) !== i) return false;
    }
    try {
      engine.add(handles[0]!, new Uint8Array(0), checks[0]!.signature);
      return false;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    const verdicts = engine.run();
    if (
      verdicts.length !== engine.batchMax ||
      !verdicts.every((verdict, i) => verdict === (i === bad ? 0 : 1))
    )
      return false;
    if (engine.run().length !== 0) return false;
    const changed = checks[0]!.signature.slice();
    changed[40]! ^= 1;
    engine.add(handles[0]!, checks[0]!.message, changed);
    if (engine.run().join() !== '0') return false;
  }
  return true;
}

/** With room for two tables and five busy keys, also while arrays are open: nobody gets a verdict by another key's table. */
function tablesGivenAway({ module, create }: Subject): boolean {
  const room = create(module, { warmAfter: 0 });
  const random = createRandom(11);
  const keys = [1, 2, 3, 4, 5].map((byte) => keyFromSeed(new Uint8Array(32).fill(byte)));
  const r = 0x987654321n;
  const rBytes = times(r, Point.BASE).toBytes();
  const messages = [0, 1, 2, 3].map((byte) => new Uint8Array(90 + 5 * byte).fill(byte));
  const signatures = keys.map((key) =>
    messages.map((message) => signWith(key, r, rBytes, challenge(rBytes, key.publicKey, message))),
  );
  room.verify(room.importKey(keys[0]!.publicKey)!, messages[0]!, signatures[0]![0]!);
  const tableBytes = room.stats().tableBytes;
  for (const warmAfter of [0, 1, 3]) {
    const engine = create(module, { warmAfter, tableBytesMax: 2 * tableBytes });
    const handles = keys.map(({ publicKey }) => engine.importKey(publicKey)!);
    for (let round = 0; round < 60; round++) {
      // Keys come in runs, so that tables pay, and the ones that hold them change.
      const favourite = Math.floor(round / 6) % keys.length;
      const expected: number[] = [];
      for (let i = 0; i < 8; i++) {
        const key = random.chance(0.7) ? favourite : random.int(keys.length);
        const signer = random.chance(0.8) ? key : random.int(keys.length);
        const m = random.int(messages.length);
        engine.add(handles[key]!, messages[m]!, signatures[signer]![m]!);
        expected.push(key === signer ? 1 : 0);
        const single = random.int(keys.length);
        if (!engine.verify(handles[single]!, messages[m]!, signatures[single]![m]!)) return false;
      }
      if (engine.run().join() !== expected.join()) return false;
    }
    const { builds, evictions, tables, tableBytes: bytes } = engine.stats();
    if (evictions === 0 || builds !== evictions + tables || tables > 2 || bytes > 2 * tableBytes)
      return false;
  }
  return true;
}

/** A key that becomes busy takes the table of the one that nobody has needed meanwhile. */
function longestUnusedGivenAway({ module, create }: Subject): boolean {
  const message = Uint8Array.of(1);
  const probe = create(module, { warmAfter: 0 });
  probe.verify(probe.importKey(keyFromScalar(1n).publicKey)!, message, new Uint8Array(64).fill(1));
  const engine = create(module, { warmAfter: 1, tableBytesMax: 2 * probe.stats().tableBytes });
  const [a, b, c] = [1n, 2n, 3n].map((scalar) => engine.importKey(keyFromScalar(scalar).publicKey)!) as [
    VerificationKey,
    VerificationKey,
    VerificationKey,
  ];
  const check = (key: VerificationKey) => {
    const before = engine.stats().warmChecks;
    engine.verify(key, message, new Uint8Array(64).fill(1));
    return engine.stats().warmChecks > before;
  };
  const steps: [VerificationKey, boolean][] = [
    ...([a, b].flatMap((key) => [
      [key, false],
      [key, true],
    ]) as [VerificationKey, boolean][]),
    [a, true],
    [c, false],
    [c, true],
    [a, true],
    [b, false],
  ];
  return steps.every(([key, warm]) => check(key) === warm);
}

/** All lengths up to some blocks of SHA-512, and the neighbours of powers of 2, where pieces begin. */
function messageLengths({ module, create }: Subject): boolean {
  const engine = create(module, { warmAfter: 0 });
  const key = keyFromScalar(0x1234n);
  const handle = engine.importKey(key.publicKey)!;
  const r = 0x4321n;
  const rBytes = times(r, Point.BASE).toBytes();
  const long = [9, 10, 11, 12, 13, 14, 15, 16, 17].flatMap((exponent) =>
    [-1, 0, 1].map((d) => 2 ** exponent + d),
  );
  for (const length of [...Array(260).keys(), ...long]) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 13 + length) & 0xff);
    const signature = signWith(key, r, rBytes, challenge(rBytes, key.publicKey, message));
    if (!engine.verify(handle, message, signature)) return false;
    if (length === 0) continue;
    message[length - 1]! ^= 1;
    if (engine.verify(handle, message, signature)) return false;
  }
  return true;
}

/** In the places of a key that had them before, beside honest signatures. */
function meetingThroughInterface({ module, create }: Subject, internals: Internals): boolean {
  const shape = tableShape(internals);
  const engine = create(module, { warmAfter: 0 });
  const other = keyFromSeed(new Uint8Array(32).fill(9));
  const otherHandle = engine.importKey(other.publicKey)!;
  const r = 0x1122334455667788n;
  const rBytes = times(r, Point.BASE).toBytes();
  for (let row = shape.keyWindows >> 1, met = 0; met < 3; row++) {
    if (row === shape.keyWindows) return false;
    const meeting = meetingSignature(row, shape);
    if (!meeting) continue;
    met++;
    const { key, message, signature } = meeting;
    const handle = engine.importKey(key.publicKey)!;
    const honest = signWith(other, r, rBytes, challenge(rBytes, other.publicKey, message));
    for (let n = 0; n < 3; n++) engine.add(otherHandle, message, honest);
    if (engine.run().join() !== '1,1,1') return false;
    engine.add(otherHandle, message, honest);
    engine.add(handle, message, signature);
    engine.add(otherHandle, message, honest);
    engine.add(handle, message, honest);
    if (engine.run().join() !== '1,1,1,0') return false;
    if (!engine.verify(handle, message, signature)) return false;
  }
  return true;
}

function meetingByRecord(internals: Internals): boolean {
  const random = createRandom(17);
  const [k, s] = [randomScalar(random), randomScalar(random)];
  const seen = new Set<string>();
  const checks: ChosenCheck[] = [];
  for (const { level, sign, a } of meetings(firstRows(k, s, tableShape(internals)))) {
    if (seen.has(`${level} ${sign}`)) continue;
    seen.add(`${level} ${sign}`);
    checks.push({ a, k, s }, { a: modL(a + 1n), k, s });
  }
  return decideBoth(internals, checks, [true]);
}

function chosenScalars(internals: Internals): boolean {
  const scalarsOfInterest = [0n, 1n, 8n, L - 1n, L - 2n, 2n ** 252n, ...SPECIAL_SCALARS.slice(-6)];
  const checks = scalarsOfInterest.flatMap((k, i) => [
    { a: 1n, k, s: scalarsOfInterest.at(i - 3)! },
    { a: 0x12345n, k, s: scalarsOfInterest.at(-1 - i)! },
  ]);
  return decideBoth(internals, checks, [true, false]);
}

/** Every check as it is, and with the sign of R changed. */
function decideBoth(internals: Internals, checks: readonly ChosenCheck[], ways: readonly boolean[]): boolean {
  const all = checks.flatMap((check) => {
    const r = rightR(check);
    return [check, { ...check, r: r.with(31, r[31]! ^ 0x80) }];
  });
  const expected = all.map((check, i) => i % 2 === 0 && modL(check.s - check.k * check.a) !== 0n);
  return ways.every((warm) =>
    decideChosen(internals, all, warm).every((verdict, i) => verdict === expected[i]),
  );
}

function products(internals: Internals): boolean {
  const [out, a, b, c, e] = [0, 1, 2, 3, 4].map(internals.place) as [number, number, number, number, number];
  const random = createRandom(5);
  const edge = (bound: number) =>
    random.chance(0.6) ? random.pick([0, 1, -1, bound, -bound]) : Math.round((random.next() * 2 - 1) * bound);
  const element = (bound: number) => {
    const rest = edge(bound);
    return Array.from({ length: 9 }, () => (random.chance(0.4) ? rest : edge(bound)));
  };
  const [wide, half] = [2 ** 30 + 2 ** 17, 2 ** 29 + 2 ** 16];
  for (let i = 0; i < 400; i++) {
    const operands = [element(wide), element(half), element(half), element(2 ** 31 - 1)] as const;
    for (const [n, limbs] of operands.entries()) internals.putLimbs([a, b, c, e][n]!, limbs);
    const [x, y, z, w] = operands.map(sumOf) as [bigint, bigint, bigint, bigint];
    const right: [string, number[], bigint][] = [
      ['mul', [a, b], x * y],
      ['mulTwice', [b, c], 2n * y * z],
      ['mulAdd', [a, b, e], x * y + w],
      ['mulDiff', [b, c, b], y * (z - y)],
      ['mulDiffSub', [b, c, b, e], y * (z - y) - w],
      ['square', [b], y * y],
      ['squareTwiceSub', [b, e], 2n * y * y - w],
      ['add', [b, c], y + z],
      ['sub', [b, c], y - z],
      ['negate', [b], -y],
    ];
    for (const [name, places, value] of right) {
      internals.call(name, out, ...places);
      if (internals.value(out) !== modP(value)) return false;
      if (/mul|square/.test(name) && !isReduced(internals.limbs(out))) return false;
    }
    internals.callWide('squareSub', [out, b, c, e], 486662n);
    if (internals.value(out) !== modP(y * y - z - w - 486662n)) return false;
    internals.call('reduce', out, e);
    if (internals.value(out) !== modP(w) || !isReduced(internals.limbs(out))) return false;
  }
  return true;
}

function uniqueValues(internals: Internals): boolean {
  const [out, a] = [internals.place(0), internals.place(1)];
  const check = (limbs: number[]) => {
    internals.putLimbs(a, limbs);
    internals.call('toBytes', out, a);
    const value = modP(sumOf(limbs));
    return (
      fromLittleEndian(internals.bytes(out, 32)) === value &&
      internals.call('isZero', a) === (value === 0n ? 1 : 0) &&
      internals.call('isOdd', a) === Number(value & 1n)
    );
  };
  for (let n = -65n; n <= 65n; n++)
    for (let d = -20n; d <= 20n; d++) if (!check(limbsOf(n * P + d))) return false;
  for (const limb of [2 ** 31 - 1, -(2 ** 31), 2 ** 29 - 1, 1, -1])
    if (!check(Array<number>(9).fill(limb))) return false;
  for (let bit = 0n; bit < 255n; bit++) if (!check(limbsOf(2n ** bit))) return false;
  for (let bit = 0n; bit < 256n; bit++) {
    internals.putBytes(out, toLittleEndian(2n ** bit));
    internals.call('fromBytes', a, out);
    if (internals.sum(a) !== 2n ** bit % 2n ** 255n) return false;
  }
  return true;
}

function powers(internals: Internals): boolean {
  const [out, a, b] = [0, 1, 2].map(internals.place) as [number, number, number];
  const random = createRandom(6);
  for (const value of [
    0n,
    1n,
    2n,
    P - 1n,
    P,
    5n * P + 3n,
    ...Array.from({ length: 20 }, () => randomScalar(random)),
  ]) {
    internals.putNumber(a, value);
    for (const name of ['invert', 'invertPublic']) {
      internals.call(name, out, a);
      if (internals.value(out) !== invertModP(value)) return false;
    }
    // value^2 / 1 has a root; 2 value^2 has none, for 2 is no square modulo p.
    for (const factor of [1n, 2n, P - 1n]) {
      internals.putNumber(a, modP(factor * value * value));
      internals.putNumber(b, 1n);
      const exists = factor !== 2n || modP(value) === 0n;
      if (internals.call('squareRootOfRatio', out, a, b) !== (exists ? 1 : 0)) return false;
      if (exists && modP(internals.value(out) ** 2n) !== modP(factor * value * value)) return false;
    }
  }
  return true;
}

function scalars(internals: Internals): boolean {
  const [out, a] = [0, 1].map(internals.place) as [number, number];
  for (let bit = 0n; bit < 256n; bit++) {
    for (const value of [L, L - 1n, L ^ (2n ** bit), 2n ** bit]) {
      internals.putBytes(a, toLittleEndian(value));
      if (internals.call('isBelowOrder', a) !== (value < L ? 1 : 0)) return false;
    }
  }
  const random = createRandom(7);
  const most = (2n ** 512n - 1n) / L;
  const multiples = [0n, 1n, 2n, most, ...Array.from({ length: 260 }, (_, bit) => 2n ** BigInt(bit))];
  const any = Array.from({ length: 200 }, () => fromLittleEndian(randomBytes(random, 64)));
  const near = multiples
    .flatMap((n) => [-1n, 0n, 1n].map((d) => n * L + d))
    .filter((x) => x >= 0n && x < 2n ** 512n);
  for (const value of [...near, ...any, 2n ** 512n - 1n]) {
    internals.putBytes(a, toLittleEndian(value, 64));
    internals.call('reduceWide', out, a);
    if (fromLittleEndian(internals.bytes(out, 32)) !== value % L) return false;
  }
  return true;
}

function hashes(internals: Internals): boolean {
  const [out, at] = [internals.place(0), internals.place(1)];
  const right = (message: Uint8Array) =>
    Buffer.compare(internals.bytes(out, 64), createHash('sha512').update(message).digest()) === 0;
  for (let length = 0; length <= 300; length++) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 0xff);
    internals.putBytes(at, message);
    internals.call('sha512', out, at, length);
    if (!right(message)) return false;
    internals.call('sha512Begin');
    const cut = (length * 7) % (length + 1);
    internals.call('sha512Update', at, cut);
    internals.call('sha512Update', at + cut, length - cut);
    internals.call('sha512End', out);
    if (!right(message)) return false;
  }
  return true;
}

function encodings(internals: Internals): boolean {
  const [out, at] = [internals.place(0), internals.place(4)];
  for (const bytes of SMALL_ORDER_ENCODINGS) {
    internals.putBytes(at, bytes);
    const canonical = fromLittleEndian(bytes) % 2n ** 255n < P;
    if (internals.call('isCanonicalY', at) !== (canonical ? 1 : 0)) return false;
    if (canonical && internals.call('isSmallOrderY', at) !== 1) return false;
  }
  for (let distance = -60n; distance < 19n; distance++) {
    for (const y of distance < 0n ? [P + distance, -distance] : [P + distance]) {
      for (const sign of [0n, 2n ** 255n]) {
        const bytes = toLittleEndian(y + sign);
        internals.putBytes(at, bytes);
        const point = decodeOrUndefined(bytes);
        if (internals.call('decodePoint', out, at) !== (point ? 1 : 0)) return false;
        if (!point) continue;
        const { x } = point.toAffine();
        if (internals.value(out) !== x || internals.value(out + 108) !== modP(x * y)) return false;
        internals.call('encodePoint', at, out);
        if (Buffer.compare(internals.bytes(at, 32), bytes) !== 0) return false;
      }
    }
  }
  return true;
}

/** All pairs of some points of every order. */
function sums(internals: Internals): boolean {
  const [p, q, cached, out, bytes] = [0, 1, 2, 3, 4].map(internals.place) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const put = (at: number, point: Point, z: bigint) => {
    const { x, y } = point.toAffine();
    for (const [i, value] of [x * z, y * z, z, x * y * z].entries())
      internals.putNumber(at + 36 * i, modP(value));
  };
  const is = (point: Point) => {
    internals.call('encodePoint', bytes, out);
    return Buffer.from(internals.bytes(bytes, 32)).toString('hex') === point.toHex();
  };
  const hasT = () => {
    const [x, y, z, t] = [0, 36, 72, 108].map((offset) => internals.value(out + offset)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    return modP(x * y) === modP(z * t);
  };
  const points = [
    ...TORSION.slice(0, 4),
    Point.BASE,
    Point.BASE.negate(),
    times(5n, Point.BASE),
    TORSION[3]!.add(Point.BASE),
  ];
  for (const one of points) {
    for (const other of points) {
      put(p, one, 3n);
      put(q, other, P - 2n);
      internals.call('toCached', cached, q);
      internals.call('addCached', out, p, cached, 0, 1);
      if (!is(one.add(other)) || !hasT()) return false;
      internals.call('addCached', out, p, cached, 1, 1);
      if (!is(one.subtract(other)) || !hasT()) return false;
    }
    internals.call('double', out, p, 1);
    if (!is(one.double()) || !hasT()) return false;
  }
  return true;
}
