import type { KeyValidity } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';

/** Names one signing key. Ids are 32 lower-case hex digits. */
export type AgentKeyRef = { readonly tenant: string; readonly agent: string; readonly keyId: number };

/** A signing key as the verifier needs it. Instants are microseconds since the epoch; `null` is unbounded or not set. */
export type AgentKeyRow = AgentKeyRef &
  Pick<KeyValidity, 'status'> & {
    /** Ed25519, 32 bytes; it passed `checkPublicKey` when it was registered. */
    readonly publicKey: Buffer;
    readonly validFromMicros: number | null;
    readonly validToMicros: number | null;
    readonly revokedAtMicros: number | null;
  };

/**
 * Looks up many keys at once; unknown ones are missing from the answer, whose order is undefined.
 * One statement, by the primary key.
 */
export async function findAgentKeys(sql: Sql, refs: readonly AgentKeyRef[]): Promise<AgentKeyRow[]> {
  if (refs.length === 0) return [];
  const tenants = refs.map((ref) => ref.tenant);
  const agents = refs.map((ref) => ref.agent);
  const keyIds = refs.map((ref) => ref.keyId);
  return sql<AgentKeyRow[]>`
    select replace(k.tenant_id::text, '-', '') as tenant,
           replace(k.agent_id::text, '-', '') as agent,
           k.key_id::float8 as "keyId",
           k.public_key as "publicKey",
           k.status,
           (extract(epoch from k.valid_from) * 1000000)::float8 as "validFromMicros",
           (extract(epoch from k.valid_to) * 1000000)::float8 as "validToMicros",
           (extract(epoch from k.revoked_at) * 1000000)::float8 as "revokedAtMicros"
    from (select distinct * from unnest(${tenants}::uuid[], ${agents}::uuid[], ${keyIds}::int8[])) as r (tenant_id, agent_id, key_id)
    join agent_signing_keys k using (tenant_id, agent_id, key_id)`;
}
