import { connectDatabase, type DatabaseTarget } from './connection.js';

/** One of several processes on one database leads; which one may change at any time. */
export interface Leadership {
  /** Whether this process leads, asked of the database; takes the lead when nobody has it. Rejects when the database is not reached. */
  holds(): Promise<boolean>;
  /** What {@link holds} answered last. */
  readonly leads: boolean;
  /** Gives the lead up and closes the connection. */
  release(): Promise<void>;
}

/**
 * Leadership by a session advisory lock, on a connection of its own (not through a pooler that shares sessions). It saves double
 * work and decides nothing: a process that believes to lead after its connection died can be wrong, so what leaders do must be
 * correct when two of them do it.
 *
 * @param key the lock; the same for all processes that compete
 */
export function createLeadership(target: DatabaseTarget, key: bigint, applicationName: string): Leadership {
  // One connection for good: the lock lives and dies with it.
  const sql = connectDatabase(target, { max: 1, applicationName, lifetimeMaxSecs: 0 });
  let session: number | undefined;
  return {
    async holds() {
      const [row] = await sql<{ pid: number; locked: boolean }[]>`
        select pg_backend_pid() as pid,
          case when pg_backend_pid() = ${session ?? 0}::int then true else pg_try_advisory_lock(${key}::int8) end as locked`;
      session = row?.locked ? row.pid : undefined;
      return session !== undefined;
    },
    get leads() {
      return session !== undefined;
    },
    async release() {
      session = undefined;
      await sql.end({ timeout: 1 });
    },
  };
}
