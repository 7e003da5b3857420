import { NIL_UUID } from '../../engine/protocol/index.js';
import type { IngestScope } from '../../workers/messages.js';

/** Who is calling and what they may do. Ids are lower-case hyphenated UUIDs. */
export interface AuthContext {
  /** The nil UUID for the bootstrap administrator, who belongs to no tenant. */
  readonly tenant: string;
  /** Empty = all stores of the tenant. */
  readonly stores: readonly string[];
  readonly agent: string | null;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canAdmin: boolean;
  /** Requests per minute; `null`: no limit of its own. */
  readonly rateLimit: number | null;
  /**
   * Whose requests count against the limit: the agent's, where the key belongs to one, otherwise the key's. An agent can make
   * keys for itself; together they get no more than each of them alone.
   */
  readonly rateCaller: string;
  /** Milliseconds since the epoch from which the credentials count no more; `null`: until they are revoked. */
  readonly expiresAtMs: number | null;
  /** They administer, but not from where they were sent: see {@link withoutAdmin}. */
  readonly adminDenied: boolean;
  /** Administrator without a tenant: tenant and store are not compared. */
  readonly bootstrap: boolean;
  /** The same for the ingest pipeline, made once per credential. */
  readonly ingestScope: IngestScope;
}

const hex = (uuid: string): string => uuid.replaceAll('-', '');

/** What a credential says of itself. */
export type ContextFields = Omit<AuthContext, 'bootstrap' | 'ingestScope' | 'adminDenied' | 'expiresAtMs'> &
  Partial<Pick<AuthContext, 'adminDenied' | 'expiresAtMs'>>;

/** Completes a context with what follows from it. */
export function authContext(fields: ContextFields): AuthContext {
  const bootstrap = fields.canAdmin && fields.tenant === NIL_UUID;
  return {
    expiresAtMs: null,
    adminDenied: false,
    ...fields,
    bootstrap,
    ingestScope: {
      tenant: bootstrap ? null : hex(fields.tenant),
      stores: bootstrap ? [] : fields.stores.map(hex),
      agent: fields.agent === null ? null : hex(fields.agent),
    },
  };
}

const restricted = new WeakMap<AuthContext, AuthContext>();

/** The same credentials without the permission to administer; one object per context, so that contexts can be compared. */
export function withoutAdmin(auth: AuthContext): AuthContext {
  let without = restricted.get(auth);
  if (without === undefined) {
    without = authContext({ ...auth, canAdmin: false, adminDenied: true });
    restricted.set(auth, without);
  }
  return without;
}

/** The operator's own credentials, and everybody's while authentication is switched off. */
export const BOOTSTRAP_CONTEXT: AuthContext = authContext({
  tenant: NIL_UUID,
  stores: [],
  agent: null,
  canRead: true,
  canWrite: true,
  canAdmin: true,
  rateLimit: null,
  rateCaller: '',
});

/** Nobody: what handlers of public routes see. */
export const ANONYMOUS_CONTEXT: AuthContext = authContext({
  tenant: NIL_UUID,
  stores: [],
  agent: null,
  canRead: false,
  canWrite: false,
  canAdmin: false,
  rateLimit: null,
  rateCaller: '',
});
