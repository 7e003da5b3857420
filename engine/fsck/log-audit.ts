/**
 * The coordinator's view of one log: puts the workers' parts together in order and compares recorded roots, tiles of the upper levels
 * and the frontier with what follows from the leaves.
 *
 * A wrong leaf makes every later root wrong. So the first root of a run of wrong ones is reported and the others are counted; none
 * is when the leaf itself was reported already.
 */
import {
  createNodeHasher,
  emptyFrontier,
  emptyRoot,
  encodeFrontier,
  type Frontier,
  HASH_BYTES,
  nodeInTile,
  type Sha256Into,
  TILE_WIDTH,
} from '../log/index.js';
import { type Fault, type FindingList, findingOf, type StreamId } from './finding.js';
import { appendPieces, foldOnto } from './subtrees.js';
import { CLAIM, type LogPart } from './task.js';
import { addTileFinding, tileFault, tileLeaves } from './tiles.js';

/** Table and key column of each source of claims, by the numbers of CLAIM. */
const CLAIM_TABLES: readonly (readonly [table: string, key: string])[] = (() => {
  const tables: (readonly [string, string])[] = [];
  tables[CLAIM.group] = ['ves_sequencer_receipts', 'last_sequence'];
  tables[CLAIM.logRoot] = ['ves_log_roots', 'tree_size'];
  tables[CLAIM.notaryEntry] = ['notary_entries', 'tree_size'];
  tables[CLAIM.notaryRoot] = ['notary_roots', 'tree_size'];
  tables[CLAIM.notaryCheckpoint] = ['notary_checkpoints', 'tree_size'];
  return tables;
})();

export interface LogAudit {
  add(part: LogPart): void;
  /** Compares the stored edge with the derived one. Answers what is wrong with it. */
  checkEdge(frontier: Uint8Array): Fault | undefined;
  /** Roots and tiles that are wrong because of what was reported. */
  readonly consequences: number;
}

/** @param names what to call the leaves and where tiles are */
export function createLogAudit(
  sha256: Sha256Into,
  stream: StreamId | null,
  names: { readonly leaf: string; readonly tiles: string },
  findings: FindingList,
): LogAudit {
  const hashNode = createNodeHasher(sha256);
  const frontier: Frontier = emptyFrontier();
  const root = new Uint8Array(HASH_BYTES);
  /** Nodes of the open tile of each level from 1 on. */
  const open: { nodes: Uint8Array; count: number; index: number }[] = [];
  let lastGood = 0;
  /** First leaf behind the last good root that is known to be wrong. */
  let suspect: number | undefined;
  let lastSuspect = 0;
  let diverged = false;
  let consequences = 0;

  function judgeClaims(part: LogPart): void {
    const { sizes, sources, folds, roots } = part.claims;
    let next = 0;
    for (let i = 0; i < sizes.length; i++) {
      const size = sizes[i]!;
      const offset = i * HASH_BYTES;
      for (; next < part.suspects.length && part.suspects[next]! <= size; next++)
        suspect ??= part.suspects[next];
      deriveRoot(size, folds, offset);
      if (isEqual(root, roots, offset)) {
        lastGood = size;
        suspect = undefined;
        diverged = false;
        continue;
      }
      if (diverged) consequences++;
      else {
        diverged = true;
        if (suspect === undefined) reportRoot(size, sources[i]!);
        else consequences++;
      }
    }
    if (next < part.suspects.length) suspect ??= part.suspects[next];
    lastSuspect = part.suspects.at(-1) ?? lastSuspect;
  }

  function deriveRoot(size: number, folds: Uint8Array, offset: number): void {
    if (size === 0) {
      root.set(emptyRoot());
      return;
    }
    root.set(folds.subarray(offset, offset + HASH_BYTES));
    foldOnto(frontier, root, 0, hashNode);
  }

  function reportRoot(size: number, source: number): void {
    const [table, key] = CLAIM_TABLES[source]!;
    const range =
      lastGood + 1 === size ? `${names.leaf} ${size}` : `one of ${names.leaf}s ${lastGood + 1} to ${size}`;
    const message = `root_hash is not the root at size ${size}: it was changed, or ${range} is not what was logged`;
    findings.add(
      findingOf({ table, stream, row: `${key} ${size}`, position: size }, [
        { check: 'root', column: 'root_hash', message },
      ]),
    );
  }

  function appendTileRoots(part: LogPart): void {
    for (let at = 0; at < part.tileRoots.length; at += HASH_BYTES)
      appendNode(1, part.tileRoots.subarray(at, at + HASH_BYTES), part);
  }

  /** A node that a tile of this level holds. */
  function appendNode(level: number, node: Uint8Array, part: LogPart): void {
    open[level] ??= { nodes: new Uint8Array(TILE_WIDTH * HASH_BYTES), count: 0, index: 0 };
    const tile = open[level];
    tile.nodes.set(node, tile.count++ * HASH_BYTES);
    if (tile.count < TILE_WIDTH) return;
    const tileRoot = nodeInTile(tile.nodes, 0, TILE_WIDTH, hashNode);
    const stored = part.upperTiles.find((each) => each.level === level && each.index === tile.index);
    if (stored !== undefined) {
      const first = tile.index * tileLeaves(level) + 1;
      const fault = tileFault(stored, tile.nodes, tileRoot, () => lastSuspect >= first, hashNode);
      const end = first - 1 + tileLeaves(level);
      if (fault) addTileFinding(findings, names.tiles, stream, { level, index: tile.index, end }, fault);
    }
    tile.count = 0;
    tile.index++;
    appendNode(level + 1, tileRoot, part);
  }

  return {
    add(part) {
      judgeClaims(part);
      appendPieces(frontier, part.pieces, hashNode);
      appendTileRoots(part);
    },
    checkEdge(stored) {
      if (Buffer.compare(encodeFrontier(frontier), stored) === 0) return undefined;
      if (diverged || suspect !== undefined) {
        consequences++;
        return undefined;
      }
      const message = `frontier is not that of ${frontier.size} leaves`;
      return { check: 'frontier', column: 'frontier', message };
    },
    get consequences() {
      return consequences;
    },
  };
}

function isEqual(hash: Uint8Array, hashes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < HASH_BYTES; i++) if (hash[i] !== hashes[offset + i]) return false;
  return true;
}
