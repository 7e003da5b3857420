/** Which credentials a method takes. One table per service, total over its methods; tenants and stores are checked by the methods. */
import type { health, reflection, reflectionAlpha, v1, v2 } from '../../engine/wire-proto/index.js';
import type { AuthContext } from '../auth/context.js';
import { type Permission, requirePermission } from '../auth/scopes.js';

/** `public`: nobody need say who they are. `message`: every message of the stream has its own. */
export type Access = 'public' | 'authenticated' | 'message' | 'read' | 'write' | 'admin';

type AccessOf<Service extends { method: object }> = Record<keyof Service['method'], Access>;

export const V1_ACCESS: AccessOf<typeof v1.Sequencer> = {
  push: 'write',
  pull: 'read',
  getHead: 'read',
  getInclusionProof: 'read',
  getCommitment: 'read',
  getEntityHistory: 'read',
};

export const V2_ACCESS: AccessOf<typeof v2.Sequencer> = {
  push: 'write',
  pullEvents: 'read',
  getSyncState: 'read',
  getInclusionProof: 'read',
  getCommitment: 'read',
  getEntityHistory: 'read',
  getHealth: 'authenticated',
  streamEvents: 'read',
  syncStream: 'message',
  subscribeEntity: 'read',
};

export const KEY_ACCESS: AccessOf<typeof v2.KeyManagement> = {
  registerAgentKey: 'admin',
  getAgentKeys: 'admin',
  revokeAgentKey: 'admin',
};

/** Load balancers have no credentials, and tools ask what there is before they know any. */
export const HEALTH_ACCESS: AccessOf<typeof health.Health> = { check: 'public', watch: 'public' };
export const REFLECTION_ACCESS: AccessOf<typeof reflection.ServerReflection> &
  AccessOf<typeof reflectionAlpha.ServerReflection> = { serverReflectionInfo: 'public' };

/** What the messages of a SyncStream need, each when it comes; heartbeats need nothing. */
export const SYNC_ACCESS = { push: 'write', pull: 'read', ack: 'read' } as const satisfies Record<
  string,
  Permission
>;

/**
 * Whether calls need the pool for reads and administration. Pushes have connections of their own; the messages of a SyncStream
 * are judged one by one; health is asked for most when there is little of it.
 */
export const NEEDS_DATABASE: Record<Access, boolean> = {
  public: false,
  authenticated: false,
  message: false,
  read: true,
  write: false,
  admin: true,
};

/** @throws ServiceError INSUFFICIENT_PERMISSIONS */
export function requireAccess(auth: AuthContext, access: Access): void {
  if (access === 'read' || access === 'write' || access === 'admin') requirePermission(auth, access);
}
