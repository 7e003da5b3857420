/**
 * The group transaction on Postgres. One connection of its own, never shared with other queries: a COPY that goes wrong
 * must not block anybody (see copy-in.ts).
 *
 *   flush 1   begin · fence · lock the streams' counters · look up ids, commands, versions
 *   flush 2   COPY … FROM STDIN                     (one per table that gets rows)
 *   flush 3   counters and frontiers · group receipts · entity versions · COMMIT
 *             and behind it, in a transaction of its own, the announcement to other processes: a NOTIFY inside would make
 *             the server commit one group after the other, whatever their partitions
 */
import { createNodeHasher, type Frontier, frontierRoot, type Sha256Into } from '../log/index.js';
import {
  createContentDigest,
  type GroupNeeds,
  type GroupStore,
  type GroupWrite,
  type Opened,
} from '../sequencer/index.js';
import { type CommitterConnection, openCommitterConnection } from './committer-connection.js';
import type { DatabaseTarget, Sql } from './connection.js';
import { startCopy } from './copy-in.js';
import { COPY_LEGACY_EVENTS, COPY_VES_EVENTS } from './copy-row.js';
import { lookUp } from './group-look-ups.js';
import { advanceStreams, tuples } from './group-writes.js';
import { acquireLease, type Lease, type PartitionRef, releaseLease, renewLease } from './partition-lease.js';
import { storeFailure, withDeadline } from './store-failure.js';
import { formatHeadNews, STREAM_HEADS_CHANNEL } from './stream-heads.js';
import { createCounters, lockStreams } from './stream-locks.js';

export interface GroupStoreOptions {
  readonly target: DatabaseTarget;
  readonly partition: PartitionRef;
  /** Of the connection, without the partition; unset: `stateset-sequencer`. */
  readonly applicationName?: string;
  /** Longest wait for any step of a transaction, in milliseconds. */
  readonly commitTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly sequencerId: string;
  readonly sha256: Sha256Into;
}

/** A {@link GroupStore} that also keeps the partition's lease alive. */
export interface PostgresGroupStore extends GroupStore {
  /** Extends the lease if the partition is idle. */
  keepAlive(): Promise<void>;
  /** Gives the lease back and closes the connection. */
  close(): Promise<void>;
}

/** The one connection, and its lease. */
interface Session {
  readonly connection: CommitterConnection;
  readonly sql: Sql;
  lease: Lease | undefined;
}

export function createGroupStore(options: GroupStoreOptions): PostgresGroupStore {
  const { partition, commitTimeoutMs, sha256, applicationName = 'stateset-sequencer' } = options;
  const hashNode = createNodeHasher(sha256, Buffer.allocUnsafeSlow(65));
  const contentDigest = createContentDigest(sha256);
  const rootOf = (frontier: Frontier) => frontierRoot(frontier, hashNode, sha256);
  /** The connection in use, whether its session has begun or not. */
  let connection: CommitterConnection | undefined;
  let session: Session | undefined;
  /** Between `open` and the end of `write` or `release`. */
  let busy = false;
  /** Raised by `reset`: a connection that comes up for an attempt already given up is closed at once. */
  let generation = 0;

  async function connected(): Promise<Session> {
    if (session) return session;
    void connection?.end(0);
    const own = openCommitterConnection(options.target, {
      applicationName: `${applicationName} partition ${partition.partition}`,
      lockTimeoutMs: options.lockTimeoutMs,
      statementTimeoutMs: commitTimeoutMs,
      lifetimeMaxSecs: 0,
      onClose: () => {
        if (session?.connection === own) session = undefined;
      },
    });
    connection = own;
    return own.orLost(startSession(own));
  }

  async function startSession(own: CommitterConnection): Promise<Session> {
    const mine = generation;
    const sql = await own.start();
    const lease = await acquireLease(sql, partition);
    // An empty table must not teach the planner to scan: these statements always have an index to use.
    await sql.unsafe('set enable_seqscan = off; set jit = off; set plan_cache_mode = force_generic_plan');
    // Of two attempts only the latest may leave a session: a write must go where its `open` went.
    if (mine !== generation) throw new Error('this connection came up too late');
    session = { connection: own, sql, lease };
    return session;
  }

  async function reset(): Promise<void> {
    const old = connection;
    generation++;
    connection = undefined;
    session = undefined;
    busy = false;
    // The server learns of it by the closed socket; a new session waits on the row locks until the old one is gone.
    void old?.end(0);
  }

  async function open(needs: GroupNeeds): Promise<Opened> {
    try {
      const result = await withDeadline(
        (async () => {
          const current = await connected();
          return current.connection.orLost(begin(current, needs));
        })(),
        commitTimeoutMs,
        'opening a group',
      );
      busy = !result.fenced;
      return result;
    } catch (error) {
      await reset();
      throw storeFailure(error, false);
    }
  }

  async function begin(current: Session, needs: GroupNeeds): Promise<Opened> {
    const { sql } = current;
    current.lease ??= await acquireLease(sql, partition);
    const { lease } = current;
    const streams = [...needs.streams.values()];
    // Issued together, answered together: the driver pipelines them on the one connection.
    const [, [fence], locked, looked] = await Promise.all([
      sql.unsafe('begin').execute(),
      // The fence, the lease's heartbeat and the group's number in one row; serialises with a take-over.
      sql<{ epoch: bigint; lapsed: boolean }[]>`update partition_leases
        set last_group = last_group + 1,
            lease_until = case when owner_id = ${partition.ownerId} then now() + ${partition.leaseMs} * interval '1 millisecond' else lease_until end
        where partition_count = ${partition.partitions} and partition = ${partition.partition}
        returning epoch, lease_until < now() as lapsed`.execute(),
      lockStreams(sql, streams),
      lookUp(sql, needs, contentDigest),
    ]);
    if (!fence || fence.epoch !== lease.epoch || (fence.lapsed && !lease.owned)) {
      await sql.unsafe('rollback');
      current.lease = undefined;
      return { fenced: true };
    }
    if (locked.size === streams.length) return { fenced: false, snapshot: { streams: locked, ...looked } };
    // First events of a stream: its counter is made outside of the transaction, because a row added to the locks already
    // held would be taken out of order (deadlocks between processes). Then the group begins anew.
    await sql.unsafe('rollback');
    await createCounters(
      sql,
      streams.filter((stream) => !locked.has(stream.key)),
    );
    return begin(current, needs);
  }

  async function write(group: GroupWrite): Promise<void> {
    const current = session;
    if (!current || !busy) throw storeFailure(new Error('no open transaction'), false);
    let commitSent = false;
    try {
      const work = async () => {
        const [ves, legacy] = group.rows;
        if (ves.length > 0) await startCopy(current.sql.unsafe(COPY_VES_EVENTS)).send(tuples(ves));
        if (legacy.length > 0) await startCopy(current.sql.unsafe(COPY_LEGACY_EVENTS)).send(tuples(legacy));
        const updates = advanceStreams(current.sql, group, options.sequencerId, rootOf);
        commitSent = true;
        const commit = current.sql.unsafe('commit').execute();
        announce(current.sql, group);
        const [, { command }] = await Promise.all([Promise.all(updates), commit]);
        // COMMIT of a failed transaction answers ROLLBACK.
        if (command !== 'COMMIT') throw new Error(`commit answered ${command}`);
      };
      await withDeadline(current.connection.orLost(work()), commitTimeoutMs, 'committing a group');
      busy = false;
    } catch (error) {
      const failure = storeFailure(error, commitSent);
      if (failure.outcome !== 'refused') await reset();
      else await release().catch(reset);
      throw failure;
    }
  }

  /** A lost announcement is made up for by whoever looks at the counters; a false one is only a reason to look. */
  function announce(sql: Sql, { streams }: GroupWrite): void {
    for (const payload of formatHeadNews(partition.ownerId, streams))
      sql`select pg_notify(${STREAM_HEADS_CHANNEL}, ${payload})`.execute().catch(() => {});
  }

  async function release(): Promise<void> {
    busy = false;
    if (!session) return;
    const { sql, connection: own } = session;
    await withDeadline(
      own.orLost(sql.unsafe('rollback').execute() as Promise<unknown>),
      commitTimeoutMs,
      'rolling back',
    );
  }

  return {
    open,
    write,
    release,
    reset,
    async keepAlive() {
      const current = session;
      if (!current?.lease?.owned || busy) return;
      await renewLease(current.sql, partition, current.lease);
    },
    async close() {
      const current = session;
      if (!current) return reset();
      connection = undefined;
      session = undefined;
      const { sql, lease, connection: own } = current;
      if (lease?.owned) await own.orLost(releaseLease(sql, partition, lease)).catch(() => {});
      await own.end(1);
    },
  };
}
