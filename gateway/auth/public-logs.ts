import { ServiceError } from '../../engine/errors/index.js';
import type { LogId } from '../../engine/transparency/index.js';
import { ANONYMOUS_CONTEXT, type AuthContext } from './context.js';
import { requirePermission, requireStream } from './scopes.js';

/** Which logs anybody may read. */
export interface PublicLogs {
  has(log: LogId): boolean;
}

/** @param names `*` for all, `notary`, `<tenant>` or `<tenant>/<store>`, in lower case */
export function createPublicLogs(names: readonly string[]): PublicLogs {
  const open = new Set(names);
  const all = open.has('*');
  return {
    has(log) {
      if (all) return true;
      if (log.kind === 'notary') return open.has('notary');
      return open.has(log.tenantId) || open.has(`${log.tenantId}/${log.storeId}`);
    },
  };
}

/**
 * A public log is anybody's. The notary's names nobody, so any credentials will do; a stream's takes those that may read the
 * stream.
 *
 * @throws ServiceError AUTH_REQUIRED, INSUFFICIENT_PERMISSIONS
 */
export function requireLog(auth: AuthContext, log: LogId, isPublic: boolean): void {
  if (isPublic) return;
  if (auth === ANONYMOUS_CONTEXT) throw new ServiceError('AUTH_REQUIRED');
  if (log.kind === 'notary') return;
  requirePermission(auth, 'read');
  requireStream(auth, log.tenantId, log.storeId);
}
