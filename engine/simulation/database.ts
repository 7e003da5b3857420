/**
 * A model of what the sequencer relies on in Postgres: row locks held to the end of a transaction, unique keys that make a
 * second writer wait for the first, look-ups that see what is committed, atomic commits. Nothing else: no SQL, no MVCC.
 */

import { encodeFrontier } from '../log/index.js';
import {
  batch,
  type GroupWrite,
  type PackedBatch,
  type RowRef,
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKey,
  type StreamKind,
  streamKey,
} from '../sequencer/index.js';
import { isPoison } from './envelope.js';
import type { Scheduler } from './scheduler.js';

/** An error answer of the server; `code` is an SQLSTATE. */
export class DatabaseError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** An event as it lies in a table. Numbers and times are those inside the row's bytes. */
export interface StoredRow {
  readonly kind: StreamKind;
  readonly stream: StreamKey;
  readonly tenant: string;
  readonly store: string;
  readonly id: string;
  readonly command: string | undefined;
  readonly base: number | undefined;
  readonly digest: string;
  /** Unique per store and entity. */
  readonly entity: string;
  readonly sequence: number;
  readonly atMicros: number;
  readonly bytes: Buffer;
  /** Which event of which submitted batch this was. */
  readonly batch: PackedBatch;
  readonly event: number;
}

export interface StreamRow {
  head: number;
  frontier: Uint8Array;
}

/** partition_leases */
export interface LeaseRow {
  epoch: number;
  owner: string;
  untilMs: number;
  lastGroup: number;
}

interface VersionRow {
  readonly version: number;
  readonly heads: readonly [ves: number, legacy: number];
}

export interface Transaction {
  readonly locks: Set<string>;
  readonly rows: StoredRow[];
  readonly changes: (() => void)[];
  failed: boolean;
  ended: boolean;
}

const LOCK_TIMEOUT_MS = 500;
/** Microseconds from the Unix epoch to the Postgres epoch (2000-01-01). */
const PG_EPOCH_MICROS = Date.UTC(2000, 0, 1) * 1000;

export type Database = ReturnType<typeof createDatabase>;

/** `onCommit` sees the rows of every transaction at the moment they become visible. */
export function createDatabase(scheduler: Scheduler, onCommit: (rows: readonly StoredRow[]) => void) {
  const streams = new Map<StreamKey, StreamRow>();
  const leases = new Map<string, LeaseRow>();
  const versions = new Map<string, VersionRow>();
  /** By kind, tenant and id. */
  const ids = new Map<string, StoredRow>();
  /** By stream and command. */
  const commands = new Map<string, StoredRow>();
  /** By stream and number. */
  const numbers = new Map<string, StoredRow>();
  /** By entity, in order of commit. */
  const entities = new Map<string, StoredRow[]>();
  const locks = new Map<string, { holder: Transaction; waiters: { tx: Transaction; grant: () => void }[] }>();

  const begin = (): Transaction => ({ locks: new Set(), rows: [], changes: [], failed: false, ended: false });

  function lock(tx: Transaction, key: string): Promise<void> | undefined {
    if (tx.ended) throw new DatabaseError('25P01', 'no transaction');
    if (tx.locks.has(key)) return undefined;
    const held = locks.get(key);
    if (!held) {
      locks.set(key, { holder: tx, waiters: [] });
      tx.locks.add(key);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const waiter = { tx, grant: resolve };
      held.waiters.push(waiter);
      scheduler.after(LOCK_TIMEOUT_MS, () => {
        const at = held.waiters.indexOf(waiter);
        if (at < 0) return;
        held.waiters.splice(at, 1);
        reject(new DatabaseError('55P03', `lock timeout on ${key}`));
      });
    });
  }

  function end(tx: Transaction): void {
    tx.ended = true;
    for (const key of tx.locks) {
      const held = locks.get(key)!;
      let next = held.waiters.shift();
      while (next?.tx.ended) next = held.waiters.shift();
      if (!next) {
        locks.delete(key);
        continue;
      }
      held.holder = next.tx;
      next.tx.locks.add(key);
      next.grant();
    }
    tx.locks.clear();
  }

  const streamRow = (key: StreamKey): StreamRow =>
    streams.get(key) ?? { head: 0, frontier: new Uint8Array(0) };

  /** Takes one row of a COPY; waits for whoever is writing one of its keys. */
  async function insert(tx: Transaction, row: StoredRow): Promise<void> {
    if (isPoison(row.bytes)) throw new DatabaseError('22P03', 'incorrect binary data format');
    const keys: [Map<string, StoredRow>, string][] = [
      [numbers, `${row.stream} ${row.sequence}`],
      [ids, idKey(row.kind, row.tenant, row.id)],
    ];
    if (row.command !== undefined) keys.push([commands, row.stream + row.command]);
    for (const [index, key] of keys) {
      await lock(tx, `unique ${key}`);
      if (index.has(key) || tx.rows.some((other) => keysOf(other).includes(key)))
        throw new DatabaseError('23505', `duplicate key ${key}`);
    }
    tx.rows.push(row);
  }

  /** The current version of an entity: its checkpoint and what came after it in both logs. */
  function versionOf(tenant: string, store: string, entity: string): number {
    const checkpoint = versions.get(entity) ?? { version: 0, heads: [0, 0] as const };
    const all = entities.get(entity) ?? [];
    const later = all.filter(
      (row) => row.tenant === tenant && row.store === store && row.sequence > checkpoint.heads[row.kind],
    );
    return checkpoint.version + later.length;
  }

  /** Counters, frontiers and version checkpoints; visible at commit. */
  function advance(tx: Transaction, write: GroupWrite): void {
    const heads = new Map<StreamKey, number>();
    for (const { stream, last, frontier } of write.streams) {
      const encoded = frontier ? encodeFrontier(frontier) : new Uint8Array(0);
      heads.set(stream.key, last);
      tx.changes.push(() => streams.set(stream.key, { head: last, frontier: encoded }));
    }
    for (const { entity, version } of write.versions) {
      const head = (kind: StreamKind) => {
        const key = streamKey(kind, entity.tenant, entity.store);
        return heads.get(key) ?? streamRow(key).head;
      };
      const checkpoint: VersionRow = { version, heads: [head(STREAM_VES), head(STREAM_LEGACY)] };
      tx.changes.push(() => versions.set(entity.key, checkpoint));
    }
  }

  function commit(tx: Transaction): void {
    for (const change of tx.changes) change();
    for (const row of tx.rows) {
      numbers.set(`${row.stream} ${row.sequence}`, row);
      ids.set(idKey(row.kind, row.tenant, row.id), row);
      if (row.command !== undefined) commands.set(row.stream + row.command, row);
      const list = entities.get(row.entity);
      if (list) list.push(row);
      else entities.set(row.entity, [row]);
    }
    end(tx);
    if (tx.rows.length > 0) onCommit(tx.rows);
  }

  return {
    streams,
    leases,
    ids,
    commands,
    numbers,
    entities,
    begin,
    lock,
    end,
    streamRow,
    insert,
    versionOf,
    advance,
    commit,
  };
}

export const idKey = (kind: StreamKind, tenant: string, id: string): string => `${kind} ${tenant} ${id}`;

function keysOf(row: StoredRow): string[] {
  const keys = [`${row.stream} ${row.sequence}`, idKey(row.kind, row.tenant, row.id)];
  return row.command === undefined ? keys : [...keys, row.stream + row.command];
}

/** Reads a row as COPY would: from its bytes at this very moment. */
export function readRow(kind: StreamKind, { batch: packed, event }: RowRef): StoredRow {
  const at = batch.rowOffset(packed, event);
  const bytes = Buffer.from(packed.bytes.subarray(at, at + batch.rowLength(packed, event)));
  let request = packed.requestCount - 1;
  while (batch.requestFirstEvent(packed, request) > event) request--;
  const tenant = batch.requestTenant(packed, request);
  const store = batch.requestStore(packed, request);
  return {
    kind,
    stream: streamKey(kind, tenant, store),
    tenant,
    store,
    id: batch.eventId(packed, event),
    command: batch.eventCommand(packed, event),
    base: batch.eventBaseVersion(packed, event),
    digest: batch.eventDigest(packed, event),
    entity: `${tenant}${store}${batch.eventEntityKey(packed, event)}`,
    sequence: Number(bytes.readBigInt64BE(batch.ROW_SEQUENCE)),
    atMicros: Number(bytes.readBigInt64BE(batch.ROW_SEQUENCED_AT)) + PG_EPOCH_MICROS,
    bytes,
    batch: packed,
    event,
  };
}
