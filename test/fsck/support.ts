import { type FsckOptions, type FsckReport, openFsckWorker, runFsck } from '../../engine/fsck/index.js';
import type { DatabaseTarget, Sql } from '../../engine/store/connection.js';
import { fsckCrypto } from '../../workers/fsck-crypto.js';

/** A check on this thread. */
export const check = (target: DatabaseTarget, options: Partial<FsckOptions> = {}): Promise<FsckReport> =>
  runFsck({
    target,
    crypto: fsckCrypto(),
    start: (setup) => openFsckWorker(setup, fsckCrypto()),
    threads: 1,
    signatures: true,
    deep: false,
    filter: {},
    findingsMax: 20,
    ...options,
  });

/** Statements as somebody with full access to the database would make them, whatever triggers say. */
export async function unprotected(sql: Sql, ...statements: string[]): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe('set local session_replication_role = replica');
    for (const statement of statements) await tx.unsafe(statement);
  });
}

/** Changes the row that `where` names, does the work, and puts the row back. */
export async function withChange<T>(
  sql: Sql,
  table: string,
  where: string,
  set: string,
  work: () => Promise<T>,
): Promise<T> {
  await sql.unsafe(
    `drop table if exists saved; create table saved as select * from ${table} where ${where} limit 1`,
  );
  const [changed] = await sql.begin(async (tx) => {
    await tx.unsafe('set local session_replication_role = replica');
    return tx.unsafe(
      `update ${table} set ${set} where ctid = (select ctid from ${table} where ${where} limit 1) returning ctid`,
    );
  });
  try {
    return await work();
  } finally {
    await unprotected(
      sql,
      `delete from ${table} where ctid = '${changed!.ctid}'`,
      `insert into ${table} select * from saved`,
    );
  }
}

/** Takes rows away, does the work, and puts them back. */
export async function without<T>(sql: Sql, table: string, where: string, work: () => Promise<T>): Promise<T> {
  await sql.unsafe(`drop table if exists saved; create table saved as select * from ${table} where ${where}`);
  await unprotected(sql, `delete from ${table} where ${where}`);
  try {
    return await work();
  } finally {
    await unprotected(sql, `insert into ${table} select * from saved`);
  }
}
