/** Opens sealed payloads. Data keys are kept in memory for minutes, and looked at again after seconds: a destroyed one opens nothing more. */
import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { PAYLOAD_FORM, type PayloadKeys, type PayloadOpener } from '../store/sealed-payload.js';
import { eventAadOf } from './at-rest-aad.js';
import { unwrapDataKey } from './data-keys.js';
import { type DataKeyRow, readDataKeys, readDataKeyVersions } from './key-rows.js';
import type { MasterKeys } from './master-keys.js';
import { createRecordReader, dataKeyIdOf, recordV1Bytes, recordVersion } from './record.js';
import { openRecord } from './record-v1.js';
import { orRefusal, type TenantKeys } from './tenant-keys.js';

/** How long a process goes on reading after a tenant's key was destroyed, at most. */
export const OPENER_TRUST_MS = 5000;
/** How long opened payloads may be kept for readers who come later, at most: those of an erased tenant must not be shown to them. */
export const OPENED_KEPT_MS = 2000;
const KEPT_MAX = 20_000;
const KEPT_MS = 10 * 60_000;
const ASKED_MAX = 5000;

/** `erased`: the tenant's key was destroyed with intent; a failure is thrown where the key is used. */
type DataKey = KeyObject | 'erased' | ServiceError;

export interface VaultOpener extends PayloadOpener {
  /** All keys of some tenants (32 hex digits), for whoever reads much and cannot wait in between. */
  allKeysOf(tenants: readonly string[]): Promise<PayloadKeys>;
}

export function createOpener(
  sql: Sql,
  deps: {
    readonly tenantKeys: TenantKeys;
    readonly masters: MasterKeys;
    readonly acceptsPlain: boolean;
    readonly clock?: () => number;
  },
): VaultOpener {
  const { tenantKeys, masters, acceptsPlain, clock = () => performance.now() } = deps;
  const kept = new LRUCache<string, { readonly key: KeyObject; trustedUntil: number }>({
    max: KEPT_MAX,
    ttl: KEPT_MS,
  });
  const sweep = setInterval(() => kept.purgeStale(), KEPT_MS / 10);
  sweep.unref();
  const read = createRecordReader();

  async function toKey(row: DataKeyRow): Promise<DataKey> {
    const name = nameOf(row.tenant, row.id);
    if (row.destroyed) {
      kept.delete(name);
      tenantKeys.forget(row.tenant, row.version);
      return 'erased';
    }
    const trustedUntil = clock() + OPENER_TRUST_MS;
    const known = kept.get(name);
    if (known) {
      known.trustedUntil = trustedUntil;
      return known.key;
    }
    // One tenant's lost key must not keep another's events from being read.
    return orRefusal(async () => {
      const key = unwrapDataKey(row, await tenantKeys.get(row.tenant, row.version));
      kept.set(name, { key, trustedUntil });
      return key;
    });
  }

  async function load(
    names: ReadonlyMap<string, { tenant: string; id: string }>,
  ): Promise<Map<string, DataKey>> {
    const keys = new Map<string, DataKey>();
    const asked: { tenant: string; id: string }[] = [];
    const now = clock();
    for (const [name, ref] of names) {
      const known = kept.get(name);
      if (known && now < known.trustedUntil) keys.set(name, known.key);
      else asked.push(ref);
    }
    for (let i = 0; i < asked.length; i += ASKED_MAX)
      for (const row of await readDataKeys(sql, asked.slice(i, i + ASKED_MAX)))
        keys.set(nameOf(row.tenant, row.id), await toKey(row));
    return keys;
  }

  const keysOf = (keys: ReadonlyMap<string, DataKey>): PayloadKeys => ({
    open(place, record) {
      const tenant = hex(place.ids, place.idsOffset);
      const event = hex(place.ids, place.idsOffset + 32);
      const version = recordVersion(record);
      if (version === 1) {
        if (place.form !== PAYLOAD_FORM.legacy || place.sequence === undefined) throw broken(event);
        const ids = place.ids.subarray(place.idsOffset, place.idsOffset + 48);
        const aad = eventAadOf(ids, place.sequence, place.bound);
        const plain = openRecord(masters.ring(tenant), aad, recordV1Bytes(record));
        if (plain) return plain;
        throw broken(event);
      }
      if (version !== 2) throw broken(event);
      const id = dataKeyIdOf(record);
      const key = keys.get(nameOf(tenant, id));
      if (key === undefined)
        throw new ServiceError(
          'ENCRYPTION_ERROR',
          `The payload of event ${event} was encrypted with key ${id}, which is not in this database`,
        );
      if (key === 'erased') return undefined;
      if (key instanceof ServiceError) throw key;
      const plain = read(key, place, record);
      if (plain) return plain;
      throw broken(event);
    },
  });

  return {
    acceptsPlain,
    async keysFor(records) {
      const names = new Map<string, { tenant: string; id: string }>();
      for (const { tenant: bytes, record } of records) {
        if (recordVersion(record) !== 2) continue;
        const ref = { tenant: hex(bytes, 0), id: dataKeyIdOf(record) };
        names.set(nameOf(ref.tenant, ref.id), ref);
      }
      return keysOf(await load(names));
    },
    async allKeysOf(tenants) {
      const names = new Map<string, { tenant: string; id: string }>();
      for (const tenant of tenants)
        for (const id of (await readDataKeyVersions(sql, tenant)).keys())
          names.set(nameOf(tenant, id), { tenant, id });
      return keysOf(await load(names));
    },
  };
}

const nameOf = (tenant: string, id: string): string => `${tenant}/${id}`;

const hex = (bytes: Uint8Array, from: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex', from, from + 16);

const broken = (event: string): ServiceError =>
  new ServiceError(
    'ENCRYPTION_ERROR',
    `The stored payload of event ${event} cannot be decrypted: it was changed, moved from another event, or encrypted with a key that is not configured`,
  );
