/** Trees over ranges of a stream's events, read and hashed piece by piece. */
import type { Sha256Into } from '../log/index.js';
import {
  growLegacyTree,
  growVesTree,
  legacyLeafInto,
  type MerkleLevels,
  type RowHashing,
  tenantStoreOf,
  VES_LEAF_BYTES,
  vesLeafEntries,
} from '../protocol/index.js';
import { type Breather, createBreather } from '../store/breather.js';
import { readLegacyLeafRows, readVesLeafProofs } from '../store/commitment-leaves.js';
import type { CommitmentStream } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';

const HASH_BYTES = 32;
/** Events that are read at once: the driver turns a page's text into bytes without a pause. */
const VES_PAGE_EVENTS = 2048;
const LEGACY_PAGE_EVENTS = 1000;
/** Leaves that are hashed between two looks at the clock. */
const LEAVES_PER_LOOK = 256;

/** Where a tree's events are. */
export type TreeSource = {
  readonly sql: Sql;
  readonly sha256: Sha256Into;
  readonly hashing: RowHashing;
  readonly stream: CommitmentStream;
  readonly start: bigint;
  readonly end: bigint;
};

/** The VES tree over the events `start..end`. @throws ServiceError SEQUENCE_GAP */
export async function buildVesTreeOf(source: TreeSource): Promise<MerkleLevels> {
  const { sql, sha256, hashing, stream, start, end } = source;
  const leaves = new Uint8Array(Number(end - start + 1n) * HASH_BYTES);
  const tenantStore = tenantStoreOf(stream);
  const hashLeaves = hashing(new Uint8Array(0), VES_LEAF_BYTES);
  const breathe = createBreather();
  const pages = pagesOf(source, VES_PAGE_EVENTS, (from, to) => readVesLeafProofs(sql, stream, from, to));
  let hashed = 0;
  for await (const proofs of pages) {
    const entries = vesLeafEntries(tenantStore, Number(start) + hashed, proofs);
    const count = entries.length / VES_LEAF_BYTES;
    for (let leaf = 0; leaf < count; leaf += LEAVES_PER_LOOK) {
      const some = Math.min(LEAVES_PER_LOOK, count - leaf);
      hashLeaves(entries, leaf * VES_LEAF_BYTES, some, leaves, (hashed + leaf) * HASH_BYTES);
      await breathe();
    }
    hashed += count;
  }
  return grow(growVesTree(leaves, sha256, hashing), breathe);
}

/** The legacy tree over the events `start..end`. @throws ServiceError SEQUENCE_GAP */
export async function buildLegacyTreeOf(source: TreeSource): Promise<MerkleLevels> {
  const { sql, sha256, hashing, stream, start, end } = source;
  const leaves = new Uint8Array(Number(end - start + 1n) * HASH_BYTES);
  const tenantStore = tenantStoreOf(stream);
  const breathe = createBreather();
  const pages = pagesOf(source, LEGACY_PAGE_EVENTS, (from, to) => readLegacyLeafRows(sql, stream, from, to));
  let leaf = 0;
  for await (const rows of pages)
    for (const { sequence, ...event } of rows) {
      legacyLeafInto({ ...event, tenantStore, sequenceNumber: sequence }, leaves, leaf * HASH_BYTES, sha256);
      if (++leaf % LEAVES_PER_LOOK === 0) await breathe();
    }
  return grow(growLegacyTree(leaves, hashing), breathe);
}

/** The pages of a range in order; the next one is on its way while one is worked on. */
async function* pagesOf<Page>(
  { start, end }: TreeSource,
  size: number,
  read: (from: bigint, to: bigint) => Promise<Page>,
): AsyncGenerator<Page> {
  const readFrom = (from: bigint) => {
    const page = read(from, min(end, from + BigInt(size) - 1n));
    page.catch(() => {}); // it is thrown where the page is awaited, which may be later than it happens
    return page;
  };
  let ahead = readFrom(start);
  for (let from = start; from <= end; from += BigInt(size)) {
    const page = await ahead;
    if (from + BigInt(size) <= end) ahead = readFrom(from + BigInt(size));
    yield page;
  }
}

async function grow(growth: Generator<void, MerkleLevels, void>, breathe: Breather): Promise<MerkleLevels> {
  for (;;) {
    const step = growth.next();
    if (step.done === true) return step.value;
    const pause = breathe();
    if (pause) await pause;
  }
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
