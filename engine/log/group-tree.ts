/**
 * What a group of appended leaves adds to a log, kept so that inclusion paths in the tree after the group need no hashing.
 *
 * The hashes of all perfect subtrees of a log, in the order in which they become known (a leaf, then every subtree it
 * completes, smallest first), form one growing list. A subtree's place in it follows from level and index alone, so the
 * slice that a group adds, together with the frontier before it, answers for every node on the paths of the group's
 * leaves: a left neighbour that ended before the group is a subtree of the frontier, everything else is in the slice.
 */
import { decodeFrontier } from './frontier.js';
import { HASH_BYTES, type NodeHasher } from './tree.js';

/** A group's part of a log: leaves [before, after). Plain bytes; travels between threads. */
export interface GroupTree {
  /** Leaves before the group. */
  readonly before: number;
  /** Leaves after it. */
  readonly after: number;
  /** The frontier before the group, as {@link encodeFrontier} writes it. */
  readonly frontier: Uint8Array;
  /** The hashes the group added, 32 bytes each, in the order of the list. */
  readonly nodes: Uint8Array;
}

/** Subtree hashes known once a log has `size` leaves. */
export function nodesKnown(size: number): number {
  return 2 * size - ones(size);
}

/** Place in the list of the perfect subtree over leaves [index × 2^level, (index + 1) × 2^level). */
export function nodePlace(level: number, index: number): number {
  return nodesKnown((index + 1) * 2 ** level - 1) + level;
}

/** Set bits of a safe integer. */
function ones(value: number): number {
  return ones32(value >>> 0) + ones32(Math.floor(value / 0x1_0000_0000));
}

function ones32(value: number): number {
  let bits = value - ((value >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (((bits + (bits >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}

/** One hash on a path: its number within {@link GroupPaths.hashes}. */
export type PathStep = number;

/** Inclusion paths of several leaves in the tree after the group, sharing their hashes. */
export interface GroupPaths {
  /** The hashes that the paths so far use. */
  readonly hashes: readonly Uint8Array[];
  /**
   * The inclusion path of a leaf of the group (RFC 9162 section 2.1.3), leaf upwards, as numbers of `hashes`. Cheapest when
   * asked in rising order: neighbours share most of their hashes.
   *
   * @throws RangeError for a leaf outside of the group
   */
  pathOf(leafIndex: number): PathStep[];
}

/** A group's tree opened for paths. */
export interface OpenGroupTree {
  /** Root of the tree after the group, 32 bytes. */
  readonly root: Uint8Array;
  /** A fresh collection of paths. */
  paths(): GroupPaths;
}

/** Opens a group's tree, which hashes its right edge, once for all who need paths in it. */
export function openGroupTree(tree: GroupTree, hashNode: NodeHasher): OpenGroupTree {
  const { before, after, nodes } = tree;
  const base = nodesKnown(before);
  const frontier = decodeFrontier(before, tree.frontier);
  if (frontier === undefined || nodes.length !== (nodesKnown(after) - base) * HASH_BYTES)
    throw new RangeError('group tree: its parts do not fit together');
  const perfect = (level: number, index: number): Uint8Array => {
    if ((index + 1) * 2 ** level <= before)
      return frontier.nodes.subarray(level * HASH_BYTES, (level + 1) * HASH_BYTES);
    const at = (nodePlace(level, index) - base) * HASH_BYTES;
    return nodes.subarray(at, at + HASH_BYTES);
  };
  const edge = rightEdge(after, perfect, hashNode);

  return {
    root: edge.root,
    paths() {
      const hashes: Uint8Array[] = [];
      /** Per level: the sibling seen last and its number. */
      const lastIndex: number[] = [];
      const lastStep: number[] = [];
      return {
        hashes,
        pathOf(leafIndex) {
          if (!(leafIndex >= before && leafIndex < after))
            throw new RangeError(`leaf ${leafIndex} is not of this group`);
          const path: PathStep[] = [];
          let index = leafIndex;
          let last = after - 1;
          for (let level = 0; last > 0; level++) {
            const sibling = index % 2 === 0 ? index + 1 : index - 1;
            if (sibling <= last) {
              if (lastIndex[level] !== sibling) {
                const whole = (sibling + 1) * 2 ** level <= after;
                lastIndex[level] = sibling;
                lastStep[level] = hashes.push(whole ? perfect(level, sibling) : edge.below(level)) - 1;
              }
              path.push(lastStep[level]!);
            }
            index = Math.floor(index / 2);
            last = Math.floor(last / 2);
          }
          return path;
        },
      };
    },
  };
}

/** Roots of the right edge: the perfect subtrees that `size` decomposes into, folded from the right. */
function rightEdge(
  size: number,
  perfect: (level: number, index: number) => Uint8Array,
  hashNode: NodeHasher,
): { root: Uint8Array; below(level: number): Uint8Array } {
  /** Folded roots by the level of their largest subtree, smallest first. */
  const folded: { level: number; hash: Uint8Array }[] = [];
  let hash: Uint8Array | undefined;
  let level = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2), level++) {
    if (rest % 2 === 0) continue;
    const peak = perfect(level, rest - 1);
    if (hash === undefined) hash = peak;
    else {
      const parent = new Uint8Array(HASH_BYTES);
      hashNode(peak, 0, hash, 0, parent, 0);
      hash = parent;
    }
    folded.push({ level, hash });
  }
  if (hash === undefined) throw new RangeError('group tree: empty');
  return {
    root: hash,
    below: (limit) => folded.findLast((each) => each.level < limit)!.hash,
  };
}
