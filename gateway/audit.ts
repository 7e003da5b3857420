/** What the gateway tells the audit log about who is acting. */
import type { Logger } from 'pino';
import type { AuditAction, AuditActorType, AuditRecord } from '../engine/audit/index.js';
import { createAuditLog } from '../engine/audit/index.js';
import type { Config } from '../engine/config/index.js';
import { ServiceError } from '../engine/errors/index.js';
import { readAuditHead } from '../engine/store/audit-log.js';
import type { Sql } from '../engine/store/connection.js';
import type { AuthContext } from './auth/context.js';
import type { Exchange } from './http/exchange.js';

/** Who is acting, and from where. */
export interface Caller {
  readonly auth: AuthContext;
  readonly requestId: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
}

/** An act, before it is known whether it succeeds. */
export type Act = Pick<AuditRecord, 'tenantId' | 'resourceType' | 'resourceId' | 'details'> & {
  readonly action: AuditAction;
};

export interface Auditor {
  /**
   * Does something that is to be recorded. `work` passes the record on to where the act's transaction is; it is undefined while
   * the log is switched off. What an administrator is refused is recorded too.
   */
  act<Result>(
    caller: Caller,
    act: Act,
    work: (audit: AuditRecord | undefined) => Promise<Result>,
  ): Promise<Result>;
  /** Records of the database as last seen; looking again happens in the background. */
  recordCount(): number;
}

/** Hex digits of a key's hash that name it; what callers without agent are called in `rateCaller`. */
const KEY_NAME = /^[0-9a-f]{64}$/;

export function createAuditor(deps: {
  readonly config: Pick<Config, 'audit'>;
  readonly sql: Sql;
  readonly log: Logger;
}): Auditor {
  const { config, sql, log } = deps;
  const audit = createAuditLog({ sql });
  let seen = 0;
  let looking = false;

  const look = () => {
    if (looking) return;
    looking = true;
    readAuditHead(sql)
      .then((head) => {
        seen = Math.max(seen, Number(head?.sequence ?? 0n));
      })
      .catch(() => {}) // the figure stays as it was
      .finally(() => {
        looking = false;
      });
  };

  return {
    async act(caller, act, work) {
      if (!config.audit.enabled) return work(undefined);
      const record: AuditRecord = { ...act, ...actorOf(caller) };
      try {
        return await work(record);
      } catch (error) {
        if (caller.auth.canAdmin && error instanceof ServiceError)
          await audit
            .note({ ...record, errorMessage: `${error.code}: ${error.message}` })
            .catch((err) => log.warn({ err }, 'a refused act could not be recorded in the audit log'));
        throw error;
      } finally {
        look();
      }
    },
    recordCount() {
      if (config.audit.enabled) look();
      return seen;
    },
  };
}

/** The caller of an HTTP request. Call it before the first `await`. */
export const callerOf = (exchange: Exchange): Caller => ({
  auth: exchange.auth,
  requestId: exchange.head.requestId,
  ipAddress: exchange.remoteAddress(),
  userAgent: exchange.head.userAgent,
});

function actorOf({ auth, requestId, ipAddress, userAgent }: Caller) {
  const [actorType, actor] = nameOf(auth);
  return { actor, actorType, requestId, ipAddress: ipAddress || null, userAgent: userAgent || null };
}

function nameOf(auth: AuthContext): [AuditActorType, string] {
  if (auth.agent !== null) return ['agent', auth.agent];
  if (KEY_NAME.test(auth.rateCaller)) return ['api_key', auth.rateCaller.slice(0, 16)];
  if (auth.bootstrap) return ['bootstrap', 'bootstrap'];
  return ['user', auth.rateCaller || auth.tenant];
}
