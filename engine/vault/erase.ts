/**
 * Erasure of a tenant's payloads by destroying its keys. Events, receipts, proofs and commitments stay and still verify: they are about
 * hashes. What is gone is what the payloads say, in the tables and in every copy of them made from now on; copies of the database made
 * before still hold the wrapped keys, and end when they do, or when the master key does.
 */
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { recordAct } from './acts.js';
import { OPENED_KEPT_MS, OPENER_TRUST_MS } from './opener.js';
import { SEALER_TRUST_MS } from './sealers.js';
import { countUnsealed } from './unsealed.js';

export interface EraseOptions {
  /** 32 hex digits. */
  readonly tenant: string;
  readonly actor: string;
  /** Why; kept in the record of acts. */
  readonly reason: string;
  /** Erases although some payloads are not sealed and will stay readable. */
  readonly despiteUnsealed?: boolean;
  /** For tests. */
  readonly sleep?: (ms: number) => Promise<unknown>;
}

export interface EraseReport {
  readonly keysDestroyed: number;
  /** Payloads that stay readable because no key of the tenant protects them; counted up to {@link UNSEALED_COUNT_MAX} in each table. */
  readonly unsealed: number;
}

export const UNSEALED_COUNT_MAX = 1000;

/**
 * Destroys a tenant's keys. In order: no writer begins anything new with them; what was begun is given time; the keys are destroyed; no
 * reader uses them any more when this resolves. An event of the tenant that is stored while this runs may be erased with the others; one
 * that comes later gets a new key.
 *
 * Begun and interrupted, it may be run again.
 *
 * @throws ServiceError RESOURCE_NOT_FOUND when the tenant has no keys; INVALID_STATE_TRANSITION when payloads are not sealed
 */
export async function eraseTenant(sql: Sql, options: EraseOptions): Promise<EraseReport> {
  const { tenant, actor, reason, sleep = pause } = options;
  const [keys] = await sql<{ alive: number }[]>`
    select count(*)::int as alive from vault_tenant_keys where tenant_id = ${tenant}::uuid and destroyed_at is null`;
  if (keys!.alive === 0)
    throw new ServiceError('RESOURCE_NOT_FOUND', `Tenant ${tenant} has no keys to destroy`);
  const unsealed = await countUnsealed(sql, tenant, UNSEALED_COUNT_MAX);
  if (unsealed > 0 && !options.despiteUnsealed)
    throw new ServiceError(
      'INVALID_STATE_TRANSITION',
      `${unsealed} payloads of tenant ${tenant} (or more) are not encrypted with its key and would stay readable: re-encrypt its events first`,
      { details: { unsealed } },
    );

  await sql.begin(async (tx) => {
    await tx`update vault_tenant_keys set retired_at = now() where tenant_id = ${tenant}::uuid and retired_at is null`;
    await recordAct(tx, 'tenant-erasure-begun', actor, tenant, { reason, unsealed });
  });
  // Writers look whether their key is still in use this often. Twice that lets the events that were just sealed reach the table.
  await sleep(2 * SEALER_TRUST_MS);
  const keysDestroyed = await sql.begin(async (tx) => {
    const { count } = await tx`update vault_tenant_keys set wrapped_key = null, destroyed_at = now()
      where tenant_id = ${tenant}::uuid and destroyed_at is null and retired_at <= now() - ${SEALER_TRUST_MS} * interval '1 millisecond'`;
    await recordAct(tx, 'tenant-erased', actor, tenant, { reason, keys: count, unsealed });
    return count;
  });
  // An update leaves the old row behind: nobody should find the wrapped key in the table's file.
  await sql`vacuum (full) vault_tenant_keys`;
  await sleep(OPENER_TRUST_MS + OPENED_KEPT_MS);
  return { keysDestroyed, unsealed };
}

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
