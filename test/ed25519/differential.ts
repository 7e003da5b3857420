/** The engine against other implementations of the rule, on cases made from a seed. */
import { encodeHex } from '../../engine/protocol/index.js';
import { createRandom } from '../../engine/simulation/random.js';
import { CASE_KINDS, createCaseSource, isAdversarial, type SignatureCase } from './cases.js';
import { createEnginePaths, type EnginePath } from './engine-paths.js';
import { createJudge, type JudgedKey } from './oracles.js';

export interface DifferentialOptions {
  readonly module: WebAssembly.Module;
  readonly seed: number;
  readonly cases: number;
  /** Share of the adversarial cases that BigInt arithmetic decides as well, which is slow; all by default. */
  readonly adversarialShare?: number;
  /** The same for all other cases; 1/50 by default. */
  readonly portableShare?: number;
  readonly onProgress?: (cases: number) => void;
}

export interface Disagreement {
  readonly index: number;
  readonly kind: string;
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  /** Who said what. */
  readonly verdicts: Record<string, boolean | undefined>;
  /** Who admits the key. */
  readonly usable: Record<string, boolean | undefined>;
}

export interface DifferentialResult {
  readonly cases: number;
  /** Kind -> [cases, of them valid]. */
  readonly kinds: Record<string, [number, number]>;
  /** Verdicts by the engine, and by BigInt arithmetic. */
  readonly checks: number;
  readonly portableChecks: number;
  /** At most `DISAGREEMENTS_MAX`. */
  readonly disagreements: readonly Disagreement[];
  /** The engines' own counts, by path: they prove that the paths are what they are called. */
  readonly stats: Record<string, ReturnType<EnginePath['engine']['stats']>>;
}

const DISAGREEMENTS_MAX = 10;
const BLOCK_CASES = 500;

/** Runs until all cases are decided or too many disagree. */
export function runDifferential(options: DifferentialOptions): DifferentialResult {
  const { module, seed, cases, adversarialShare = 1, portableShare = 1 / 50, onProgress } = options;
  const next = createCaseSource(seed);
  const random = createRandom(seed + 1);
  const paths = createEnginePaths(module, seed + 2);
  const judge = createJudge();
  const kinds: Record<string, [number, number]> = Object.fromEntries(
    CASE_KINDS.map((kind) => [kind, [0, 0]]),
  );
  const disagreements: Disagreement[] = [];
  let checks = 0;
  let portableChecks = 0;
  let done = 0;
  while (done < cases && disagreements.length < DISAGREEMENTS_MAX) {
    const block = Array.from({ length: Math.min(BLOCK_CASES, cases - done) }, next);
    const byPath = paths.map((path) => path.judge(block));
    for (const verdicts of byPath) checks += verdicts.length;
    for (const [i, one] of block.entries()) {
      const oracle = judge(one.publicKey);
      const verdicts = verdictsOn(one, oracle, paths, byPath, i);
      const usable = usableBy(one.publicKey, oracle, paths);
      const share = isAdversarial(one.kind) ? adversarialShare : portableShare;
      if (random.chance(share) || !agree(verdicts)) {
        verdicts.portable = oracle.portable(one.message, one.signature);
        portableChecks++;
      }
      kinds[one.kind]![0]++;
      if (verdicts.native) kinds[one.kind]![1]++;
      if (!agree(verdicts) || !agree(usable)) disagreements.push(describe(done + i, one, verdicts, usable));
    }
    done += block.length;
    onProgress?.(done);
  }
  const stats = Object.fromEntries(paths.map(({ name, engine }) => [name, engine.stats()]));
  return {
    cases: done,
    kinds,
    checks,
    portableChecks,
    disagreements: disagreements.slice(0, DISAGREEMENTS_MAX),
    stats,
  };
}

type Opinions = Record<string, boolean | undefined>;

function verdictsOn(
  one: SignatureCase,
  oracle: JudgedKey,
  paths: readonly EnginePath[],
  byPath: readonly boolean[][],
  i: number,
): Opinions {
  const verdicts: Opinions = {
    'by construction': one.expected,
    native: oracle.native(one.message, one.signature),
  };
  for (const [j, { name }] of paths.entries()) verdicts[name] = byPath[j]![i];
  return verdicts;
}

/** A key that is wrongly refused shows in verdicts; one that is wrongly admitted may not. */
function usableBy(publicKey: Uint8Array, oracle: JudgedKey, paths: readonly EnginePath[]): Opinions {
  const usable: Opinions = { portable: oracle.usable, libsodium: oracle.usableBySodium };
  for (const path of paths) usable[path.name] = path.usable(publicKey);
  return usable;
}

/** Whether all that have an opinion have the same one. */
function agree(opinions: Opinions): boolean {
  const given = Object.values(opinions).filter((opinion) => opinion !== undefined);
  return given.every((opinion) => opinion === given[0]);
}

function describe(index: number, one: SignatureCase, verdicts: Opinions, usable: Opinions): Disagreement {
  return {
    index,
    kind: one.kind,
    publicKey: encodeHex(one.publicKey),
    message: encodeHex(one.message),
    signature: encodeHex(one.signature),
    verdicts,
    usable,
  };
}
