import { z } from 'zod';
import type { AuditFilter } from '../../engine/audit/index.js';
import { requireTenant } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { instant, uuid, wholeNumber } from './fields.js';
import { parseQuery } from './parse.js';

/** Most records of one page, and in one without `limit`. */
const PAGE_MAX = 1000;
const PAGE_DEFAULT = 100;
const TEXT_UNITS_MAX = 1024;

const text = () => {
  const accepts = `1 to ${TEXT_UNITS_MAX} characters without U+0000`;
  return z
    .string({ error: accepts })
    .refine((value) => value !== '' && value.length <= TEXT_UNITS_MAX && !value.includes('\0'), {
      error: accepts,
    });
};
const choice = <const Values extends readonly [string, ...string[]]>(...values: Values) =>
  z.enum(values, { error: values.join(' or ') });

/** Query of a page of the audit log. */
export const AuditQuerySchema = z.object({
  tenant_id: uuid().optional(),
  action: text().optional(),
  actor: text().optional(),
  resource_type: text().optional(),
  resource_id: text().optional(),
  success: choice('true', 'false').optional(),
  from: instant().optional(),
  to: instant().optional(),
  order: choice('desc', 'asc').optional(),
  format: choice('json', 'ndjson').optional(),
  limit: wholeNumber(PAGE_MAX, 1).transform(Number).optional(),
  cursor: uuid().optional(),
});

export interface AuditQuery {
  readonly filter: AuditFilter;
  readonly page: {
    readonly limit: number;
    readonly cursor?: string | undefined;
    readonly order: 'desc' | 'asc';
  };
  readonly format: 'json' | 'ndjson';
  /** Whether places in the chain may be shown: they count the acts of all tenants. */
  readonly showChain: boolean;
}

/** A query of the audit log. Administrators of a tenant see their tenant's records, the bootstrap administrator all of them. */
export function auditQueryOf(exchange: Exchange): AuditQuery {
  const { auth } = exchange;
  const query = parseQuery(AuditQuerySchema, exchange);
  if (query.tenant_id !== undefined) requireTenant(auth, query.tenant_id);
  return {
    filter: {
      tenantId: query.tenant_id ?? (auth.bootstrap ? undefined : auth.tenant), // L10
      action: query.action,
      actor: query.actor,
      resourceType: query.resource_type,
      resourceId: query.resource_id,
      success: query.success === undefined ? undefined : query.success === 'true',
      from: query.from,
      to: query.to,
    },
    page: { limit: query.limit ?? PAGE_DEFAULT, cursor: query.cursor, order: query.order ?? 'desc' },
    format: query.format ?? 'json',
    showChain: auth.bootstrap,
  };
}
