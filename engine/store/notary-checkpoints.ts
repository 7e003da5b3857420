/** Signed checkpoints of the notary log, the witnesses' signatures under them, and what is remembered of each witness. */
import type { Sql } from './connection.js';
import { rowCheck } from './row-check.js';

/** A checkpoint of the notary log, signed with one key. */
export interface NotaryCheckpointRow {
  readonly origin: string;
  readonly treeSize: number;
  readonly keyVersion: number;
  /** `Uint8Array(32)`. */
  readonly rootHash: Uint8Array;
  /** Microseconds since 1970. */
  readonly issuedAt: number;
  /** Text, blank line and the log's signature line. */
  readonly note: string;
  readonly rowCheck: number;
}

/** The check value that a checkpoint's row must have. */
export function notaryCheckpointCheck(row: Omit<NotaryCheckpointRow, 'rowCheck'>): number {
  const { origin, treeSize, keyVersion, rootHash, issuedAt, note } = row;
  return rowCheck([origin, treeSize, keyVersion, rootHash, issuedAt, note]);
}

/** Stores a checkpoint unless this one is stored. */
export async function insertNotaryCheckpoint(sql: Sql, row: NotaryCheckpointRow): Promise<void> {
  await sql`
    insert into notary_checkpoints (origin, tree_size, key_version, root_hash, issued_at, note, row_check)
    values (${row.origin}, ${row.treeSize}, ${row.keyVersion}, ${Buffer.from(row.rootHash)},
      to_timestamp(0) + ${row.issuedAt}::bigint * interval '1 microsecond', ${row.note}, ${row.rowCheck})
    on conflict do nothing`;
}

/**
 * The checkpoints of an origin at one size, one per key, oldest key first; without a size: at the largest. By the primary key.
 */
export async function readNotaryCheckpoints(
  sql: Sql,
  origin: string,
  treeSize?: number,
): Promise<NotaryCheckpointRow[]> {
  const size =
    treeSize === undefined
      ? sql`(select tree_size from notary_checkpoints where origin = ${origin} order by tree_size desc limit 1)`
      : sql`${treeSize}`;
  const rows = await sql<
    (Omit<NotaryCheckpointRow, 'treeSize' | 'issuedAt'> & { treeSize: bigint; issuedAt: bigint })[]
  >`
    select origin, tree_size as "treeSize", key_version as "keyVersion", root_hash as "rootHash",
      (extract(epoch from issued_at) * 1000000)::bigint as "issuedAt", note, row_check as "rowCheck"
    from notary_checkpoints where origin = ${origin} and tree_size = ${size} order by key_version`;
  return rows.map((row) => ({ ...row, treeSize: Number(row.treeSize), issuedAt: Number(row.issuedAt) }));
}

/** A witness's signature under a checkpoint. */
export interface CosignatureRow {
  readonly origin: string;
  readonly treeSize: number;
  readonly witnessName: string;
  /** `Uint8Array(4)`. */
  readonly keyId: Uint8Array;
  /** Without its newline. */
  readonly signatureLine: string;
  /** Seconds since 1970, by the witness's clock. */
  readonly cosignedAt: number;
  readonly rowCheck: number;
}

/** The check value that a cosignature's row must have. */
export function cosignatureCheck(row: Omit<CosignatureRow, 'rowCheck'>): number {
  const { origin, treeSize, witnessName, keyId, signatureLine, cosignedAt } = row;
  return rowCheck([origin, treeSize, witnessName, keyId, signatureLine, cosignedAt * 1_000_000]);
}

/** Stores a cosignature; the first of a witness under a checkpoint is kept. */
export async function insertCosignature(sql: Sql, row: CosignatureRow): Promise<void> {
  await sql`
    insert into notary_cosignatures (origin, tree_size, witness_name, key_id, signature_line, cosigned_at, row_check)
    values (${row.origin}, ${row.treeSize}, ${row.witnessName}, ${Buffer.from(row.keyId)}, ${row.signatureLine},
      to_timestamp(${row.cosignedAt}::bigint), ${row.rowCheck})
    on conflict do nothing`;
}

/** The cosignatures of one size, in a fixed order. By the primary key. */
export async function readCosignatures(
  sql: Sql,
  origin: string,
  treeSize: number,
): Promise<CosignatureRow[]> {
  const rows = await sql<(Omit<CosignatureRow, 'treeSize' | 'cosignedAt'> & { cosignedAt: bigint })[]>`
    select origin, witness_name as "witnessName", key_id as "keyId", signature_line as "signatureLine",
      extract(epoch from cosigned_at)::bigint as "cosignedAt", row_check as "rowCheck"
    from notary_cosignatures where origin = ${origin} and tree_size = ${treeSize} order by witness_name, key_id`;
  return rows.map((row) => ({ ...row, treeSize, cosignedAt: Number(row.cosignedAt) }));
}

/** Cosignatures that the search for a quorum looks at. */
const COSIGNATURES_SEARCHED_MAX = 1000;

/**
 * Sizes with cosignatures of at least `quorum` of these witnesses, largest first. The search begins where the `quorum`-th of them has
 * come to (index notary_cosignatures_witness) and goes down the primary key.
 *
 * @param names names of the witnesses; whether a row's key is the witness's is for the caller to check
 * @param quorum at least 1
 */
export async function findCosignedSizes(
  sql: Sql,
  origin: string,
  names: readonly string[],
  quorum: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql<{ size: bigint }[]>`
    select tree_size as size from (
      select tree_size, witness_name from notary_cosignatures
      where origin = ${origin} and tree_size <= (
        select latest.size from unnest(${names}::text[]) as w(name) cross join lateral (
          select tree_size as size from notary_cosignatures
          where origin = ${origin} and witness_name = w.name order by tree_size desc limit 1
        ) latest
        order by latest.size desc offset ${quorum - 1} limit 1
      )
      order by tree_size desc limit ${COSIGNATURES_SEARCHED_MAX}
    ) newest
    where witness_name = any(${names}::text[])
    group by tree_size having count(*) >= ${quorum}
    order by tree_size desc limit ${limit}`;
  return rows.map(({ size }) => Number(size));
}

/** Sizes the witnesses (verifier keys) last said they had cosigned; those never heard of are missing. */
export async function readWitnessSizes(
  sql: Sql,
  origin: string,
  witnesses: readonly string[],
): Promise<Map<string, number>> {
  const rows = await sql<{ witness: string; size: bigint }[]>`
    select witness, tree_size as size from witness_states
    where origin = ${origin} and witness = any(${witnesses}::text[])`;
  return new Map(rows.map(({ witness, size }) => [witness, Number(size)]));
}

/** Remembers what a witness said. */
export async function writeWitnessSize(
  sql: Sql,
  origin: string,
  witness: string,
  size: number,
): Promise<void> {
  await sql`
    insert into witness_states (witness, origin, tree_size, updated_at) values (${witness}, ${origin}, ${size}, now())
    on conflict (witness, origin) do update set tree_size = excluded.tree_size, updated_at = excluded.updated_at`;
}
