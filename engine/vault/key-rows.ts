/** The tables of keys. Tenants and data keys are named by 32 hex digits, as the database takes them and as maps use them. */
import type { Sql, TransactionSql } from '../store/connection.js';
import { literal } from '../store/id-text.js';

/** A tenant's key as stored. */
export interface TenantKeyRow {
  readonly tenant: string;
  readonly version: number;
  readonly masterKey: string;
  /** Null: destroyed. */
  readonly wrapped: Uint8Array | null;
  readonly retired: boolean;
}

/** A data key as stored, with the state of the tenant's key that wraps it. */
export interface DataKeyRow {
  readonly tenant: string;
  readonly id: string;
  readonly version: number;
  readonly wrapped: Uint8Array;
  /** Whether the tenant's key was destroyed. */
  readonly destroyed: boolean;
}

/** The keys that new data keys of these tenants are wrapped with; tenants without one are left out. By the primary key. */
export async function readCurrentKeys(sql: Sql, tenants: readonly string[]): Promise<TenantKeyRow[]> {
  const rows = await sql<TenantKeyRow[]>`
    select replace(t.id::text, '-', '') as tenant, k.key_version as version, k.master_key as "masterKey",
      k.wrapped_key as wrapped, false as retired
    from unnest(${literal(tenants)}::text::uuid[]) as t(id) cross join lateral (
      select * from vault_tenant_keys where tenant_id = t.id and retired_at is null order by key_version desc limit 1
    ) k`;
  return [...rows];
}

/** One key of a tenant, in whatever state. */
export async function readTenantKey(
  sql: Sql,
  tenant: string,
  version: number,
): Promise<TenantKeyRow | undefined> {
  const [row] = await sql<TenantKeyRow[]>`
    select ${tenant} as tenant, key_version as version, master_key as "masterKey", wrapped_key as wrapped,
      retired_at is not null as retired
    from vault_tenant_keys where tenant_id = ${tenant}::uuid and key_version = ${version}`;
  return row;
}

/** All keys of the tenants, or of all tenants, that are not destroyed. */
export async function listTenantKeys(sql: Sql, tenant?: string): Promise<TenantKeyRow[]> {
  const rows = await sql<TenantKeyRow[]>`
    select replace(tenant_id::text, '-', '') as tenant, key_version as version, master_key as "masterKey",
      wrapped_key as wrapped, retired_at is not null as retired
    from vault_tenant_keys
    where destroyed_at is null and (${tenant ?? null}::uuid is null or tenant_id = ${tenant ?? null}::uuid)
    order by tenant_id, key_version`;
  return [...rows];
}

/** Stores a tenant's next key; false when another process has just done so. */
export async function insertTenantKey(
  sql: Sql | TransactionSql,
  tenant: string,
  version: number,
  masterKey: string,
  wrapped: Uint8Array,
): Promise<boolean> {
  const { count } = await sql`
    insert into vault_tenant_keys (tenant_id, key_version, master_key, wrapped_key)
    values (${tenant}::uuid, ${version}, ${masterKey}, ${Buffer.from(wrapped)}) on conflict do nothing`;
  return count === 1;
}

/** The highest version that a tenant's keys ever had; 0: none. */
export async function lastKeyVersion(sql: Sql | TransactionSql, tenant: string): Promise<number> {
  const [row] = await sql<{ version: number }[]>`
    select coalesce(max(key_version), 0) as version from vault_tenant_keys where tenant_id = ${tenant}::uuid`;
  return row!.version;
}

/** Stores a data key, unless the tenant's key was retired meanwhile. The row lock orders it with retiring and destroying. */
export async function insertDataKey(
  sql: Sql,
  { tenant, id, version, wrapped }: Omit<DataKeyRow, 'destroyed'>,
): Promise<boolean> {
  const { count } = await sql`
    insert into vault_data_keys (tenant_id, data_key_id, key_version, wrapped_key)
    select tenant_id, ${id}::uuid, key_version, ${Buffer.from(wrapped)}::bytea from vault_tenant_keys
    where tenant_id = ${tenant}::uuid and key_version = ${version} and retired_at is null for share`;
  return count === 1;
}

/** The data keys that exist among those named. By the primary key. */
export async function readDataKeys(
  sql: Sql,
  names: readonly { readonly tenant: string; readonly id: string }[],
): Promise<DataKeyRow[]> {
  if (names.length === 0) return [];
  const rows = await sql<DataKeyRow[]>`
    select replace(d.tenant_id::text, '-', '') as tenant, replace(d.data_key_id::text, '-', '') as id,
      d.key_version as version, d.wrapped_key as wrapped, t.destroyed_at is not null as destroyed
    from unnest(${literal(names.map(({ tenant }) => tenant))}::text::uuid[],
      ${literal(names.map(({ id }) => id))}::text::uuid[]) as n(tenant_id, data_key_id)
    join vault_data_keys d using (tenant_id, data_key_id)
    join vault_tenant_keys t using (tenant_id, key_version)`;
  return [...rows];
}

/** Which version of the tenant's key wraps each of its data keys. */
export async function readDataKeyVersions(sql: Sql, tenant: string): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; version: number }[]>`
    select replace(data_key_id::text, '-', '') as id, key_version as version
    from vault_data_keys where tenant_id = ${tenant}::uuid`;
  return new Map(rows.map(({ id, version }) => [id, version]));
}
