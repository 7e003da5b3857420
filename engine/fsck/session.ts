/**
 * One connection of a check: a read-only transaction on a snapshot that all connections share, so that a service which goes on
 * writing changes nothing for any of them.
 */
import { type CommitterConnection, openCommitterConnection } from '../store/committer-connection.js';
import type { DatabaseTarget, Sql } from '../store/connection.js';
import { copyOut } from '../store/copy-out.js';
import { createTupleReader, type TupleSink } from '../store/copy-tuples.js';

export interface Session {
  /** For ordinary queries. */
  readonly sql: Sql;
  /** Runs a query; a failure of the server's leaves the session usable, with the same snapshot. */
  run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /**
   * Reads a query's rows as COPY binary tuples of `columns` columns. `sink` is called for each as it arrives. When the server fails
   * half-way, all rows before the failure have been handed over, and the session is usable again.
   */
  copyOut(query: string, columns: number, sink: TupleSink): Promise<void>;
  close(): Promise<void>;
}

/** Plans that read in key order and on one processor: order and parallelism are the check's own business. */
const PLANNING = [
  'statement_timeout = 0',
  'lock_timeout = 0',
  'idle_in_transaction_session_timeout = 0',
  'enable_seqscan = off',
  'enable_bitmapscan = off',
  'max_parallel_workers_per_gather = 0',
  'jit = off',
];

const CLOSE_SECONDS = 1;

/** Opens a session on a snapshot that {@link exportSnapshot} gave out. */
export async function openSession(target: DatabaseTarget, snapshot: string, name: string): Promise<Session> {
  const connection = connect(target, name);
  const sql = await connection.start();

  async function begin(): Promise<void> {
    await connection.orLost(beginTransaction(sql));
    await connection.orLost(sql.unsafe(`set transaction snapshot '${snapshot}'`));
  }

  /** After a failed statement the server refuses everything until the transaction is over. */
  async function recover(error: unknown): Promise<never> {
    await connection.orLost(sql.unsafe('rollback'));
    await begin();
    throw error;
  }

  await begin();
  return {
    sql,
    run: (work) => connection.orLost(Promise.resolve(work(sql))).catch(recover),
    async copyOut(query, columns, sink) {
      const statement = sql.unsafe(`copy (${query}) to stdout (format binary)`);
      await connection.orLost(copyOut(statement, createTupleReader(columns, sink))).catch(recover);
    },
    close: () => connection.end(CLOSE_SECONDS),
  };
}

/** Holds a snapshot open until it is closed. Nothing else runs on its connection: a failure would end the snapshot. */
export async function exportSnapshot(
  target: DatabaseTarget,
): Promise<{ readonly snapshot: string; close(): Promise<void> }> {
  const connection = connect(target, 'snapshot');
  const sql = await connection.start();
  await connection.orLost(beginTransaction(sql));
  const [row] = await connection.orLost(
    Promise.resolve(sql<{ snapshot: string }[]>`select pg_export_snapshot() as snapshot`),
  );
  return { snapshot: row!.snapshot, close: () => connection.end(CLOSE_SECONDS) };
}

const connect = (target: DatabaseTarget, name: string): CommitterConnection =>
  openCommitterConnection(target, {
    applicationName: `stateset-sequencer fsck ${name}`,
    lifetimeMaxSecs: 0,
  });

async function beginTransaction(sql: Sql): Promise<void> {
  await sql.unsafe('begin isolation level repeatable read read only');
  await sql.unsafe(PLANNING.map((setting) => `set local ${setting}`).join('; '));
}
