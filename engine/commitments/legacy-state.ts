/** The legacy state root: counts what is new, then hashes all counts. */
import { createHash } from 'node:crypto';
import {
  type EntityVersion,
  legacyStateEntryBytesMax,
  tenantStoreOf,
  writeLegacyStateEntry,
} from '../protocol/index.js';
import { createBreather } from '../store/breather.js';
import type { CommitmentStream } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import {
  countEvents,
  createCountedHeads,
  readCountedHeads,
  readEntityCounts,
  readStoreHeads,
  type StoreHeads,
} from '../store/entity-counts.js';

/** Events that are counted in one transaction: no lock is held for long. */
const COUNT_EVENTS_MAX = 20_000n;
const PAGE_ENTITIES = 2000;
const ENTITIES_PER_LOOK = 64;
const CHUNK_BYTES = 64 * 1024;

/** A state root and the heads it is of. */
export type LegacyState = { readonly root: Uint8Array; readonly heads: StoreHeads };

export const sameHeads = (a: StoreHeads, b: StoreHeads): boolean => a.ves === b.ves && a.legacy === b.legacy;

/**
 * The state root as of the present heads. No lock is held: it is right if the counted heads are still the same when it is used,
 * which the caller looks at under their lock. `undefined` when somebody else has counted further meanwhile.
 */
export async function computeLegacyState(
  sql: Sql,
  stream: CommitmentStream,
): Promise<LegacyState | undefined> {
  await createCountedHeads(sql, stream);
  const heads = await readStoreHeads(sql, stream);
  if (!(await countUpTo(sql, stream, heads))) return undefined;
  return { root: await hashCounts(sql, stream), heads };
}

/** In steps that always move on, so that it ends. */
async function countUpTo(sql: Sql, stream: CommitmentStream, target: StoreHeads): Promise<boolean> {
  for (;;) {
    const counted = await sql.begin(async (tx) => {
      const from = await readCountedHeads(tx, stream, { forUpdate: true });
      const to = stepTo(from, target);
      if (!sameHeads(from, to)) await countEvents(tx, stream, from, to);
      return to;
    });
    if (sameHeads(counted, target)) return true;
    if (counted.ves > target.ves || counted.legacy > target.legacy) return false;
  }
}

/** At most {@link COUNT_EVENTS_MAX} events nearer to the target, VES events first; stays where it is if that is beyond it. */
function stepTo(from: StoreHeads, target: StoreHeads): StoreHeads {
  if (from.ves > target.ves || from.legacy > target.legacy) return from;
  const ves = min(target.ves, from.ves + COUNT_EVENTS_MAX);
  const legacy = min(target.legacy, from.legacy + COUNT_EVENTS_MAX - (ves - from.ves));
  return { ves, legacy };
}

async function hashCounts(sql: Sql, stream: CommitmentStream): Promise<Uint8Array> {
  const hash = createHash('sha256').update(tenantStoreOf(stream));
  const breathe = createBreather();
  const chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let last: Pick<EntityVersion, 'entityType' | 'entityId'> = { entityType: '', entityId: '' };
  for (let looked = 0; ; ) {
    const page = await readEntityCounts(sql, stream, last, PAGE_ENTITIES);
    for (const entity of page) {
      if (filled + legacyStateEntryBytesMax(entity) > CHUNK_BYTES) {
        hash.update(chunk.subarray(0, filled));
        filled = 0;
      }
      filled = writeLegacyStateEntry(entity, chunk, filled);
      if (++looked % ENTITIES_PER_LOOK === 0) await breathe();
    }
    if (page.length < PAGE_ENTITIES) break;
    last = page.at(-1)!;
  }
  return Uint8Array.from(hash.update(chunk.subarray(0, filled)).digest());
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
