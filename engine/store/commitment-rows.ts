/** What the tables of VES and legacy commitments have in common. */
import type postgres from 'postgres';

/** Statements inside and outside a transaction. */
export type Statements = postgres.ISql<{ bigint: bigint }>;

/** A tenant's store. Ids are lower-case hyphenated UUIDs. */
export type CommitmentStream = { readonly tenantId: string; readonly storeId: string };

/** What is known of a commitment's anchoring; all null until a chain has it. */
export type CommitmentAnchor = {
  readonly chainId: number | null;
  /** `Uint8Array(32)`. */
  readonly chainTxHash: Uint8Array | null;
  readonly chainBlockNumber: bigint | null;
  /** Microseconds since 1970. */
  readonly anchoredAtMicros: bigint | null;
};

/** Some of a stream's commitments, in its order. */
export type CommitmentPage = {
  /** Only commitments that start behind this number. */
  readonly after: bigint;
  readonly limit: number;
  /** Also those that a chain knows of. */
  readonly anchored: boolean;
};

/** A timestamp column in microseconds since 1970; `extract` answers an exact decimal. */
export const microsOf = (sql: Statements, column: string) =>
  sql`(extract(epoch from ${sql(column)}) * 1000000)::bigint`;

/** Microseconds as a timestamp. */
export const timestampOf = (sql: Statements, micros: bigint | null) =>
  sql`to_timestamp(0) + ${micros}::bigint * interval '1 microsecond'`;

/** The database's clock in microseconds, not before `earliest`: a stream's commitments are made in the order of their times. */
export async function databaseMicros(sql: Statements, earliest = 0n): Promise<bigint> {
  const [row] = await sql<{ micros: bigint }[]>`
    select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, ${earliest}::bigint) as micros`;
  return row!.micros;
}

/** A copy: the driver's values are views on memory they share, all of which would travel along between threads. */
export const ownBytes = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);
