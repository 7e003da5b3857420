import type { Sql, TransactionSql } from '../store/connection.js';

/** A key that has signed receipts of this database. */
export interface SequencerKeyRow {
  readonly keyVersion: number;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
  /** RFC 3339 text. */
  readonly validFrom: string;
  /** When it was replaced; null while it signs. */
  readonly validTo: string | null;
}

/**
 * Records the keys of a process and answers all keys of the database. A key this database has not seen yet gets the next version;
 * the first is 0. A retired key's validity ends now, unless it ended before; the present key's has no end. Processes that start at
 * once wait for each other.
 *
 * @param retired keys that signed before the present one, oldest first
 */
export async function recordSequencerKeys(
  sql: Sql,
  publicKey: Uint8Array,
  retired: readonly Uint8Array[] = [],
): Promise<{ keyVersion: number; keys: SequencerKeyRow[] }> {
  return sql.begin(async (tx) => {
    // Two new keys must not get one version, nor one key two.
    await tx`lock table sequencer_keys in share row exclusive mode`;
    for (const key of retired) {
      await insertKey(tx, key);
      await tx`update sequencer_keys set valid_to = now() where public_key = ${Buffer.from(key)} and valid_to is null`;
    }
    await insertKey(tx, publicKey);
    await tx`update sequencer_keys set valid_to = null
      where public_key = ${Buffer.from(publicKey)} and valid_to is not null`;
    const keys = await readSequencerKeys(tx);
    const mine = keys.find((key) => Buffer.compare(key.publicKey, publicKey) === 0);
    if (!mine) throw new Error('sequencer_keys: the key just recorded is gone');
    return { keyVersion: mine.keyVersion, keys };
  });
}

async function insertKey(tx: TransactionSql, publicKey: Uint8Array): Promise<void> {
  await tx`insert into sequencer_keys (key_version, public_key)
    select coalesce(max(key_version) + 1, 0), ${Buffer.from(publicKey)}::bytea from sequencer_keys
    on conflict (public_key) do nothing`;
}

/** Every key that has signed receipts of this database, by version. */
export async function readSequencerKeys(sql: Sql | TransactionSql): Promise<SequencerKeyRow[]> {
  const keys = await sql<SequencerKeyRow[]>`
    select key_version as "keyVersion", public_key as "publicKey",
      to_char(valid_from at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "validFrom",
      to_char(valid_to at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "validTo"
    from sequencer_keys order by key_version`;
  return [...keys];
}
