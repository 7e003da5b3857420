/** Subscriptions of one connection: credits and the socket's buffer say how much the hub may deliver. */
import { ServiceError } from '../../engine/errors/index.js';
import type {
  EventFilter,
  StreamName,
  Subscription,
  SubscriptionHub,
  TenantSubscription,
} from '../../engine/subscriptions/index.js';
import {
  type Ack,
  CREDITS_MAX,
  encodeAcked,
  encodeCaughtUp,
  encodeEnded,
  encodeEvents,
  encodeSubscribed,
  type StoreCursor,
  type Subscribe,
  type SubscribeTenant,
  WireError,
  type WireFilter,
} from '../../engine/wire/index.js';
import type { AuthContext } from '../auth/context.js';
import {
  requireAgentOrAdmin,
  requirePermission,
  requireStore,
  requireStream,
  requireTenant,
} from '../auth/scopes.js';
import { WS_ACCESS } from './access.js';
import type { EventsFrames } from './events-frame.js';
import type { Outbox } from './outbox.js';
import type { WebSocketStats } from './stats.js';
import { endedFrame, errorFrame } from './wire-error.js';

/** How long a subscription waits to hear of heads where it has to know them. */
const HEAD_TIMEOUT_MS = 10_000;

/** Durable cursors of agents, as far as acknowledgements need them. */
export interface Cursors {
  read(stream: StreamName, agentId: string): Promise<{ readonly acknowledgedSequence: bigint }>;
  acknowledge(
    stream: StreamName,
    agentId: string,
    sequence: bigint,
  ): Promise<{ readonly acknowledgedSequence: bigint; readonly headSequence: bigint }>;
}

export interface SubscriptionsOptions {
  readonly hub: SubscriptionHub;
  readonly cursors: Cursors | undefined;
  readonly outbox: Outbox;
  readonly eventsFrames: EventsFrames;
  readonly stats: WebSocketStats;
  readonly subscriptionsMax: number;
  readonly bufferBytesMax: number;
}

export interface Subscriptions {
  /** These throw ServiceError for what is refused at once, WireError for an id that is open already. */
  subscribe(request: Subscribe, auth: AuthContext): void;
  subscribeTenant(request: SubscribeTenant, auth: AuthContext): void;
  ack(ack: Ack): void;
  unsubscribe(id: number): void;
  /** The socket's buffer has room again. */
  resume(): void;
  /** Tells clients how far their filters have got in streams of which nothing passes: they resume there. */
  tellProgress(): void;
  /** Ends those that other credentials would not get. */
  recheck(auth: AuthContext): void;
  endAll(error: ServiceError): void;
  /** The connection is gone. */
  close(): void;
}

/** A subscription of either kind. */
interface Open {
  credits: number;
  /** Nothing comes before `resume`. */
  starved: boolean;
  /** Unset while its start is being looked up. */
  handle: Subscription | TenantSubscription | undefined;
  cursor(): readonly StoreCursor[];
  /** The last number the client knows of, by store; unset without a filter, when every number is delivered. */
  readonly told: Map<string, number> | undefined;
  /** @throws ServiceError when these credentials do not reach it */
  check(auth: AuthContext): void;
  /** Where acknowledgements go. */
  readonly durable: { readonly stream: StreamName; readonly agentId: string } | undefined;
}

export function createSubscriptions(options: SubscriptionsOptions): Subscriptions {
  const { hub, cursors, outbox, eventsFrames, stats, subscriptionsMax, bufferBytesMax } = options;
  const open = new Map<number, Open>();

  function enter(
    id: number,
    filter: WireFilter | undefined,
    fields: Pick<Open, 'credits' | 'cursor' | 'check' | 'durable'>,
  ): Open {
    if (open.has(id)) throw new WireError(`subscription ${id} is open already`);
    if (open.size >= subscriptionsMax)
      throw new ServiceError(
        'OVERLOADED',
        `A connection may hold ${subscriptionsMax} subscriptions: end one first, or open another connection`,
        { details: { limit_of: 'connection', limit: subscriptionsMax } },
      );
    const told = filter && new Map<string, number>();
    const entry: Open = { ...fields, told, starved: false, handle: undefined };
    open.set(id, entry);
    stats.subscriptions++;
    return entry;
  }

  function leave(id: number): void {
    if (open.delete(id)) stats.subscriptions--;
  }

  function finish(id: number, entry: Open, error: unknown): void {
    if (open.get(id) !== entry) return;
    const cursor = entry.cursor();
    leave(id);
    outbox.send(endedFrame(id, error, cursor));
  }

  /** What every sink does. */
  const sinkOf = (id: number, entry: Open) => ({
    room(): number {
      const room = outbox.buffered < bufferBytesMax ? entry.credits : 0;
      entry.starved = room === 0;
      return room;
    },
    end: (error: ServiceError): void => finish(id, entry, error),
  });

  async function begin(id: number, request: Subscribe, entry: Open): Promise<void> {
    const { tenantId, storeId, filter } = request;
    const stream = { tenantId, storeId };
    let after = request.after;
    try {
      after ??= await startOf(stream, request.agentId);
      if (open.get(id) !== entry) return;
      outbox.send(encodeSubscribed(id, [[storeId, after]]));
      entry.told?.set(storeId, after);
      const handle = hub.subscribe(
        { stream, after, filter: toFilter(filter), format: 'msgpack' },
        {
          ...sinkOf(id, entry),
          deliver(chunk) {
            entry.credits -= chunk.count;
            outbox.send(eventsFrames(chunk, id));
            entry.told?.set(storeId, chunk.last);
          },
          caughtUp(head) {
            outbox.send(encodeCaughtUp(id, head));
            entry.told?.set(storeId, head);
          },
        },
      );
      entry.handle = handle;
      entry.cursor = () => [[storeId, handle.cursor]];
    } catch (error) {
      finish(id, entry, error);
    }
  }

  /** The durable cursor, or the head as of now. */
  async function startOf(stream: StreamName, agentId: string | undefined): Promise<number> {
    if (agentId !== undefined)
      return Number((await durableCursors().read(stream, agentId)).acknowledgedSequence);
    const begun = performance.now();
    const head = await hub.waitForHead('ves', stream, -1, { timeoutMs: HEAD_TIMEOUT_MS });
    if (performance.now() - begun >= HEAD_TIMEOUT_MS) throw headsUnknown();
    return head;
  }

  function durableCursors(): Cursors {
    if (cursors === undefined)
      throw new ServiceError('SERVICE_UNAVAILABLE', 'Durable cursors are not available on this server');
    return cursors;
  }

  function acknowledge(id: number, entry: Open, sequence: number): void {
    if (entry.durable === undefined)
      throw new ServiceError(
        'INVALID_FIELD_VALUE',
        'This subscription has no durable cursor: name the agent when you subscribe to a stream',
      );
    const { stream, agentId } = entry.durable;
    durableCursors()
      .acknowledge(stream, agentId, BigInt(sequence))
      .then(
        ({ acknowledgedSequence, headSequence }) =>
          outbox.send(
            encodeAcked({ id, acknowledged: Number(acknowledgedSequence), head: Number(headSequence) }),
          ),
        (error) => outbox.send(errorFrame(id, error)),
      );
  }

  return {
    subscribe(request, auth) {
      const { id, tenantId, storeId, agentId, credits } = request;
      const check = (by: AuthContext) => {
        requirePermission(by, WS_ACCESS.subscribe);
        requireStream(by, tenantId, storeId);
        if (agentId !== undefined) requireAgentOrAdmin(by, tenantId, agentId);
      };
      check(auth);
      const stream = { tenantId, storeId };
      const entry = enter(id, request.filter, {
        credits,
        check,
        cursor: () => (request.after === undefined ? [] : [[storeId, request.after]]),
        durable: agentId === undefined ? undefined : { stream, agentId },
      });
      void begin(id, request, entry);
    },

    subscribeTenant(request, auth) {
      const { id, tenantId, cursor, credits, filter, othersFromBeginning } = request;
      const check = (by: AuthContext) => {
        requirePermission(by, WS_ACCESS.subscribeTenant);
        requireTenant(by, tenantId);
        for (const store of request.storeIds ?? []) requireStore(by, store);
        // "All stores" means those of the credentials it was asked with.
        if (request.storeIds === undefined && !by.bootstrap && by.stores.join() !== auth.stores.join())
          throw new ServiceError('INSUFFICIENT_PERMISSIONS', 'The stores of these credentials have changed');
      };
      check(auth);
      const limited = !auth.bootstrap && auth.stores.length > 0;
      const storeIds = request.storeIds ?? (limited ? auth.stores : undefined);
      const entry = enter(id, filter, { credits, check, cursor: () => cursor, durable: undefined });
      const late = setTimeout(() => {
        entry.handle?.close();
        finish(id, entry, headsUnknown());
      }, HEAD_TIMEOUT_MS).unref();
      try {
        const handle = hub.subscribeTenant(
          {
            tenantId,
            storeIds,
            after: new Map(cursor),
            others: othersFromBeginning ? 'beginning' : 'head',
            filter: toFilter(filter),
            format: 'msgpack',
          },
          {
            ...sinkOf(id, entry),
            opened(cursors) {
              clearTimeout(late);
              outbox.send(encodeSubscribed(id, [...cursors]));
              for (const [storeId, after] of cursors) entry.told?.set(storeId, after);
            },
            deliver(storeId, chunk) {
              entry.credits -= chunk.count;
              outbox.send(eventsFrames(chunk, id, storeId));
              entry.told?.set(storeId, chunk.last);
            },
            caughtUp: () => outbox.send(encodeCaughtUp(id, undefined)),
          },
        );
        entry.handle = handle;
        entry.cursor = () => [...handle.cursors()];
      } catch (error) {
        finish(id, entry, error);
      }
    },

    ack({ id, credits, sequence }) {
      const entry = open.get(id);
      if (entry === undefined) return; // it ended while the frame was on its way
      entry.credits = Math.min(CREDITS_MAX, entry.credits + credits);
      if (entry.starved && entry.credits > 0) entry.handle?.resume();
      if (sequence !== undefined) acknowledge(id, entry, sequence);
    },

    unsubscribe(id) {
      const entry = open.get(id);
      if (entry === undefined) return;
      const cursor = entry.cursor();
      entry.handle?.close();
      leave(id);
      outbox.send(
        encodeEnded({ id, code: undefined, message: undefined, retryAfterSecs: undefined, cursor }),
      );
    },

    resume() {
      if (outbox.buffered >= bufferBytesMax) return;
      for (const entry of open.values()) if (entry.starved && entry.credits > 0) entry.handle?.resume();
    },

    tellProgress() {
      for (const [id, { told, handle, cursor }] of open) {
        if (told === undefined || handle === undefined) continue;
        for (const [storeId, last] of cursor()) {
          const before = told.get(storeId) ?? 0;
          if (last <= before || outbox.buffered >= bufferBytesMax) continue;
          told.set(storeId, last);
          const nothing = { first: before + 1, last, head: 'head' in handle ? handle.head : last, count: 0 };
          outbox.send(encodeEvents(id, nothing, NO_EVENTS, 'head' in handle ? undefined : storeId));
        }
      }
    },

    recheck(auth) {
      for (const [id, entry] of [...open]) {
        try {
          entry.check(auth);
        } catch (error) {
          entry.handle?.close();
          finish(id, entry, error);
        }
      }
    },

    endAll(error) {
      for (const [id, entry] of [...open]) {
        entry.handle?.close();
        finish(id, entry, error);
      }
    },

    close() {
      for (const [id, entry] of [...open]) {
        leave(id);
        entry.handle?.close();
      }
    },
  };
}

const headsUnknown = (): ServiceError =>
  new ServiceError('SERVICE_UNAVAILABLE', 'Heads of streams cannot be read at present');

const NO_EVENTS = new Uint8Array(0);

const toFilter = (filter: WireFilter | undefined): EventFilter => filter ?? {};
