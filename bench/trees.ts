/**
 * What hashing a Merkle tree costs per leaf: leaves and nodes of a VES commitment, as the proof workers hash them and by other
 * implementations of SHA-256, in turns on one core. All give the same root.
 */
import { createHash } from 'node:crypto';
import { createSHA256 } from 'hash-wasm';
import {
  finishTree,
  growVesTree,
  type HashInto,
  portableHashInto,
  type RowHashing,
  rowHashingOf,
  treeRoot,
  VES_LEAF_BYTES,
  VES_LEAF_PROOF_BYTES,
  vesLeafEntries,
} from '../engine/protocol/index.js';
import { sha256Into } from '../workers/native-crypto.js';
import { openRowHashing } from '../workers/row-hashing.js';
import { measureParts, type PartCost } from './parts/cost.js';
import { formatTable } from './table.js';

export interface TreesReport {
  readonly leaves: number;
  /** CPU microseconds per leaf: the leaf itself and one node. */
  readonly costs: readonly (PartCost & { readonly times_ours: number })[];
}

const LEAVES = 10_000;
/** For the slow ones. */
const LEAVES_FEW = 1_000;
const OURS = 'four at a time, WebAssembly vectors';

export async function runTreesBench({ say }: { say(line: string): void }): Promise<{
  report: TreesReport;
  text: string;
}> {
  say('trees: hashing, in turns');
  const wasm = await createSHA256();
  const others: [name: string, leaves: number, hash: HashInto][] = [
    ['node:crypto, one call each', LEAVES, sha256Into],
    [
      'node:crypto, createHash',
      LEAVES_FEW,
      (bytes, to, at) => copy(createHash('sha256').update(bytes).digest(), to, at),
    ],
    ['hash-wasm', LEAVES_FEW, (bytes, to, at) => copy(wasm.init().update(bytes).digest('binary'), to, at)],
    ['noble', LEAVES_FEW, portableHashInto],
  ];
  const ways = [
    { name: OURS, leaves: LEAVES, hash: sha256Into, hashing: openRowHashing() },
    ...others.map(([name, leaves, hash]) => ({ name, leaves, hash, hashing: rowHashingOf(hash) })),
  ];
  requireSameRoots(ways.map(({ hash, hashing }) => rootOf(treeEntries(LEAVES_FEW), hash, hashing)));
  const costs = measureParts(
    ways.map(({ name, leaves, hash, hashing }) => {
      const entries = treeEntries(leaves);
      return { name, events: leaves, counts: false, run: () => void rootOf(entries, hash, hashing) };
    }),
  );
  const ours = costs[0]!.us_per_event;
  const report = {
    leaves: LEAVES,
    costs: costs.map((cost) => ({ ...cost, times_ours: Number((cost.us_per_event / ours).toFixed(1)) })),
  };
  return { report, text: formatTrees(report) };
}

/** Entries of as many leaves, of some bytes. */
function treeEntries(leaves: number): Uint8Array {
  const proofs = Uint8Array.from(
    { length: leaves * VES_LEAF_PROOF_BYTES },
    (_, i) => Math.imul(i, 2_654_435_761) >>> 24,
  );
  return vesLeafEntries(new Uint8Array(32).fill(1), 1, proofs);
}

function rootOf(entries: Uint8Array, hash: HashInto, hashing: RowHashing): Uint8Array {
  const count = entries.length / VES_LEAF_BYTES;
  const leaves = new Uint8Array(count * 32);
  hashing(new Uint8Array(0), VES_LEAF_BYTES)(entries, 0, count, leaves, 0);
  return treeRoot(finishTree(growVesTree(leaves, hash, hashing)));
}

function requireSameRoots(roots: readonly Uint8Array[]): void {
  if (new Set(roots.map((root) => Buffer.from(root).toString('hex'))).size !== 1)
    throw new Error('the trees have different roots');
}

function copy(digest: Uint8Array, target: Uint8Array, offset: number): void {
  target.set(digest, offset);
}

const formatTrees = ({ leaves, costs }: TreesReport): string =>
  `\nLeaves and nodes of a commitment of ${leaves.toLocaleString('en-US')} events in memory\n${formatTable(
    ['', 'CPU µs per leaf', '± %', 'times ours'],
    costs.map((cost) => [cost.name, cost.us_per_event, cost.spread_percent, cost.times_ours]),
  )}`;
