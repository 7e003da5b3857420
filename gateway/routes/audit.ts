import { type AuditEntry, auditJson, auditLine, createAuditLog } from '../../engine/audit/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { auditQueryOf } from '../input/audit-input.js';

/** The audit log, a page at a time. */
export const auditRoutes = ({ sql }: { sql: Sql }): Route[] => {
  const audit = createAuditLog({ sql });
  return [
    {
      method: 'GET',
      path: '/api/v1/admin/audit',
      scope: 'admin',
      handler: answering(async (exchange: Exchange): Promise<Reply> => {
        const { filter, page, format, showChain } = auditQueryOf(exchange);
        const found = await audit.list(filter, { ...page, limit: page.limit + 1 });
        const shown = found.slice(0, page.limit);
        const hasMore = found.length > shown.length;
        const nextCursor = hasMore ? shown.at(-1)!.id : null;
        const render = showChain ? auditLine : withoutPlace;
        if (format === 'json')
          return json({
            records: shown.map(render),
            count: shown.length,
            next_cursor: nextCursor,
            has_more: hasMore,
          });
        return {
          status: 200,
          contentType: 'application/x-ndjson',
          body: shown.map((entry) => `${JSON.stringify(render(entry))}\n`).join(''),
          headers: nextCursor === null ? [] : [['x-next-cursor', nextCursor]],
        };
      }),
    },
  ];
};

/** Numbers and hashes of the chain would tell a tenant how much goes on in others (L10). */
function withoutPlace(entry: AuditEntry): object {
  const { sequence: _, ...shown } = auditJson(entry);
  return shown;
}
