import { ServiceError } from '../../engine/errors/index.js';
import { NIL_UUID } from '../../engine/protocol/index.js';
import type { AuthContext } from './context.js';

/** What a credential may be allowed to do. */
export type Permission = 'read' | 'write' | 'admin';

const REFUSALS: Record<Permission, string> = {
  read: 'Read permission required',
  write: 'Write permission required',
  admin: 'Admin permission required',
};

const refuse = (message: string): never => {
  throw new ServiceError('INSUFFICIENT_PERMISSIONS', message);
};

const hasPermission = (auth: AuthContext, permission: Permission): boolean =>
  permission === 'read' ? auth.canRead : permission === 'write' ? auth.canWrite : auth.canAdmin;

/** @throws ServiceError INSUFFICIENT_PERMISSIONS */
export function requirePermission(auth: AuthContext, permission: Permission): void {
  if (hasPermission(auth, permission)) return;
  if (permission === 'admin' && auth.adminDenied) throw new ServiceError('ADMIN_IP_DENIED');
  refuse(REFUSALS[permission]);
}

/** The credential belongs to this tenant. @throws ServiceError INSUFFICIENT_PERMISSIONS */
export function requireTenant(auth: AuthContext, tenant: string): void {
  if (!auth.bootstrap && auth.tenant !== tenant) refuse('Tenant access denied'); // L10
}

/** Whether the credential reaches a store of its tenant. */
export const reachesStore = (auth: AuthContext, store: string): boolean =>
  auth.bootstrap || store === NIL_UUID || auth.stores.length === 0 || auth.stores.includes(store);

/** The credential reaches this store of its tenant. @throws ServiceError INSUFFICIENT_PERMISSIONS */
export function requireStore(auth: AuthContext, store: string): void {
  if (!reachesStore(auth, store)) refuse('Store access denied');
}

/** Tenant, then store: for handlers of routes whose permission the route table has checked already. */
export function requireStream(auth: AuthContext, tenant: string, store: string): void {
  requireTenant(auth, tenant);
  requireStore(auth, store);
}

/** The credential is bound to this agent of this tenant, or administers the tenant. */
export function requireAgentOrAdmin(auth: AuthContext, tenant: string, agent: string): void {
  requireTenant(auth, tenant);
  if (auth.canAdmin || auth.agent === agent) return;
  if (auth.adminDenied) throw new ServiceError('ADMIN_IP_DENIED');
  refuse('Only the agent itself or an administrator may do this');
}

/**
 * The tenant a request is about: the one it names, else the credential's own.
 *
 * @throws ServiceError MISSING_REQUIRED_FIELD for the bootstrap administrator, who has none; INSUFFICIENT_PERMISSIONS
 */
export function resolveTenant(auth: AuthContext, named: string | undefined, field: string): string {
  if (named === undefined) {
    if (auth.bootstrap)
      throw new ServiceError(
        'MISSING_REQUIRED_FIELD',
        `${field} is required for credentials without a tenant: a UUID`,
      );
    return auth.tenant;
  }
  requireTenant(auth, named);
  return named;
}
