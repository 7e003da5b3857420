/** Appending to the notary log what has happened in the streams since. */
import { invariant } from '../errors/index.js';
import {
  appendLeaf,
  createNodeHasher,
  decodeFrontier,
  encodeFrontier,
  frontierRoot,
  leafHash,
  type Sha256Into,
} from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import { createBreather } from '../store/breather.js';
import type { Sql } from '../store/connection.js';
import {
  appendNotaryEntries,
  findAdvancedStreams,
  type NotaryEntryRow,
  notaryEntryCheck,
  readStreamHeads,
  type StreamHead,
  type StreamName,
} from '../store/notary.js';
import { readNotaryState } from '../store/notary-log.js';
import { originOf } from './checkpoints.js';
import { createNotaryEntryMaker } from './notary-entry.js';

/** A stream that the notary does not vouch for. */
export interface RefusedStream extends StreamName {
  /** What contradicts what, in one sentence. */
  readonly problem: string;
}

export interface Notarised {
  /** Entries appended. */
  readonly appended: number;
  /** Streams found damaged; they get no entry until they are whole again, and must be reported. */
  readonly refused: readonly RefusedStream[];
  /** Whether every stream has been looked at since this was last true. */
  readonly done: boolean;
}

/** Counters looked at in one search. */
const COUNTERS_MAX = 10_000;
/** A notary that comes second this often gives up until its next turn. */
const ATTEMPTS_MAX = 5;

/**
 * One step of the notary at each call: at most `limit` entries. Steps walk through all streams again and again in the order of their
 * ids, so that every stream gets its turn however busy others are.
 *
 * @param deps `origin` is the base of all origins; `now` a clock in milliseconds
 */
export function createNotarise(deps: {
  sql: Sql;
  sha256: Sha256Into;
  origin: string;
  now?: () => number;
}): (limit: number) => Promise<Notarised> {
  const { sql, sha256, now = Date.now } = deps;
  const hashNode = createNodeHasher(sha256);
  const makeEntry = createNotaryEntryMaker(sha256);
  const breathe = createBreather();
  /** Found and not yet looked at more closely; where the search goes on. */
  let found: readonly StreamName[] = [];
  let next: StreamName | undefined;

  async function notarise(limit: number): Promise<Notarised> {
    if (found.length === 0) ({ streams: found, next } = await findAdvancedStreams(sql, next, COUNTERS_MAX));
    const streams = found.slice(0, limit);
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const end = streams.length === 0 ? { appended: 0, refused: [] } : await append(streams);
      if (!end) continue;
      found = found.slice(limit);
      return { ...end, done: found.length === 0 && next === undefined };
    }
    return { appended: 0, refused: [], done: false };
  }

  /** Undefined when another notary has appended meanwhile. */
  async function append(streams: readonly StreamName[]): Promise<Omit<Notarised, 'done'> | undefined> {
    // The edge is read first: if it still stands when the entries are added, the sizes last notarised are the ones read here.
    const edge = await readNotaryState(sql, []);
    const frontier = decodeFrontier(edge.size, edge.frontier);
    // L5: nothing is built on an edge that is not the recorded one.
    invariant(
      frontier && (edge.size === 0 || isRoot(edge.root, frontierRoot(frontier, hashNode, sha256))),
      'INTERNAL_ERROR',
      () => `notary_log: the frontier at size ${edge.size} does not lead to the recorded root`,
    );
    const notarisedAt = now() * 1000;
    const entries: NotaryEntryRow[] = [];
    const refused: RefusedStream[] = [];
    for (const stream of await readStreamHeads(sql, streams)) {
      await breathe();
      const { tenantId, storeId, head } = stream;
      if (head === stream.notarisedSize) continue;
      const verdict = judge(stream);
      if ('problem' in verdict) {
        refused.push({ tenantId, storeId, problem: verdict.problem });
        continue;
      }
      const { rootHash } = verdict;
      const origin = originOf(deps.origin, { kind: 'stream', tenantId, storeId });
      const row = {
        leafIndex: frontier.size,
        tenantId,
        storeId,
        origin,
        treeSize: head,
        rootHash,
        notarisedAt,
      };
      entries.push({ ...row, rowCheck: notaryEntryCheck(row) });
      appendLeaf(frontier, leafHash(makeEntry(row).entry, sha256), 0, hashNode);
    }
    if (entries.length === 0) return { appended: 0, refused };
    const to = { size: frontier.size, frontier: encodeFrontier(frontier) };
    const rootHash = frontierRoot(frontier, hashNode, sha256);
    const root = { treeSize: to.size, rootHash, recordedAt: notarisedAt };
    const appended = await appendNotaryEntries(sql, edge, to, entries, root);
    return appended ? { appended: entries.length, refused } : undefined;
  }

  /**
   * L5: a root is only vouched for if the stream's own writer recorded it, its frontier leads to it, and the stream has grown from what
   * was vouched for before: one that was rolled back and has grown past that size again has another root there.
   */
  function judge(stream: StreamHead): { rootHash: Uint8Array } | { problem: string } {
    const { head, notarisedSize, notarisedRoot, rootThen, recordedRoot } = stream;
    if (head < notarisedSize)
      return {
        problem: `it has ${head} events, and its checkpoint of size ${notarisedSize} is in the notary log`,
      };
    if (notarisedRoot !== undefined && !isRoot(rootThen, notarisedRoot))
      return { problem: `its root at size ${notarisedSize} is not the one in the notary log` };
    if (!recordedRoot) return { problem: `no root is recorded at its head ${head}` };
    const frontier = decodeFrontier(head, stream.frontier);
    if (!frontier || !isRoot(recordedRoot, frontierRoot(frontier, hashNode, sha256)))
      return { problem: `its frontier does not lead to the root recorded at its head ${head}` };
    return { rootHash: recordedRoot };
  }

  return notarise;
}

const isRoot = (recorded: Uint8Array | undefined, derived: Uint8Array) =>
  recorded !== undefined && equalBytes(recorded, derived);
