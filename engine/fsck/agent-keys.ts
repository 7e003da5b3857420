/** Agents' signing keys as a worker needs them, and the check of the table itself. */
import type { Sql } from '../store/connection.js';
import { literal } from '../store/id-text.js';
import type { FsckCrypto } from './crypto.js';
import type { Session } from './session.js';

/** A registered key. Instants in microseconds since 1970; null is unbounded or not set. */
export interface AgentKey {
  readonly publicKey: Uint8Array;
  readonly usable: boolean;
  readonly status: string;
  readonly validFrom: number | null;
  readonly validTo: number | null;
  readonly revokedAt: number | null;
}

/** Which key. Ids are 32 hex digits. */
export interface AgentKeyName {
  readonly tenant: string;
  readonly agent: string;
  readonly keyId: number;
}

type Row = {
  name: string;
  publicKey: Buffer;
  status: string;
  validFrom: number | null;
  validTo: number | null;
  revokedAt: number | null;
};

/** Keys that are kept from one task to the next. */
const KEPT_MAX = 50_000;
const ASKED_MAX = 5_000;

export const nameOfKey = ({ tenant, agent, keyId }: AgentKeyName): string => `${tenant}/${agent}/${keyId}`;

/** Makes a reader of keys that remembers them: they cannot change within a snapshot. */
export function createAgentKeys(session: Session, crypto: Pick<FsckCrypto, 'isUsablePublicKey'>) {
  const known = new Map<string, AgentKey | undefined>();

  async function load(names: readonly AgentKeyName[]): Promise<void> {
    const rows = await session.run((sql) => select(sql, names));
    for (const name of names) known.set(nameOfKey(name), undefined);
    for (const { name, ...row } of rows)
      known.set(name, { ...row, usable: crypto.isUsablePublicKey(row.publicKey) });
  }

  /** The keys in the order asked for; undefined where there is none. */
  return async function find(names: readonly AgentKeyName[]): Promise<(AgentKey | undefined)[]> {
    if (known.size > KEPT_MAX) known.clear();
    const missing = names.filter((name) => !known.has(nameOfKey(name)));
    for (let i = 0; i < missing.length; i += ASKED_MAX) await load(missing.slice(i, i + ASKED_MAX));
    return names.map((name) => known.get(nameOfKey(name)));
  };
}

const select = (sql: Sql, names: readonly AgentKeyName[]) => sql<Row[]>`
  select replace(tenant_id::text, '-', '') || '/' || replace(agent_id::text, '-', '') || '/' || key_id as name,
    public_key as "publicKey", status, (extract(epoch from valid_from) * 1000000)::float8 as "validFrom",
    (extract(epoch from valid_to) * 1000000)::float8 as "validTo",
    (extract(epoch from revoked_at) * 1000000)::float8 as "revokedAt"
  from unnest(${literal(names.map(({ tenant }) => tenant))}::text::uuid[],
    ${literal(names.map(({ agent }) => agent))}::text::uuid[],
    ${literal(names.map(({ keyId }) => String(keyId)))}::text::bigint[]) as n(tenant_id, agent_id, key_id)
  join agent_signing_keys using (tenant_id, agent_id, key_id)`;

/** How far clocks and caches may be behind: a revocation reaches every process within a second, and events wait for their group. */
const KEY_TOLERANCE_MICROS = 2_000_000;

/** Why a key was not to be used at an instant; undefined when it was. L6. */
export function keyFaultAt(key: AgentKey, micros: number): string | undefined {
  const { validFrom, validTo, revokedAt, status } = key;
  if (!key.usable) return 'its key is not a valid Ed25519 public key';
  if (validFrom !== null && micros < validFrom - KEY_TOLERANCE_MICROS)
    return 'it was sequenced before its key was valid';
  if (validTo !== null && micros > validTo + KEY_TOLERANCE_MICROS)
    return "it was sequenced after its key's validity had ended";
  if (revokedAt !== null && micros > revokedAt + KEY_TOLERANCE_MICROS)
    return 'it was sequenced after its key had been revoked';
  if (status === 'revoked' && revokedAt === null) return 'its key is revoked, nobody knows since when';
  return undefined;
}
