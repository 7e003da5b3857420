/**
 * The group transaction on Postgres. One connection of its own, never shared with other queries: a COPY that goes wrong
 * must not block anybody (see copy-in.ts).
 *
 *   flush 1   begin · fence · lock the streams' counters · look up ids, commands, versions
 *   flush 2   COPY … FROM STDIN                     (one per table that gets rows)
 *   flush 3   counters and frontiers · group receipts · entity versions · COMMIT
 */
import {
  createNodeHasher,
  decodeFrontier,
  encodeFrontier,
  frontierRoot,
  type Sha256Into,
} from '../log/index.js';
import {
  createContentDigest,
  type EntityRef,
  type GroupNeeds,
  type GroupStore,
  type GroupWrite,
  type Opened,
  type RowRef,
  rowLength,
  rowOffset,
  type Snapshot,
  STREAM_LEGACY,
  STREAM_VES,
  type StoredEvent,
  type StreamKey,
  type StreamKind,
  type StreamRef,
  type StreamState,
  streamKey,
} from '../sequencer/index.js';
import { type CommitterConnection, openCommitterConnection } from './committer-connection.js';
import type { DatabaseTarget, Sql } from './connection.js';
import { startCopy } from './copy-in.js';
import { COPY_HEADER, COPY_LEGACY_EVENTS, COPY_TRAILER, COPY_VES_EVENTS } from './copy-row.js';
import { acquireLease, type Lease, type PartitionRef, releaseLease, renewLease } from './partition-lease.js';
import { storeFailure, withDeadline } from './store-failure.js';

export interface GroupStoreOptions {
  readonly target: DatabaseTarget;
  readonly partition: PartitionRef;
  /** Longest wait for any step of a transaction, in milliseconds. */
  readonly commitTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly sequencerId: string;
  readonly keyVersion: () => number;
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

const hexOf = (uuid: string): string => uuid.replaceAll('-', '');
const literal = (values: readonly string[]): string => `{${values.join(',')}}`;

export function createGroupStore(options: GroupStoreOptions): PostgresGroupStore {
  const { partition, commitTimeoutMs, sha256 } = options;
  const hashNode = createNodeHasher(sha256, Buffer.allocUnsafeSlow(65));
  const contentDigest = createContentDigest(sha256);
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
      applicationName: `stateset-sequencer partition ${partition.partition}`,
      lockTimeoutMs: options.lockTimeoutMs,
      statementTimeoutMs: commitTimeoutMs,
      lifetimeMaxSecs: null,
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
      lookUp(sql, needs),
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

  async function lockStreams(sql: Sql, streams: readonly StreamRef[]): Promise<Map<StreamKey, StreamState>> {
    const states = new Map<StreamKey, StreamState>();
    const [ves, legacy] = await Promise.all([
      lockKind(sql, STREAM_VES, streams),
      lockKind(sql, STREAM_LEGACY, streams),
    ]);
    for (const row of ves) {
      const head = Number(row.current_sequence);
      const frontier = decodeFrontier(head, row.frontier!);
      if (!frontier)
        throw new Error(
          `ves_sequence_counters: the frontier of ${row.tenant_id}/${row.store_id} does not fit its head`,
        );
      states.set(streamKey(STREAM_VES, hexOf(row.tenant_id), hexOf(row.store_id)), { head, frontier });
    }
    for (const row of legacy) {
      const key = streamKey(STREAM_LEGACY, hexOf(row.tenant_id), hexOf(row.store_id));
      states.set(key, { head: Number(row.current_sequence), frontier: undefined });
    }
    return states;
  }

  type CounterRow = { tenant_id: string; store_id: string; current_sequence: bigint; frontier?: Buffer };

  /** Row locks in key order (VES before legacy), so that two processes never wait for each other in a circle. */
  function lockKind(sql: Sql, kind: StreamKind, streams: readonly StreamRef[]): PromiseLike<CounterRow[]> {
    const mine = streams.filter((stream) => stream.kind === kind);
    if (mine.length === 0) return Promise.resolve([]);
    const tenants = literal(mine.map((stream) => stream.tenant));
    const stores = literal(mine.map((stream) => stream.store));
    return kind === STREAM_VES
      ? sql<CounterRow[]>`select tenant_id, store_id, current_sequence, frontier from ves_sequence_counters
          where (tenant_id, store_id) in (select * from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]))
          order by tenant_id, store_id for update`.execute()
      : sql<CounterRow[]>`select tenant_id, store_id, current_sequence from sequence_counters
          where (tenant_id, store_id) in (select * from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]))
          order by tenant_id, store_id for update`.execute();
  }

  /** One statement and transaction per kind, in the order of the locks. */
  async function createCounters(sql: Sql, streams: readonly StreamRef[]): Promise<void> {
    for (const kind of [STREAM_VES, STREAM_LEGACY] as const) {
      const mine = streams.filter((stream) => stream.kind === kind);
      if (mine.length === 0) continue;
      const tenants = literal(mine.map((stream) => stream.tenant));
      const names = literal(mine.map((stream) => stream.store));
      const missing = sql`select * from unnest(${tenants}::text::uuid[], ${names}::text::uuid[]) as s(tenant_id, store_id)
        order by tenant_id, store_id`;
      if (kind === STREAM_VES)
        await sql`insert into ves_sequence_counters (tenant_id, store_id) ${missing} on conflict do nothing`;
      else await sql`insert into sequence_counters (tenant_id, store_id) ${missing} on conflict do nothing`;
    }
  }

  async function lookUp(sql: Sql, needs: GroupNeeds): Promise<Omit<Snapshot, 'streams'>> {
    const [events, commands, versions] = await Promise.all([
      lookUpEvents(sql, needs),
      lookUpCommands(sql, needs),
      lookUpVersions(sql, [...needs.entities.values()]),
    ]);
    return { events, commands, versions };
  }

  type StoredRow = {
    event_id: string;
    tenant_id: string;
    store_id: string;
    sequence_number: bigint;
    micros: bigint;
    command_id: string | null;
    base_version: bigint | null;
    proof: Buffer;
    envelope_hash: Buffer | null;
    sequencer_id: string | null;
    sequencer_key_version: number | null;
  };

  async function lookUpEvents(sql: Sql, needs: GroupNeeds): Promise<Map<string, StoredEvent[]>> {
    const [ves, legacy] = needs.eventIds;
    // Index ves_events_event_id / events_event_id. The receipt row is the first whose range ends at or after the event.
    const [vesRows, legacyRows] = await Promise.all([
      ves.length === 0
        ? []
        : sql<StoredRow[]>`select e.event_id, e.tenant_id, e.store_id, e.sequence_number,
              (extract(epoch from e.sequenced_at) * 1000000)::bigint as micros, e.command_id, e.base_version,
              substr(e.hashes, 1, 96) as proof,
              case when e.payload_kind = 1 then sha256(convert_to(e.payload, 'UTF8')) end as envelope_hash,
              r.sequencer_id, r.sequencer_key_version
            from ves_events e
            left join lateral (select sequencer_id, sequencer_key_version from ves_sequencer_receipts r
              where r.tenant_id = e.tenant_id and r.store_id = e.store_id and r.last_sequence >= e.sequence_number
              order by r.last_sequence limit 1) r on true
            where e.event_id = any(${literal(ves)}::text::uuid[])`.execute(),
      legacy.length === 0
        ? []
        : sql<StoredRow[]>`select event_id, tenant_id, store_id, sequence_number,
              (extract(epoch from sequenced_at) * 1000000)::bigint as micros, command_id, base_version, payload_hash as proof,
              null as envelope_hash, null as sequencer_id, null as sequencer_key_version
            from events where event_id = any(${literal(legacy)}::text::uuid[])`.execute(),
    ]);
    const found = new Map<string, StoredEvent[]>();
    for (const row of vesRows) remember(found, STREAM_VES, row);
    for (const row of legacyRows) remember(found, STREAM_LEGACY, row);
    return found;
  }

  function remember(found: Map<string, StoredEvent[]>, kind: StreamKind, row: StoredRow): void {
    const tenant = hexOf(row.tenant_id);
    const digest = Buffer.allocUnsafe(32);
    const command = row.command_id === null ? undefined : Buffer.from(hexOf(row.command_id), 'hex');
    const base = row.base_version === null ? undefined : Number(row.base_version);
    contentDigest(
      row.proof,
      0,
      row.proof.length,
      command,
      0,
      base,
      row.envelope_hash ?? undefined,
      digest,
      0,
    );
    const key = `${kind}${hexOf(row.event_id)}`;
    const list = found.get(key) ?? [];
    list.push({
      stream: streamKey(kind, tenant, hexOf(row.store_id)),
      tenant,
      digest: digest.toString('hex'),
      sequence: Number(row.sequence_number),
      sequencedAtMicros: Number(row.micros),
      sequencer: row.sequencer_id === null ? '' : hexOf(row.sequencer_id),
      keyVersion: row.sequencer_key_version ?? 0,
    });
    found.set(key, list);
  }

  async function lookUpCommands(sql: Sql, needs: GroupNeeds): Promise<Set<string>> {
    const found = new Set<string>();
    for (const kind of [STREAM_VES, STREAM_LEGACY] as const) {
      const tenants: string[] = [];
      const stores: string[] = [];
      const commands: string[] = [];
      for (const [key, list] of needs.commands) {
        const stream = needs.streams.get(key)!;
        if (stream.kind !== kind) continue;
        for (const command of list) {
          tenants.push(stream.tenant);
          stores.push(stream.store);
          commands.push(command);
        }
      }
      if (commands.length === 0) continue;
      type CommandRow = { tenant_id: string; store_id: string; command_id: string };
      // Partial unique index on (tenant_id, store_id, command_id) where command_id is not null.
      const wanted = sql`select * from unnest(${literal(tenants)}::text::uuid[], ${literal(stores)}::text::uuid[], ${literal(commands)}::text::uuid[])`;
      const rows: CommandRow[] =
        kind === STREAM_VES
          ? await sql<CommandRow[]>`select tenant_id, store_id, command_id from ves_events
              where command_id is not null and (tenant_id, store_id, command_id) in (${wanted})`
          : await sql<CommandRow[]>`select tenant_id, store_id, command_id from events
              where command_id is not null and (tenant_id, store_id, command_id) in (${wanted})`;
      for (const row of rows)
        found.add(streamKey(kind, hexOf(row.tenant_id), hexOf(row.store_id)) + hexOf(row.command_id));
    }
    return found;
  }

  /** The current version of each entity: its checkpoint plus the events of both streams after the checkpoint's heads. */
  async function lookUpVersions(sql: Sql, entities: readonly EntityRef[]): Promise<Map<string, number>> {
    const versions = new Map<string, number>();
    if (entities.length === 0) return versions;
    const rows = await sql<{ n: bigint; version: bigint }[]>`
      select w.n, coalesce(v.version, 0)
        + (select count(*) from ves_events e where e.entity_key = w.entity_key
            and e.sequence_number > coalesce(v.ves_sequence, 0) and e.tenant_id = w.tenant_id and e.store_id = w.store_id
            and e.entity_type = w.entity_type and e.entity_id = w.entity_id)
        + (select count(*) from events e where e.entity_key = w.entity_key
            and e.sequence_number > coalesce(v.legacy_sequence, 0) and e.tenant_id = w.tenant_id and e.store_id = w.store_id
            and e.entity_type = w.entity_type and e.entity_id = w.entity_id) as version
      from unnest(${literal(entities.map((e) => e.tenant))}::text::uuid[], ${literal(entities.map((e) => e.store))}::text::uuid[],
          ${literal(entities.map((e) => BigInt.asIntN(64, BigInt(`0x${e.entityKey}`)).toString()))}::text::bigint[],
          ${entities.map((e) => e.type)}::text[], ${entities.map((e) => e.id)}::text[])
        with ordinality as w(tenant_id, store_id, entity_key, entity_type, entity_id, n)
      left join entity_versions v on v.tenant_id = w.tenant_id and v.store_id = w.store_id
        and v.entity_type = w.entity_type and v.entity_id = w.entity_id`;
    for (const row of rows) versions.set(entities[Number(row.n) - 1]!.key, Number(row.version));
    return versions;
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
        const updates = advance(current.sql, group);
        commitSent = true;
        const commit = current.sql.unsafe('commit').execute();
        const [, { command }] = await Promise.all([Promise.all(updates), commit]);
        // COMMIT of a failed transaction answers ROLLBACK.
        if (command !== 'COMMIT') throw new Error(`commit answered ${command}`);
      };
      await withDeadline(
        current.connection.orLost(work()),
        commitTimeoutMs,
        'committing a group',
      );
      busy = false;
    } catch (error) {
      const failure = storeFailure(error, commitSent);
      if (failure.outcome !== 'refused') await reset();
      else await release().catch(reset);
      throw failure;
    }
  }

  function advance(sql: Sql, group: GroupWrite): PromiseLike<unknown>[] {
    const queries: PromiseLike<unknown>[] = [];
    const ves = group.streams.filter(({ stream }) => stream.kind === STREAM_VES);
    const legacy = group.streams.filter(({ stream }) => stream.kind === STREAM_LEGACY);
    if (ves.length > 0) {
      const tenants = literal(ves.map(({ stream }) => stream.tenant));
      const stores = literal(ves.map(({ stream }) => stream.store));
      const heads = literal(ves.map(({ last }) => String(last)));
      const frontiers = literal(
        ves.map(({ frontier }) => Buffer.from(encodeFrontier(frontier!)).toString('hex')),
      );
      const roots = literal(
        ves.map(({ frontier }) => Buffer.from(frontierRoot(frontier!, hashNode, sha256)).toString('hex')),
      );
      const firsts = literal(ves.map(({ first }) => String(first)));
      queries.push(
        sql`update ves_sequence_counters c
          set current_sequence = v.head, frontier = decode(v.frontier, 'hex'), updated_at = now()
          from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[], ${heads}::text::bigint[], ${frontiers}::text::text[])
            as v(tenant_id, store_id, head, frontier)
          where c.tenant_id = v.tenant_id and c.store_id = v.store_id`.execute(),
        sql`insert into ves_sequencer_receipts (tenant_id, store_id, last_sequence, first_sequence, sequencer_id,
            sequencer_key_version, sequenced_at, root_hash)
          select tenant_id, store_id, head, first, ${options.sequencerId}::uuid, ${options.keyVersion()}::int,
            to_timestamp(0) + ${group.sequencedAtMicros}::bigint * interval '1 microsecond', decode(root, 'hex')
          from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[], ${heads}::text::bigint[], ${firsts}::text::bigint[],
            ${roots}::text::text[]) as v(tenant_id, store_id, head, first, root)`.execute(),
      );
    }
    if (legacy.length > 0) {
      queries.push(
        sql`update sequence_counters c set current_sequence = v.head, updated_at = now()
          from unnest(${literal(legacy.map(({ stream }) => stream.tenant))}::text::uuid[],
            ${literal(legacy.map(({ stream }) => stream.store))}::text::uuid[],
            ${literal(legacy.map(({ last }) => String(last)))}::text::bigint[]) as v(tenant_id, store_id, head)
          where c.tenant_id = v.tenant_id and c.store_id = v.store_id`.execute(),
      );
    }
    if (group.versions.length > 0) queries.push(storeVersions(sql, group.versions));
    return queries;
  }

  /** Checkpoints the checked entities at the streams' new heads (the statement sees the counters updated before it). */
  function storeVersions(sql: Sql, versions: GroupWrite['versions']): PromiseLike<unknown> {
    const entities = versions.map(({ entity }) => entity);
    return sql`insert into entity_versions (tenant_id, store_id, entity_type, entity_id, version, ves_sequence, legacy_sequence)
      select w.tenant_id, w.store_id, w.entity_type, w.entity_id, w.version,
        coalesce(v.current_sequence, 0), coalesce(l.current_sequence, 0)
      from unnest(${literal(entities.map((e) => e.tenant))}::text::uuid[], ${literal(entities.map((e) => e.store))}::text::uuid[],
          ${entities.map((e) => e.type)}::text[], ${entities.map((e) => e.id)}::text[],
          ${literal(versions.map(({ version }) => String(version)))}::text::bigint[])
        as w(tenant_id, store_id, entity_type, entity_id, version)
      left join ves_sequence_counters v on v.tenant_id = w.tenant_id and v.store_id = w.store_id
      left join sequence_counters l on l.tenant_id = w.tenant_id and l.store_id = w.store_id
      on conflict (tenant_id, store_id, entity_type, entity_id) do update
        set version = excluded.version, ves_sequence = excluded.ves_sequence, legacy_sequence = excluded.legacy_sequence`.execute();
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

/** The COPY data of a group: neighbouring rows of one batch go out as one piece of its buffer. */
function tuples(rows: readonly RowRef[]): Buffer[] {
  const chunks: Buffer[] = [COPY_HEADER];
  let batch = rows[0]!.batch;
  let start = rowOffset(batch, rows[0]!.event);
  let end = start;
  for (const row of rows) {
    const at = rowOffset(row.batch, row.event);
    if (row.batch !== batch || at !== end) {
      chunks.push(batch.bytes.subarray(start, end));
      batch = row.batch;
      start = at;
    }
    end = at + rowLength(row.batch, row.event);
  }
  chunks.push(batch.bytes.subarray(start, end), COPY_TRAILER);
  return [Buffer.concat(chunks)];
}
