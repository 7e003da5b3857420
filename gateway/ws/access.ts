import type { Permission } from '../auth/scopes.js';

/**
 * What each frame of a client needs. Streams and agents are compared where they are named. `subscription`: what the subscription of the
 * same connection needs that the frame names; of others' it cannot speak.
 */
export const WS_ACCESS = {
  hello: 'authenticated',
  push: 'write',
  subscribe: 'read',
  subscribeTenant: 'read',
  ack: 'subscription',
  unsubscribe: 'subscription',
  ping: 'authenticated',
} as const satisfies Record<string, Permission | 'authenticated' | 'subscription'>;
