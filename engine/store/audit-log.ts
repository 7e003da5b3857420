/** Rows of audit_log: a chain that grows at its end only, under the lock of audit_log_head. */
import { randomUUID } from 'node:crypto';
import { canonicalize } from '../protocol/index.js';
import { type AuditContent, type AuditEntry, type AuditRecord, auditHash } from './audit-entry.js';
import { microsOf, ownBytes, type Statements, timestampOf } from './commitment-rows.js';

const TEXT_UNITS_MAX = 1024;
const DETAILS_UNITS_MAX = 16_384;

/**
 * Appends a record to the chain, in the caller's transaction: the act and its record become true together. Call it last, because
 * the end of the chain stays locked until the transaction ends. One row lock, one insert.
 */
export async function appendAudit(tx: Statements, record: AuditRecord): Promise<AuditEntry> {
  const [head] = await tx<{ sequence: bigint; hash: Uint8Array; micros: bigint }[]>`
    select sequence, hash,
      (extract(epoch from greatest(clock_timestamp(), "timestamp")) * 1000000)::bigint as micros
    from audit_log_head for update`;
  if (head === undefined) throw new Error('audit_log_head has lost its row');
  const errorMessage = clean(record.errorMessage);
  const content: AuditContent = {
    sequence: head.sequence + 1n,
    id: randomUUID(),
    micros: head.micros,
    action: clean(record.action)!,
    actor: clean(record.actor)!,
    actorType: record.actorType,
    tenantId: record.tenantId,
    resourceType: clean(record.resourceType)!,
    resourceId: clean(record.resourceId),
    requestId: clean(record.requestId),
    ipAddress: clean(record.ipAddress),
    userAgent: clean(record.userAgent),
    details: detailsText(record.details ?? {}),
    success: errorMessage === null,
    errorMessage,
  };
  const prevHash = ownBytes(head.hash);
  const hash = auditHash(content, prevHash);
  const stamp = timestampOf(tx, content.micros);
  await tx`
    insert into audit_log (sequence, id, "timestamp", action, actor, actor_type, tenant_id, resource_type, resource_id, request_id,
      ip_address, user_agent, details, success, error_message, prev_hash, hash)
    values (${content.sequence}, ${content.id}, ${stamp}, ${content.action}, ${content.actor}, ${content.actorType},
      ${content.tenantId}, ${content.resourceType}, ${content.resourceId}, ${content.requestId}, ${content.ipAddress},
      ${content.userAgent}, ${content.details}, ${content.success}, ${content.errorMessage}, ${prevHash}, ${hash})`;
  await tx`update audit_log_head set sequence = ${content.sequence}, hash = ${hash}, "timestamp" = ${stamp}`;
  return { ...content, prevHash, hash };
}

/** Text that a column and canonical JSON can hold: no U+0000, no lone surrogates, bounded. */
function clean(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  return replaceUnstorable(text.slice(0, TEXT_UNITS_MAX));
}

const replaceUnstorable = (text: string): string => text.replace(/\0|\p{Surrogate}/gu, '\ufffd');

function detailsText(details: Readonly<Record<string, unknown>>): string {
  const stored = JSON.stringify(details, (_, value) =>
    typeof value === 'bigint' ? Number(value) : typeof value === 'string' ? replaceUnstorable(value) : value,
  );
  return stored.length > DETAILS_UNITS_MAX ? '{"truncated":true}' : canonicalize(JSON.parse(stored));
}

/** The end of the chain. */
export interface AuditHead {
  /** Number of records. */
  readonly sequence: bigint;
  readonly hash: Uint8Array;
  /** When the last record was made, microseconds since 1970. */
  readonly micros: bigint;
}

export async function readAuditHead(sql: Statements): Promise<AuditHead | undefined> {
  const [row] = await sql<AuditHead[]>`
    select sequence, hash, ${microsOf(sql, 'timestamp')} as micros from audit_log_head`;
  return row && { ...row, hash: ownBytes(row.hash) };
}

/** Which records are asked for. Unset members do not restrict. */
export interface AuditFilter {
  readonly tenantId?: string | undefined;
  readonly action?: string | undefined;
  readonly actor?: string | undefined;
  readonly resourceType?: string | undefined;
  readonly resourceId?: string | undefined;
  readonly success?: boolean | undefined;
  /** RFC 3339, inclusive; `to` exclusive. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface AuditPage {
  /** Newest first, or in the order of the chain. */
  readonly order: 'desc' | 'asc';
  /** Only records behind this one in that order. */
  readonly after?: bigint | undefined;
  readonly limit: number;
}

/** Records that pass the filter, in the order of the chain or backwards. By the index of the filter that is set. */
export async function listAudit(
  sql: Statements,
  filter: AuditFilter,
  page: AuditPage,
): Promise<AuditEntry[]> {
  const { tenantId, action, actor, resourceType, resourceId, success, from, to } = filter;
  const { order, after, limit } = page;
  const all = sql`true`;
  const rows = await sql<AuditEntry[]>`
    select ${columns(sql)} from audit_log
    where ${tenantId === undefined ? all : sql`tenant_id = ${tenantId}`}
      and ${action === undefined ? all : sql`action = ${action}`}
      and ${actor === undefined ? all : sql`actor = ${actor}`}
      and ${resourceType === undefined ? all : sql`resource_type = ${resourceType}`}
      and ${resourceId === undefined ? all : sql`resource_id = ${resourceId}`}
      and ${success === undefined ? all : sql`success = ${success}`}
      and ${from === undefined ? all : sql`"timestamp" >= ${from}`}
      and ${to === undefined ? all : sql`"timestamp" < ${to}`}
      and ${after === undefined ? all : order === 'asc' ? sql`sequence > ${after}` : sql`sequence < ${after}`}
    order by sequence ${order === 'asc' ? sql`asc` : sql`desc`} limit ${limit}`;
  return rows.map((row) => ({ ...row, prevHash: ownBytes(row.prevHash), hash: ownBytes(row.hash) }));
}

/** The place in the chain of the record with this id, if the tenant may know of it. By the unique index. */
export async function findAuditSequence(
  sql: Statements,
  id: string,
  tenantId: string | undefined,
): Promise<bigint | undefined> {
  const [row] = await sql<{ sequence: bigint }[]>`
    select sequence from audit_log where id = ${id} ${tenantId === undefined ? sql`` : sql`and tenant_id = ${tenantId}`}`;
  return row?.sequence;
}

const columns = (sql: Statements) => sql`
  sequence, id, ${microsOf(sql, 'timestamp')} as micros, action, actor, actor_type as "actorType", tenant_id as "tenantId",
  resource_type as "resourceType", resource_id as "resourceId", request_id as "requestId", ip_address as "ipAddress",
  user_agent as "userAgent", details, success, error_message as "errorMessage", prev_hash as "prevHash", hash`;
