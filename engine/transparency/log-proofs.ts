/**
 * Proofs and roots of a stored log. Whatever leaves this file has been checked: it leads to a root that the log's writer
 * recorded, or that continues to one (L5). A wrong tile, entry or root therefore makes an error, never a wrong answer.
 */
import { invariant, ServiceError } from '../errors/index.js';
import {
  emptyRoot,
  foldNodes,
  formatTilePath,
  HASH_BYTES,
  type ProofPlan,
  planConsistency,
  planInclusion,
  planRoot,
  rootFromInclusion,
  TILE_HEIGHT,
  TILE_WIDTH,
  verifyConsistency,
} from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import type { LogSource, LogState, RecordedRoot, TileKey } from './log-source.js';
import type { NodeHashes, NodeReader } from './node-reader.js';
import { leavesUnder, type TileTree, tileRoot } from './tile-tree.js';

export interface InclusionProof {
  /** The raw log entry. */
  readonly entry: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly hashes: Uint8Array[];
  /** Root of the tree of the proof's size. */
  readonly root: Uint8Array;
}

export interface LogProofs {
  head(source: LogSource): Promise<RecordedRoot>;
  inclusion(source: LogSource, leafIndex: number, size: number): Promise<InclusionProof>;
  consistency(source: LogSource, from: number, to: number): Promise<{ hashes: Uint8Array[] }>;
  /** The root recorded at this size; records it first where the log's writer recorded none. */
  recordRoot(source: LogSource, size: number): Promise<Uint8Array>;
  /** Checks that full tiles, given in ascending order, belong to the recorded roots. */
  checkTiles(source: LogSource, tiles: readonly TileTree[]): Promise<void>;
}

export function createLogProofs(reader: NodeReader): LogProofs {
  const { hashNode } = reader;
  const carryOut = (plan: ProofPlan, hashOf: NodeHashes) =>
    plan.map((nodes) => foldNodes(nodes.map(hashOf), hashNode));

  async function head(source: LogSource): Promise<RecordedRoot> {
    return headOf(source, await source.state([]));
  }

  /** The present end of the log; the frontier must have the root that was recorded with it. */
  function headOf(source: LogSource, { size, frontier, root }: LogState): RecordedRoot {
    const peaks = planRoot(size).length;
    if (frontier.length !== peaks * HASH_BYTES)
      throw broken(source, `the frontier does not fit size ${size}`);
    if (size === 0) return { size, root: emptyRoot() };
    const nodes = Array.from({ length: peaks }, (_, i) =>
      frontier.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    );
    const derived = foldNodes(nodes, hashNode);
    if (root !== undefined && !equalBytes(derived, root))
      throw broken(source, `the frontier at size ${size} does not have the recorded root`);
    return { size, root: derived };
  }

  /** What the log is at present, and the recorded root that this size must lead to: its own or the next one. */
  async function stateAt(source: LogSource, field: string, sizes: readonly number[]) {
    const state = await source.state(sizes);
    const present = headOf(source, state);
    const size = sizes.at(-1)!;
    if (size > present.size)
      throw invalid(`${field} must not be above the log's present size ${present.size}; it is ${size}`);
    return { state, anchor: state.around.at(-1)!.after ?? present };
  }

  function requireAnchored(
    source: LogSource,
    tree: RecordedRoot,
    anchor: RecordedRoot,
    hashOf: NodeHashes,
  ): void {
    const bridge = carryOut(planConsistency(tree.size, anchor.size), hashOf);
    if (!verifyConsistency(tree.size, tree.root, anchor.size, anchor.root, bridge, hashNode))
      throw broken(
        source,
        `the root derived at size ${tree.size} does not lead to the one recorded at size ${anchor.size}`,
      );
  }

  async function inclusion(source: LogSource, leafIndex: number, size: number): Promise<InclusionProof> {
    requireSize('leaf_index', leafIndex);
    requireSize('size', size);
    if (leafIndex >= size) throw invalid(`leaf_index must be below the size ${size}; it is ${leafIndex}`);
    const { state, anchor } = await stateAt(source, 'size', [size]);
    const plan = planInclusion(leafIndex, size);
    const [[[entry]], hashOf] = await Promise.all([
      source.entries([{ from: leafIndex, to: leafIndex + 1 }]) as Promise<[[Uint8Array]]>,
      reader.nodes(source, state, [...plan, ...planConsistency(size, anchor.size)].flat()),
    ]);
    const leafHash = await reader.leafHashes([entry]);
    const hashes = carryOut(plan, hashOf);
    const root = rootFromInclusion(leafHash, leafIndex, size, hashes, hashNode)!;
    requireAnchored(source, { size, root }, anchor, hashOf);
    return { entry: new Uint8Array(entry), leafHash, hashes, root };
  }

  async function consistency(source: LogSource, from: number, to: number): Promise<{ hashes: Uint8Array[] }> {
    requireSize('from', from);
    requireSize('to', to);
    if (from > to) throw invalid(`from must not be above to (${to}); it is ${from}`);
    const { state, anchor } = await stateAt(source, 'to', [from, to]);
    if (from === 0 || from === to) return { hashes: [] };
    // Roots that are recorded need not be derived: the proof shows whether they belong together.
    const recorded = [state.around[0]!.after, anchor];
    const recordedAt = (size: number) => recorded.find((each) => each?.size === size)?.root;
    const plan = planConsistency(from, to);
    const roots = [from, to].filter((size) => !recordedAt(size)).map(planRoot);
    const wanted = [...plan, ...roots, ...planConsistency(to, anchor.size)].flat();
    const hashOf = await reader.nodes(source, state, wanted);
    const rootAt = (size: number) => recordedAt(size) ?? carryOut([planRoot(size)], hashOf)[0]!;
    const [fromRoot, toRoot] = [rootAt(from), rootAt(to)];
    const hashes = carryOut(plan, hashOf);
    requireAnchored(source, { size: to, root: toRoot }, anchor, hashOf);
    if (!verifyConsistency(from, fromRoot, to, toRoot, hashes, hashNode))
      throw broken(source, `the roots at the sizes ${from} and ${to} do not belong together`);
    return { hashes };
  }

  /** The root at a size above 0 from the tree's nodes, checked against the recorded roots on both sides. */
  async function derive(source: LogSource, { state, anchor }: Anchored, size: number): Promise<Uint8Array> {
    const { before } = state.around.at(-1)!;
    const plans = [
      [planRoot(size)],
      planConsistency(size, anchor.size),
      before ? planConsistency(before.size, size) : [],
    ];
    const hashOf = await reader.nodes(source, state, plans.flat(2));
    const root = carryOut([planRoot(size)], hashOf)[0]!;
    requireAnchored(source, { size, root }, anchor, hashOf);
    if (before) requireAnchored(source, before, { size, root }, hashOf);
    return root;
  }

  async function recordRoot(source: LogSource, size: number): Promise<Uint8Array> {
    requireSize('size', size);
    if (size === 0) return emptyRoot();
    const anchored = await stateAt(source, 'size', [size]);
    const { after } = anchored.state.around[0]!;
    if (after?.size === size) return new Uint8Array(after.root);
    const root = await derive(source, anchored, size);
    const recorded = await source.recordRoot(size, root);
    // L5: at most one root is ever signed at a size.
    invariant(
      equalBytes(recorded, root),
      'INTERNAL_ERROR',
      () => `The log ${source.name}: another root than the derived one is recorded at size ${size}`,
    );
    return root;
  }

  async function checkTiles(source: LogSource, tiles: readonly TileTree[]): Promise<void> {
    const end = Math.max(...tiles.map(({ level, index }) => (index + 1) * leavesUnder(level)));
    const { state, anchor } = await stateAt(source, 'size', [end]);
    const plans = tiles.map(planTile(anchor.size));
    const hashOf = await reader.nodes(source, state, plans.flat(2));
    tiles.forEach((tile, i) => {
      // Above a level, the tree has the shape of a smaller one whose leaves are that level's nodes.
      const size = Math.ceil(anchor.size / leavesUnder(tile.level));
      const root = rootFromInclusion(tileRoot(tile), tile.index, size, carryOut(plans[i]!, hashOf), hashNode);
      if (root === undefined || !equalBytes(root, anchor.root))
        throw broken(
          source,
          `${formatTilePath(tile.level, tile.index, TILE_WIDTH)} does not lead to the root recorded at size ${anchor.size}`,
        );
    });
  }

  function broken(source: LogSource, what: string): ServiceError {
    // A wrong tile may be in memory: what is corrected in the store must be seen.
    reader.forget(source);
    return new ServiceError('INTERNAL_ERROR', `The log ${source.name}: ${what}`);
  }

  return { head, inclusion, consistency, recordRoot, checkTiles };
}

/** The inclusion proof of a full tile's root: that of its first leaf without what lies within the tile. */
const planTile =
  (size: number) =>
  ({ level, index }: TileKey): ProofPlan =>
    planInclusion(index * leavesUnder(level), size).slice((level + 1) * TILE_HEIGHT);

type Anchored = { readonly state: LogState; readonly anchor: RecordedRoot };

const invalid = (message: string) => new ServiceError('INVALID_FIELD_VALUE', message);

function requireSize(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(`${field} must be a whole number from 0 to 2^53 - 1; it is ${value}`);
}
