/** The {@link GroupStore} contract over the model database: the same steps and the same reading of errors as on Postgres. */
import { decodeFrontier } from '../log/index.js';
import {
  type GroupNeeds,
  type GroupStore,
  type Opened,
  type Snapshot,
  STREAM_VES,
  type StoredEvent,
  type StoreFailure,
  type StreamState,
} from '../sequencer/index.js';
import { type Connection, type Deliver, type Network, openConnection, type Server } from './connection.js';
import { DatabaseError, idKey, type LeaseRow, readRow, type StoredRow } from './database.js';

export interface ModelStoreOptions {
  readonly network: Network;
  readonly name: string;
  readonly deliver: Deliver;
  /** `<partition count>/<partition>` */
  readonly partition: string;
  readonly ownerId: string;
  readonly leaseMs: number;
  readonly commitTimeoutMs: number;
  /** Rows that an injected error kept out of the table: blaming them is no fault of the sequencer. */
  onInjectedRefusal(rows: readonly StoredRow[]): void;
  /** For planted faults: no row locks on streams. */
  readonly withoutStreamLocks?: boolean;
}

export type ModelStore = GroupStore & { close(): Promise<void> };

interface Session {
  readonly connection: Connection;
  lease: { epoch: number; owned: boolean } | undefined;
}

export function createModelStore(options: ModelStoreOptions): ModelStore {
  const { network, name, deliver, partition, ownerId, leaseMs } = options;
  const { scheduler, random, database, trace } = network;
  let session: Session | undefined;
  let connection: Connection | undefined;
  let busy = false;
  let generation = 0;

  function fail(error: unknown, commitSent: boolean): StoreFailure {
    const code = error instanceof DatabaseError ? error.code : '';
    const refused = /^(22|23)/.test(code) ? 'refused' : 'unavailable';
    const outcome = code !== '' ? refused : commitSent ? 'lost' : 'unavailable';
    trace(`${name}: ${outcome}: ${(error as Error).message}`);
    return Object.assign(new Error(outcome, { cause: error }), { outcome } as const);
  }

  function withDeadline<T>(work: Promise<T>): Promise<T> {
    const deadline = new Promise<never>((_, reject) => {
      scheduler.after(options.commitTimeoutMs, () => deliver(() => reject(new Error('no answer in time'))));
    });
    return Promise.race([work, deadline]);
  }

  async function acquire(own: Connection): Promise<{ epoch: number; owned: boolean }> {
    return own.call('lease', async (server) => {
      const tx = database.begin();
      server.tx = tx;
      try {
        await database.lock(tx, `lease ${partition}`);
        const row = database.leases.get(partition) ?? { epoch: 0, owner: '', untilMs: 0, lastGroup: 0 };
        if (row.untilMs > scheduler.now() && row.owner !== ownerId) return { epoch: row.epoch, owned: false };
        const taken: LeaseRow = {
          ...row,
          epoch: row.epoch + 1,
          owner: ownerId,
          untilMs: scheduler.now() + leaseMs,
        };
        tx.changes.push(() => database.leases.set(partition, taken));
        database.commit(tx);
        trace(`${name}: takes ${partition} over, epoch ${taken.epoch}`);
        return { epoch: taken.epoch, owned: true };
      } finally {
        if (!tx.ended) database.end(tx);
        server.tx = undefined;
      }
    });
  }

  async function connected(): Promise<Session> {
    if (session) {
      if (!session.connection.broken) return session.lease ? session : startSession(session.connection);
      session = undefined;
    }
    if (random.chance(network.faults().connect)) throw new Error('connection refused');
    connection = openConnection(network, name, deliver);
    return startSession(connection);
  }

  async function startSession(own: Connection): Promise<Session> {
    const mine = generation;
    session = undefined;
    const lease = await acquire(own);
    if (mine !== generation) throw new Error('this connection came up too late');
    session = { connection: own, lease };
    return session;
  }

  async function begin(current: Session, needs: GroupNeeds): Promise<Opened> {
    const { epoch, owned } = current.lease!;
    const opened = await current.connection.call('open', async (server): Promise<Opened> => {
      const tx = database.begin();
      server.tx = tx;
      await database.lock(tx, `lease ${partition}`);
      const lease = database.leases.get(partition)!;
      const untilMs = lease.owner === ownerId ? scheduler.now() + leaseMs : lease.untilMs;
      if (lease.epoch !== epoch || (untilMs < scheduler.now() && !owned)) {
        database.end(tx);
        server.tx = undefined;
        return { fenced: true };
      }
      tx.changes.push(() =>
        database.leases.set(partition, { ...lease, untilMs, lastGroup: lease.lastGroup + 1 }),
      );
      if (!options.withoutStreamLocks)
        for (const key of [...needs.streams.keys()].sort()) await database.lock(tx, `stream ${key}`);
      await scheduler.sleep(random.between(0, 1));
      return { fenced: false, snapshot: lookUp(needs) };
    });
    if (opened.fenced) current.lease = undefined;
    return opened;
  }

  function lookUp(needs: GroupNeeds): Snapshot {
    const streams = new Map<string, StreamState>();
    for (const [key, { kind }] of needs.streams) {
      const { head, frontier } = database.streamRow(key);
      streams.set(key, { head, frontier: kind === STREAM_VES ? decodeFrontier(head, frontier) : undefined });
    }
    const events = new Map<string, StoredEvent[]>();
    const tenants = new Set([...needs.streams.values()].map(({ tenant }) => tenant));
    needs.eventIds.forEach((list, kind) => {
      for (const id of list) {
        const found: StoredEvent[] = [];
        for (const tenant of tenants) {
          const row = database.ids.get(idKey(kind as 0 | 1, tenant, id));
          if (row) found.push(storedEvent(row));
        }
        if (found.length > 0) events.set(`${kind}${id}`, found);
      }
    });
    const commands = new Set<string>();
    for (const [stream, list] of needs.commands)
      for (const command of list) if (database.commands.has(stream + command)) commands.add(stream + command);
    const versions = new Map<string, number>();
    for (const { key, tenant, store } of needs.entities.values())
      versions.set(key, database.versionOf(tenant, store, key));
    return { streams, events, commands, versions };
  }

  function storedEvent({ stream, tenant, digest, sequence, atMicros }: StoredRow): StoredEvent {
    return { stream, tenant, digest, sequence, sequencedAtMicros: atMicros, sequencer: 'f0', keyVersion: 1 };
  }

  /** The open transaction, or the error that a server gives in a failed one. */
  function transactionOf(server: Server) {
    if (!server.tx) throw new DatabaseError('25P01', 'there is no transaction');
    if (server.tx.failed) throw new DatabaseError('25P02', 'the transaction has failed');
    return server.tx;
  }

  async function reset(): Promise<void> {
    generation++;
    connection?.close();
    connection = undefined;
    session = undefined;
    busy = false;
  }

  async function release(): Promise<void> {
    busy = false;
    if (!session) return;
    await withDeadline(
      session.connection.call('rollback', async (server) => {
        if (server.tx) database.end(server.tx);
        server.tx = undefined;
      }),
    );
  }

  return {
    async open(needs) {
      try {
        const result = await withDeadline(connected().then((current) => begin(current, needs)));
        busy = !result.fenced;
        return result;
      } catch (error) {
        await reset();
        throw fail(error, false);
      }
    },
    async write(group) {
      const current = session;
      if (!current || !busy) throw fail(new Error('no open transaction'), false);
      let commitSent = false;
      // COPY data leave the process here: later changes to the batch do not reach the server.
      const rows = group.rows.flatMap((list, kind) => list.map((row) => readRow(kind as 0 | 1, row)));
      const write = async () => {
        await current.connection.call('copy', async (server) => {
          const tx = transactionOf(server);
          for (const row of rows) await database.insert(tx, row);
        });
        commitSent = true;
        await current.connection.call('commit', async (server) => {
          const tx = transactionOf(server);
          database.advance(tx, group);
          await scheduler.sleep(random.between(0, 1));
          database.commit(tx);
          server.tx = undefined;
          trace(
            `${name}: committed ${group.streams.map(({ first, last }) => `${first}..${last}`).join(' ')}`,
          );
        });
      };
      try {
        await withDeadline(write());
        busy = false;
      } catch (error) {
        if ((error as { injected?: boolean }).injected) options.onInjectedRefusal(rows);
        const failure = fail(error, commitSent);
        if (failure.outcome !== 'refused') await reset();
        else await release().catch(reset);
        throw failure;
      }
    },
    release,
    reset,
    async close() {
      const current = session;
      session = undefined;
      if (!current?.lease?.owned) return reset();
      const { epoch } = current.lease;
      await withDeadline(
        current.connection.call('release lease', async () => {
          const row = database.leases.get(partition)!;
          if (row.epoch === epoch) database.leases.set(partition, { ...row, untilMs: 0 });
        }),
      ).catch(() => {});
      await reset();
    },
  };
}
