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
  type NodeHasher,
  type NodeRef,
  nodeInTile,
  planRoot,
  type Sha256Into,
  TILE_WIDTH,
  tileOfNode,
  tileWidth,
} from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import { createBreather } from './breather.js';
import type { FullTile, LogSource, LogState, TileKey, TileQuery, TileRow } from './log-source.js';
import { createTileCache } from './tile-cache.js';

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
  storedTile(source: LogSource, key: TileKey): Promise<FullTile | undefined>;
  /** A full tile from the level below or the entries. It is kept in memory, so that it counts in what is read next. */
  deriveTile(source: LogSource, key: TileKey): Promise<FullTile>;
  /** Drops what is kept in memory of a log. */
  forget(source: LogSource): void;
}

/** Tiles whose entries are read with one query: 4096 entries, half a megabyte. */
const TILES_PER_QUERY = 16;

export function createNodeReader(sha256: Sha256Into): NodeReader {
  const hashNode = createNodeHasher(sha256);
  const cache = createTileCache();
  const breathe = createBreather();

  async function leafHashes(entries: readonly Uint8Array[]): Promise<Uint8Array> {
    const hashes = new Uint8Array(entries.length * HASH_BYTES);
    let preimage = new Uint8Array(0);
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (preimage.length !== entry.length + 1) preimage = Uint8Array.of(LEAF_PREFIX, ...entry);
      else preimage.set(entry, 1);
      sha256(preimage, hashes, i * HASH_BYTES);
      if (i % TILE_WIDTH === TILE_WIDTH - 1) await breathe();
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
    const full = places.filter(isFull);
    const tiles = await look(
      source,
      full.map(({ level, index }) => ({ level, from: index, to: index + 1, whole: true })),
      places.filter((place) => !isFull(place)),
    );
    const rest: Place[] = [];
    for (const place of places) {
      const tile = tiles.get(keyOf(place));
      if (tile?.hashes === undefined || !isFull(place)) rest.push(place);
      else known.set(keyOf(place.node), nodeInTile(tile.hashes, place.first, place.count, hashNode));
    }
    const derived = await hashesFrom(source, rest, tiles);
    rest.forEach(({ node, count }, i) => {
      known.set(keyOf(node), nodeInTile(derived[i]!, 0, count, hashNode));
    });
    return (node) => known.get(keyOf(node))!;
  }

  /** What is stored: tiles, and the roots that are the hashes of the ranges above level 0. One query. */
  async function look(
    source: LogSource,
    wanted: readonly TileQuery[],
    ranges: readonly HashRange[],
  ): Promise<Map<string, TileRow>> {
    const found = new Map<string, TileRow>();
    const queries = new Map<string, TileQuery>();
    for (const query of wanted) {
      const tile = cache.get(source.name, query.level, query.from);
      if (tile) found.set(keyOf(tile), tile);
      else queries.set(`${query.level}/${query.from}`, query);
    }
    const below = ranges.filter(({ level }) => level > 0);
    const roots = below.map(({ level, from, to }) => ({ level: level - 1, from, to, whole: false }));
    const all = [...queries.values(), ...roots];
    for (const row of all.length > 0 ? await source.tiles.read(all) : []) {
      const known = found.get(keyOf(row));
      if (known?.hashes !== undefined) continue;
      found.set(keyOf(row), isWhole(row) ? checked(source, row) : row);
    }
    return found;
  }

  /** A tile as it came from the store, whose hashes must have the root that the tile above holds. */
  function checked(source: LogSource, tile: FullTile): FullTile {
    const root = nodeInTile(tile.hashes, 0, TILE_WIDTH, hashNode);
    invariant(
      equalBytes(root, tile.root),
      'INTERNAL_ERROR',
      () => `The log ${source.name}: the stored ${pathOf(tile)} was changed after it was written`,
    );
    cache.put(source.name, tile);
    return tile;
  }

  const hashes = (source: LogSource, ranges: readonly HashRange[]) => hashesFrom(source, ranges, NOTHING);

  /** The same, with what has been found so far. */
  async function hashesFrom(
    source: LogSource,
    ranges: readonly HashRange[],
    found: ReadonlyMap<string, TileRow>,
  ): Promise<Uint8Array[]> {
    const leaves = ranges.filter(({ level }) => level === 0);
    const entries = leaves.length > 0 ? await source.entries(leaves) : [];
    const results: Uint8Array[] = [];
    let next = 0;
    for (const range of ranges)
      results.push(
        range.level === 0 ? await leafHashes(entries[next++]!) : await upperHashes(source, range, found),
      );
    return results;
  }

  /** Hashes above level 0: roots of the tiles one level below. */
  async function upperHashes(
    source: LogSource,
    { level, from, to }: HashRange,
    found: ReadonlyMap<string, TileRow>,
  ): Promise<Uint8Array> {
    const result = new Uint8Array((to - from) * HASH_BYTES);
    const below = level - 1;
    const take = (indexes: readonly number[], rows: ReadonlyMap<string, TileRow>) =>
      indexes.filter((index) => {
        const root = (rows.get(keyOf({ level: below, index })) ?? cache.get(source.name, below, index))?.root;
        if (root) result.set(root, (index - from) * HASH_BYTES);
        return root === undefined;
      });
    let missing = take(
      Array.from({ length: to - from }, (_, i) => from + i),
      found,
    );
    const [first] = missing;
    const last = missing.at(-1);
    if (first !== undefined && last !== undefined)
      missing = take(missing, await look(source, [], [{ level, from: first, to: last + 1 }]));
    for (let i = 0; i < missing.length; i += TILES_PER_QUERY) {
      const indexes = missing.slice(i, i + TILES_PER_QUERY);
      const roots = await deriveRoots(source, below, indexes);
      indexes.forEach((index, j) => {
        result.set(roots[j]!, (index - from) * HASH_BYTES);
      });
    }
    return result;
  }

  /** Roots of full tiles that are not stored. */
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

  return {
    hashNode,
    leafHashes,
    nodes,
    hashes,
    async storedTile(source, { level, index }) {
      const rows = await look(source, [{ level, from: index, to: index + 1, whole: true }], []);
      return [...rows.values()].find(isWhole);
    },
    async deriveTile(source, key) {
      const [bytes] = await hashes(source, [rangeOfTile(key)]);
      const root = nodeInTile(bytes!, 0, TILE_WIDTH, hashNode);
      const tile = { level: key.level, index: key.index, root, hashes: bytes! };
      cache.put(source.name, tile);
      return tile;
    },
    forget: ({ name }) => cache.forget(name),
  };
}

const NOTHING: ReadonlyMap<string, TileRow> = new Map();

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

const pathOf = ({ level, index }: TileKey) => formatTilePath(level, index, TILE_WIDTH);

const isWhole = (row: TileRow): row is FullTile => row.hashes !== undefined;

/** The nodes the log's writer keeps: the perfect subtrees the whole tree consists of. */
function frontierNodes({ size, frontier }: LogState): Map<string, Uint8Array> {
  return new Map(
    planRoot(size).map((node, i) => [
      keyOf(node),
      new Uint8Array(frontier.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
    ]),
  );
}
