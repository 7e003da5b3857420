import type { Sql } from '../store/connection.js';

/** A key that has signed receipts of this database. */
export interface SequencerKeyRow {
  readonly keyVersion: number;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
  /** RFC 3339 text. */
  readonly validFrom: string;
}

/**
 * The version of the sequencer's key, and all keys before it. A key this database has not seen yet gets the next version;
 * the first is 0. Processes that start at once wait for each other.
 */
export async function recordSequencerKey(
  sql: Sql,
  publicKey: Uint8Array,
): Promise<{ keyVersion: number; keys: SequencerKeyRow[] }> {
  return sql.begin(async (tx) => {
    // Two new keys must not get one version, nor one key two.
    await tx`lock table sequencer_keys in share row exclusive mode`;
    await tx`insert into sequencer_keys (key_version, public_key)
      select coalesce(max(key_version) + 1, 0), ${Buffer.from(publicKey)}::bytea from sequencer_keys
      on conflict (public_key) do nothing`;
    const keys = await tx<SequencerKeyRow[]>`
      select key_version as "keyVersion", public_key as "publicKey",
        to_char(valid_from at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "validFrom"
      from sequencer_keys order by key_version`;
    const mine = keys.find((key) => Buffer.compare(key.publicKey, publicKey) === 0);
    if (!mine) throw new Error('sequencer_keys: the key just recorded is gone');
    return { keyVersion: mine.keyVersion, keys: [...keys] };
  });
}
