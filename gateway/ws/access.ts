import type { Permission } from '../auth/scopes.js';

/** What each command of a connection that has said hello needs. Streams and agents are compared where they are named. */
export const WS_ACCESS = {
  push: 'write',
  subscribe: 'read',
  subscribeTenant: 'read',
} as const satisfies Record<string, Permission>;
