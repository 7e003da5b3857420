import type { Sql, TransactionSql } from '../store/connection.js';

/** What can be done with keys. */
export type Act =
  | 'tenant-key-rotated'
  | 'tenant-keys-rewrapped'
  | 'events-reencrypted'
  | 'tenant-erasure-begun'
  | 'tenant-erased';

/** Writes an act into the append-only record, in the transaction of the act where there is one. @param actor who did it, as far as is known */
export async function recordAct(
  sql: Sql | TransactionSql,
  act: Act,
  actor: string,
  tenant: string | null,
  detail: Readonly<Record<string, string | number | boolean>>,
): Promise<void> {
  await sql`insert into vault_acts (act, actor, tenant_id, detail)
    values (${act}, ${actor}, ${tenant}::uuid, ${JSON.stringify(detail)}::text::jsonb)`;
}
