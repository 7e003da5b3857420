/**
 * The laws, checked against the model database while a world runs: L1 when rows become visible, L2 and L3 when an answer is
 * given, the Merkle log at every commit. A breach is thrown, and ends the run.
 */
import {
  createNodeHasher,
  decodeFrontier,
  frontierRoot,
  type GroupTree,
  openGroupTree,
  verifyInclusion,
} from '../log/index.js';
import {
  batch,
  outcome as code,
  type PackedBatch,
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKey,
  type Submission,
} from '../sequencer/index.js';
import { type Database, idKey, type StoredRow } from './database.js';
import { knownBytes, type SimulatedEnvelope } from './envelope.js';
import { naiveRoot, sha256, sha256Into } from './sha256.js';

/** A law that does not hold. */
export class Breach extends Error {}

function must(condition: boolean, text: () => string): void {
  if (!condition) throw new Breach(text());
}

interface Acknowledged {
  readonly stream: StreamKey;
  readonly sequence: number;
  readonly atMicros: number;
  readonly known: Buffer;
}

/** Comparing whole trees is quadratic over a run, so longer logs are compared at every n-th commit only. */
const NAIVE_ALWAYS_BELOW = 64;
const NAIVE_EVERY = 16;

export type Audit = ReturnType<typeof createAudit>;

export function createAudit(database: () => Database) {
  const hashNode = createNodeHasher(sha256Into);
  const heads = new Map<StreamKey, number>();
  const leaves = new Map<StreamKey, Buffer[]>();
  /** How many events of an entity are stored, in both logs. */
  const versions = new Map<string, number>();
  const acknowledged = new Map<string, Acknowledged>();
  /** Events of which somebody was told that this very submission did not store them. */
  const denied = new WeakMap<PackedBatch, Set<number>>();
  const storedFrom = new WeakMap<PackedBatch, Map<number, StoredRow>>();
  const refusable = new WeakMap<PackedBatch, Set<number>>();
  /** Roots of logs at sizes that were told in receipts. */
  const roots = new Map<string, Buffer>();
  let commits = 0;

  const show = (row: StoredRow) =>
    `event ${row.id.slice(0, 8)} of stream ${row.stream.slice(0, 9)} at ${row.sequence}`;

  function checkRow(row: StoredRow): void {
    const expected = (heads.get(row.stream) ?? 0) + 1;
    must(row.sequence === expected, () => `L1: ${show(row)} is stored after ${expected - 1}`);
    heads.set(row.stream, row.sequence);
    must(
      !denied.get(row.batch)?.has(row.event),
      () => `L3: ${show(row)} is stored after its sender was told that it is not`,
    );
    const mine = storedFrom.get(row.batch) ?? new Map<number, StoredRow>();
    storedFrom.set(row.batch, mine);
    must(!mine.has(row.event), () => `L2: ${show(row)} is stored twice`);
    mine.set(row.event, row);
    if (row.kind === STREAM_VES) {
      const list = leaves.get(row.stream) ?? [];
      leaves.set(row.stream, list);
      list.push(leafOf(row));
    }
  }

  /** A checked event is stored at the very version it asked for. Between the two logs a commit has an order of its own. */
  function checkVersions(rows: readonly StoredRow[]): void {
    for (const row of rows) {
      if (row.base === undefined) continue;
      const same = rows.filter((other) => other.entity === row.entity);
      const before = same.filter((other) => other.kind === row.kind && other.sequence < row.sequence).length;
      const least = (versions.get(row.entity) ?? 0) + before;
      const most = least + same.filter((other) => other.kind !== row.kind).length;
      must(
        least <= row.base && row.base <= most,
        () => `${show(row)} asked for version ${row.base}, it is ${least}..${most}`,
      );
    }
    for (const { entity } of rows) versions.set(entity, (versions.get(entity) ?? 0) + 1);
  }

  /** Events of one request are numbered in their order. */
  function checkOrder(row: StoredRow): void {
    for (const [event, other] of storedFrom.get(row.batch)!) {
      if (other.stream !== row.stream || requestOf(row) !== requestOf(other)) continue;
      must(
        event <= row.event === other.sequence <= row.sequence,
        () => `order: ${show(row)} and ${show(other)} are swapped`,
      );
    }
  }

  function checkLog(stream: StreamKey, always: boolean): void {
    const { head, frontier } = database().streamRow(stream);
    must(
      head === (heads.get(stream) ?? 0),
      () => `L1: the counter of ${stream.slice(0, 9)} says ${head}, stored are ${heads.get(stream)}`,
    );
    if (stream.startsWith(`${STREAM_LEGACY}`)) return;
    const list = leaves.get(stream) ?? [];
    if (!always && list.length > NAIVE_ALWAYS_BELOW && commits % NAIVE_EVERY !== 0) return;
    const decoded = decodeFrontier(head, frontier);
    must(decoded !== undefined, () => `the frontier of ${stream.slice(0, 9)} does not fit size ${head}`);
    const root = Buffer.from(frontierRoot(decoded!, hashNode, sha256Into));
    must(
      root.equals(naiveRoot(list)),
      () => `the frontier of ${stream.slice(0, 9)} at ${head} is not that of its leaves`,
    );
  }

  /** L4, L5: a group receipt's root is that of the stored leaves, and its paths lead from the request's own events to it. */
  function checkTree(submission: Submission, tree: GroupTree): void {
    const { stream, outcome: told } = submission;
    const list = leaves.get(stream) ?? [];
    const name = `the group receipt ${tree.before}..${tree.after} of ${stream.slice(0, 9)}`;
    must(tree.after <= list.length, () => `L3: ${name} is ahead of what is stored`);
    const opened = openGroupTree(tree, hashNode);
    const paths = opened.paths();
    const key = `${stream} ${tree.after}`;
    const root = roots.get(key) ?? naiveRoot(list.slice(0, tree.after));
    roots.set(key, root);
    must(root.equals(opened.root), () => `L5: ${name} has another root than the stored events`);
    for (let at = 0; at < told.events.length; at += code.EVENT_NUMBERS) {
      const [result, sequence] = told.events.subarray(at) as unknown as [number, number];
      if (result !== code.ACCEPTED || sequence <= tree.before || sequence > tree.after) continue;
      const path = paths.pathOf(sequence - 1).map((step) => paths.hashes[step]!);
      must(
        verifyInclusion(list[sequence - 1]!, sequence - 1, tree.after, path, root, hashNode),
        () => `L4: ${name} does not prove event ${sequence}`,
      );
    }
  }

  function checkReceipt(submission: Submission, index: number, sequence: number, atMicros: number): void {
    const { stream, kind, tenant, batch: packed, firstEvent } = submission;
    const event = firstEvent + index;
    const id = batch.eventId(packed, event);
    const row = database().numbers.get(`${stream} ${sequence}`);
    const name = `event ${id.slice(0, 8)} was acknowledged at ${sequence} of ${stream.slice(0, 9)}`;
    must(row !== undefined, () => `L3: ${name}, which is not stored`);
    must(
      row!.id === id && row!.digest === batch.eventDigest(packed, event),
      () => `L3: ${name}, where another event is stored`,
    );
    must(row!.atMicros === atMicros, () => `L3: ${name} with another time than the stored one`);
    const key = idKey(kind, tenant, id);
    const before = acknowledged.get(key);
    must(
      before === undefined || (before.sequence === sequence && before.stream === stream),
      () => `L2: ${name}, earlier at ${before?.sequence}`,
    );
    acknowledged.set(key, { stream, sequence, atMicros, known: knownBytes(row!.bytes) });
  }

  function deny(packed: PackedBatch, event: number, what: string): void {
    must(
      !storedFrom.get(packed)?.has(event),
      () => `L3: ${batch.eventId(packed, event).slice(0, 8)} is stored, its sender is told "${what}"`,
    );
    const set = denied.get(packed) ?? new Set();
    denied.set(packed, set.add(event));
  }

  return {
    /** A transaction has become visible. */
    committed(rows: readonly StoredRow[]): void {
      commits++;
      for (const row of rows) checkRow(row);
      checkVersions(rows);
      for (const row of rows) checkOrder(row);
      for (const stream of new Set(rows.map((row) => row.stream))) checkLog(stream, false);
    },

    /** An injected error may make the database blame these. */
    refusedByInjection(rows: readonly StoredRow[]): void {
      for (const row of rows) {
        const set = refusable.get(row.batch) ?? new Set();
        refusable.set(row.batch, set.add(row.event));
      }
    },

    versionOf: (entity: string): number => versions.get(entity) ?? 0,

    /** A request was answered; `versionsBefore` are those of its events' entities when it was sent. */
    answered(
      submission: Submission,
      envelopes: readonly SimulatedEnvelope[],
      versionsBefore: readonly number[],
    ): void {
      const { batch: packed, firstEvent, eventCount, stream, kind, tenant, outcome } = submission;
      for (let index = 0; index < eventCount; index++) {
        const event = firstEvent + index;
        const [result, sequence, atMicros] = outcome.events.subarray(
          index * code.EVENT_NUMBERS,
        ) as unknown as [number, number, number];
        const id = batch.eventId(packed, event);
        const verdict = batch.eventVerdict(packed, event);
        const stored = database().ids.get(idKey(kind, tenant, id));
        const name = `event ${id.slice(0, 8)} of ${stream.slice(0, 9)}`;
        if (result !== code.ACCEPTED && result !== code.OUTCOME_UNKNOWN)
          deny(packed, event, `outcome ${result}`);
        switch (result) {
          case code.ACCEPTED:
          case code.REPLAYED:
            checkReceipt(submission, index, sequence, atMicros);
            break;
          case code.EVENT_ID_TAKEN:
            must(
              stored !== undefined && (kind === STREAM_LEGACY || stored.stream !== stream),
              () => `L2: the id of ${name} is not taken`,
            );
            break;
          case code.EVENT_ID_DIFFERS:
            must(
              stored?.stream === stream && stored.digest !== batch.eventDigest(packed, event),
              () => `L2: ${name} is not stored with other contents`,
            );
            break;
          case code.COMMAND_ID_TAKEN: {
            const user = database().commands.get(stream + batch.eventCommand(packed, event)!);
            must(user !== undefined && user.id !== id, () => `the command of ${name} is not used`);
            break;
          }
          case code.VERSION_CONFLICT: {
            const now =
              versions.get(`${tenant}${submission.store}${batch.eventEntityKey(packed, event)}`) ?? 0;
            must(
              sequence !== batch.eventBaseVersion(packed, event) &&
                sequence <= now &&
                sequence >= versionsBefore[index]!,
              () =>
                `${name} was told version ${sequence}; it was between ${versionsBefore[index]} and ${now}`,
            );
            break;
          }
          case code.REFUSED_BY_STORE:
            must(
              envelopes[index]!.poison === true || refusable.get(packed)?.has(event) === true,
              () => `${name} was blamed for somebody else's fault`,
            );
            break;
          case code.NOT_STORED:
          case code.QUEUE_FULL:
          case code.SHARE_FULL:
          case code.OUTCOME_UNKNOWN:
            break;
          default:
            must(
              result === verdict && verdict !== 0,
              () => `${name} was told ${result}, its verdict was ${verdict}`,
            );
        }
      }
      for (const tree of outcome.trees ?? []) checkTree(submission, tree);
      must(
        outcome.head <= (heads.get(stream) ?? 0),
        () => `the head of ${stream.slice(0, 9)} was told as ${outcome.head}`,
      );
    },

    /** Everything once more, over the whole database. */
    everything(): void {
      for (const stream of database().streams.keys()) checkLog(stream, true);
      for (const [key, { stream, sequence, atMicros, known }] of acknowledged) {
        const row = database().numbers.get(`${stream} ${sequence}`);
        const same = row && idKey(row.kind, row.tenant, row.id) === key && row.atMicros === atMicros;
        must(
          same === true && knownBytes(row.bytes).equals(known),
          () => `L3: ${key} is no longer stored as acknowledged`,
        );
      }
    },

    get acknowledgedEvents() {
      return acknowledged.size;
    },
  };

  function requestOf({ batch: packed, event }: StoredRow): number {
    let request = packed.requestCount - 1;
    while (batch.requestFirstEvent(packed, request) > event) request--;
    return request;
  }
}

/** The RFC 6962 leaf of a stored row, from its bytes. */
function leafOf({ tenant, store, sequence, bytes }: StoredRow): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(sequence));
  let at = knownBytes(bytes).byteOffset - bytes.byteOffset;
  for (let skipped = 0; skipped < 2; skipped++) at += 4 + bytes.readInt32BE(at);
  const proof = bytes.subarray(at + 4, at + 100);
  return sha256(Buffer.of(0), Buffer.from('VES_LEAF_V1'), Buffer.from(tenant + store, 'hex'), number, proof);
}
