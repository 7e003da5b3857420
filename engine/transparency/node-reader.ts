/**
 * Hashes of the nodes of a stored log: from full tiles where they are stored, otherwise from the roots of the tiles below them,
 * otherwise from the log entries. Tiles are derived data, so any of them may be missing; missing ones only cost time.
 */
import { invariant } from '../errors/index.js';
import {
  createNodeHasher,
  formatTilePath,
  HASH_BYTES,
  LEAF_PREFIX,
  NODE_PREFIX,
  type NodeHasher,
  type NodeRef,
  nodeInTile,
  planRoot,
  type Sha256Into,
  TILE_WIDTH,
  tileOfNode,
  tileWidth,
} from '../log/index.js';
import { equalBytes, type RowHasher, type RowHashing } from '../protocol/index.js';
import { createBreather } from '../store/breather.js';
import type { LogSource, LogState, TileKey } from './log-source.js';
import { createTileCache } from './tile-cache.js';
import { growTile, nodeOfTile, type TileTree, tileRoot } from './tile-tree.js';

/** Hashes of one level of tiles, counted over all tiles of the level, `to` excluded. At level 0 these are the leaf hashes. */
export interface HashRange {
  readonly level: number;
  readonly from: number;
  readonly to: number;
}

/** The hash (`Uint8Array(32)`) of a node that was asked for. */
export type NodeHashes = (node: NodeRef) => Uint8Array;

export interface NodeReader {
  readonly hashNode: NodeHasher;
  /** RFC 6962 leaf hashes of entries, 32 bytes each. */
  leafHashes(entries: readonly Uint8Array[]): Promise<Uint8Array>;
  /** Hashes of nodes within the log's size; usually one query for tiles and one for entries. */
  nodes(source: LogSource, state: LogState, wanted: readonly NodeRef[]): Promise<NodeHashes>;
  /** The hashes of each range; every range must lie within the log. */
  hashes(source: LogSource, ranges: readonly HashRange[]): Promise<Uint8Array[]>;
  /** A full tile, if it is stored. */
  storedTile(source: LogSource, key: TileKey): Promise<TileTree | undefined>;
  /** Full tiles from the level below or the entries. They are kept in memory, so that they count in what is read next. */
  deriveTiles(source: LogSource, keys: readonly TileKey[]): Promise<TileTree[]>;
  /** Drops what is kept in memory of a log. */
  forget(source: LogSource): void;
}

/** Tiles whose entries are read with one query: 4096 entries, half a megabyte. */
const TILES_PER_QUERY = 16;

export function createNodeReader(sha256: Sha256Into, hashing: RowHashing): NodeReader {
  const hashNode = createNodeHasher(sha256);
  const hashPairs = hashing(Uint8Array.of(NODE_PREFIX), 2 * HASH_BYTES);
  const hashEntries = createEntryHasher(hashing);
  const cache = createTileCache();
  const breathe = createBreather();

  async function leafHashes(entries: readonly Uint8Array[]): Promise<Uint8Array> {
    const hashes = new Uint8Array(entries.length * HASH_BYTES);
    for (let from = 0; from < entries.length; from += TILE_WIDTH) {
      hashEntries(entries.slice(from, from + TILE_WIDTH), hashes, from * HASH_BYTES);
      await breathe();
    }
    return hashes;
  }

  async function nodes(source: LogSource, state: LogState, wanted: readonly NodeRef[]): Promise<NodeHashes> {
    const known = frontierNodes(state);
    const unknown = new Map(
      wanted.filter((node) => !known.has(keyOf(node))).map((node) => [keyOf(node), node]),
    );
    const places = [...unknown.values()].map(placeOf);
    const isFull = ({ level, index }: Place) => tileWidth(level, index, state.size) === TILE_WIDTH;
    const edge = places.filter((place) => !isFull(place));
    const { tiles, roots } = await look(source, places.filter(isFull), edge);
    const rest: Place[] = [];
    for (const place of places) {
      const tile = tiles.get(keyOf(place));
      if (tile) known.set(keyOf(place.node), nodeOfTile(tile, place.first, place.count));
      else rest.push(place);
    }
    const derived = await hashesFrom(source, rest, roots);
    rest.forEach(({ node, count }, i) => {
      known.set(keyOf(node), nodeInTile(derived[i]!, 0, count, hashNode));
    });
    return (node) => known.get(keyOf(node))!;
  }

  /** What is stored of these tiles, and of the roots that are the hashes of these ranges above level 0; one query. */
  async function look(
    source: LogSource,
    keys: readonly TileKey[],
    ranges: readonly HashRange[],
  ): Promise<{ tiles: Map<string, TileTree>; roots: Roots }> {
    const tiles = new Map<string, TileTree>();
    const roots = new Map<string, Uint8Array>();
    const missing = new Map<string, TileKey>();
    for (const key of keys) {
      const tile = cache.get(source.name, key.level, key.index);
      if (tile) tiles.set(keyOf(key), tile);
      else missing.set(keyOf(key), key);
    }
    const queries = [
      ...[...missing.values()].map(({ level, index }) => ({
        level,
        from: index,
        to: index + 1,
        whole: true,
      })),
      ...ranges
        .filter(({ level }) => level > 0)
        .map(({ level, from, to }) => ({ level: level - 1, from, to, whole: false })),
    ];
    for (const row of queries.length > 0 ? await source.tiles.read(queries) : []) {
      if (row.hashes) tiles.set(keyOf(row), checked(source, row, row.hashes));
      roots.set(keyOf(row), row.root);
    }
    return { tiles, roots };
  }

  /** A tile as it came from the store. Its hashes must have the root that stands beside them. */
  function checked(source: LogSource, row: TileKey & { root: Uint8Array }, hashes: Uint8Array): TileTree {
    const tile = growTile(row, hashes, hashPairs);
    invariant(
      equalBytes(tileRoot(tile), row.root),
      'INTERNAL_ERROR',
      () =>
        `The log ${source.name}: the stored ${formatTilePath(row.level, row.index, TILE_WIDTH)} does not have its root`,
    );
    cache.put(source.name, tile);
    return tile;
  }

  const hashes = (source: LogSource, ranges: readonly HashRange[]) => hashesFrom(source, ranges, new Map());

  /** The same, with the roots that were found so far. */
  async function hashesFrom(
    source: LogSource,
    ranges: readonly HashRange[],
    roots: Roots,
  ): Promise<Uint8Array[]> {
    const leaves = ranges.filter(({ level }) => level === 0);
    const entries = (leaves.length > 0 ? await source.entries(leaves) : []).values();
    const results: Uint8Array[] = [];
    for (const range of ranges)
      results.push(
        range.level === 0 ? await leafHashes(entries.next().value!) : await upperHashes(source, range, roots),
      );
    return results;
  }

  /** Hashes above level 0: roots of the tiles one level below: found, in memory, stored, or derived in turn. */
  async function upperHashes(
    source: LogSource,
    { level, from, to }: HashRange,
    found: Roots,
  ): Promise<Uint8Array> {
    const result = new Uint8Array((to - from) * HASH_BYTES);
    const below = level - 1;
    const put = (index: number, root: Uint8Array) => result.set(root, (index - from) * HASH_BYTES);
    const without = (indexes: readonly number[], rootOf: (index: number) => Uint8Array | undefined) =>
      indexes.filter((index) => {
        const root = rootOf(index);
        if (root) put(index, root);
        return root === undefined;
      });
    let missing = without(
      Array.from({ length: to - from }, (_, i) => from + i),
      (index) => found.get(keyOf({ level: below, index })) ?? keptRoot(source, below, index),
    );
    if (missing.length > 0) {
      const rest = { level, from: missing[0]!, to: missing.at(-1)! + 1 };
      const { roots } = await look(source, [], [rest]);
      missing = without(missing, (index) => roots.get(keyOf({ level: below, index })));
    }
    for (let i = 0; i < missing.length; i += TILES_PER_QUERY) {
      const indexes = missing.slice(i, i + TILES_PER_QUERY);
      const roots = await deriveRoots(source, below, indexes);
      indexes.forEach((index, j) => {
        put(index, roots[j]!);
      });
    }
    return result;
  }

  /** Roots of full tiles that are neither stored nor kept in memory. */
  async function deriveRoots(
    source: LogSource,
    level: number,
    indexes: readonly number[],
  ): Promise<Uint8Array[]> {
    const roots: Uint8Array[] = [];
    // Higher tiles one by one: each may stand for all entries below it.
    const step = level === 0 ? indexes.length : 1;
    for (let i = 0; i < indexes.length; i += step) {
      const ranges = indexes.slice(i, i + step).map((index) => rangeOfTile({ level, index }));
      for (const tile of await hashes(source, ranges)) {
        roots.push(nodeInTile(tile, 0, TILE_WIDTH, hashNode));
        await breathe();
      }
    }
    return roots;
  }

  function keptRoot(source: LogSource, level: number, index: number): Uint8Array | undefined {
    const tile = cache.get(source.name, level, index);
    return tile && tileRoot(tile);
  }

  return {
    hashNode,
    leafHashes,
    nodes,
    hashes,
    async storedTile(source, key) {
      const { tiles } = await look(source, [key], []);
      return tiles.get(keyOf(key));
    },
    async deriveTiles(source, keys) {
      const bytes = await hashes(source, keys.map(rangeOfTile));
      const tiles: TileTree[] = [];
      for (let i = 0; i < keys.length; i++) {
        const tile = growTile(keys[i]!, bytes[i]!, hashPairs);
        cache.put(source.name, tile);
        tiles.push(tile);
        await breathe();
      }
      return tiles;
    },
    forget: ({ name }) => cache.forget(name),
  };
}

/** Hashes the leaves of entries into `target`. All entries of a log have the same length. */
function createEntryHasher(hashing: RowHashing) {
  let bytes = 0;
  let hashRows: RowHasher = () => {};
  return (entries: readonly Uint8Array[], target: Uint8Array, offset: number): void => {
    if (entries[0]!.length !== bytes) {
      bytes = entries[0]!.length;
      hashRows = hashing(Uint8Array.of(LEAF_PREFIX), bytes);
    }
    const rows = new Uint8Array(entries.length * bytes);
    entries.forEach((entry, i) => {
      invariant(entry.length === bytes, 'INTERNAL_ERROR', 'entries of a log have different lengths');
      rows.set(entry, i * bytes);
    });
    hashRows(rows, 0, entries.length, target, offset);
  };
}

/** Roots of full tiles. */
type Roots = ReadonlyMap<string, Uint8Array>;

/** Names a node or a tile within a log. */
const keyOf = ({ level, index }: TileKey) => `${level}/${index}`;

/** Where a node's hashes stand: in a tile, at its positions `first` to `first + count`; and counted over the level. */
interface Place extends HashRange {
  readonly node: NodeRef;
  readonly index: number;
  readonly first: number;
  readonly count: number;
}

function placeOf(node: NodeRef): Place {
  const { level, index, from: first, count } = tileOfNode(node);
  const from = index * TILE_WIDTH + first;
  return { node, level, index, first, count, from, to: from + count };
}

const rangeOfTile = ({ level, index }: TileKey): HashRange => ({
  level,
  from: index * TILE_WIDTH,
  to: (index + 1) * TILE_WIDTH,
});

/** The nodes the log's writer keeps: the perfect subtrees the whole tree consists of. */
function frontierNodes({ size, frontier }: LogState): Map<string, Uint8Array> {
  return new Map(
    planRoot(size).map((node, i) => [
      keyOf(node),
      new Uint8Array(frontier.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
    ]),
  );
}
