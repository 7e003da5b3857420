/**
 * The tail: follows streams for the hub. It hears of the groups committed in this process (with their rows), of those of other
 * processes (by notification, and by looking every second, which heals lost notifications), reads what it did not see from
 * the database, and encodes once for every kind of subscriber. Runs on a thread of its own.
 */
import { ServiceError } from '../errors/index.js';
import type { ChangeFeed } from '../store/change-feed.js';
import { openChangeFeed } from '../store/change-feed.js';
import type { Sql } from '../store/connection.js';
import { createTupleReader, readInt8, type Tuple } from '../store/copy-tuples.js';
import { serviceErrorOf } from '../store/service-error-of.js';
import { parseHeadNews, readHeads, readTenantHeads, STREAM_HEADS_CHANNEL } from '../store/stream-heads.js';
import { VES, VES_EVENTS } from '../store/ves-columns.js';
import type { EventFormat, StreamName } from './chunk.js';
import { createChunkBuilder } from './chunk-builder.js';
import type { EventEncoder } from './encoder.js';
import { filterName } from './filter.js';
import { createMatcher, type Matcher } from './matcher.js';
import { readPage } from './page-query.js';
import type {
  CommittedPiece,
  CommitWatch,
  StreamKindName,
  TailAnswer,
  TailRequest,
} from './tail-messages.js';
import { createTailStream, type TailStream } from './tail-stream.js';

export interface TailOptions {
  readonly sql: Sql;
  readonly encoders: Readonly<Record<EventFormat, EventEncoder>>;
  /** What is committed in this process. */
  readonly commits: CommitWatch;
  /** This process: its own notifications say nothing new. */
  readonly instanceId: string;
  post(answer: TailAnswer): void;
  onError(error: unknown, what: string): void;
}

export interface Tail {
  request(request: TailRequest): void;
  /** A group of this process. */
  committed(piece: CommittedPiece): void;
  close(): Promise<void>;
}

/** Subscribers who want the same of a stream: one encoding serves all of their feeds. */
interface Audience {
  readonly feeds: Set<number>;
  readonly encode: EventEncoder;
  readonly matches: Matcher | undefined;
}

/** A followed stream. */
interface Followed {
  readonly name: string;
  readonly kind: StreamKindName;
  readonly stream: StreamName;
  readonly tail: TailStream;
  /** By format and filter. */
  readonly audiences: Map<string, Audience>;
  readonly watches: Set<number>;
}

/** How long a lost notification may stay unnoticed. */
const POLL_MS = 1000;
const FILL_EVENTS_MAX = 1000;
const RETRY_MS = 250;

export function createTail(options: TailOptions): Tail {
  const { sql, encoders, commits, post, onError } = options;
  const streams = new Map<string, Followed>();
  const feeds = new Map<number, { readonly followed: Followed; readonly audience: string }>();
  const headWatches = new Map<number, Followed>();
  /** Watches of tenants: their ids, by tenant (32 hex digits). */
  const tenants = new Map<string, Map<number, string>>();
  let closed = false;
  let polling = false;

  const news: ChangeFeed = openChangeFeed(sql, STREAM_HEADS_CHANNEL, {
    onChange(payload) {
      const { instanceId, heads } = parseHeadNews(payload);
      if (instanceId === options.instanceId) return;
      for (const { kind, tenant, store, head } of heads) heard(kind, tenant, store, head);
    },
    onGap: () => void poll(),
    onError: (error) => onError(error, 'cannot listen for what other processes commit; looking every second'),
  });
  const timer = setInterval(() => void poll(), POLL_MS);

  function heard(kind: StreamKindName, tenant: string, store: string, head: number): void {
    streams.get(nameOf(kind, tenant, store))?.tail.hint(head);
    if (kind === 'ves') tellTenant(tenant, store, head);
  }

  function tellTenant(tenant: string, store: string, head: number): void {
    for (const watch of tenants.get(tenant)?.keys() ?? [])
      post({ type: 'tenant-head', watch, storeId: hyphenated(store), head });
  }

  /** Asks for the heads of everything that is followed. */
  async function poll(): Promise<void> {
    if (polling || closed) return;
    polling = true;
    try {
      for (const kind of ['ves', 'legacy'] as const) {
        const followed = [...streams.values()].filter((each) => each.kind === kind);
        if (followed.length === 0) continue;
        const heads = await readHeads(
          sql,
          kind,
          followed.map((each) => each.stream),
        );
        followed.forEach(({ tail }, i) => {
          if (tail.position !== undefined) tail.hint(heads[i]!);
        });
      }
      for (const tenant of [...tenants.keys()]) await tellHeads(tenant, undefined);
    } catch (error) {
      onError(error, 'cannot ask for the heads of streams');
    } finally {
      polling = false;
    }
  }

  async function tellHeads(tenant: string, only: number | undefined): Promise<void> {
    for (const { storeId, head } of await readTenantHeads(sql, hyphenated(tenant)))
      for (const watch of only === undefined ? (tenants.get(tenant)?.keys() ?? []) : [only])
        post({ type: 'tenant-head', watch, storeId, head });
  }

  function follow(kind: StreamKindName, stream: StreamName): Followed {
    const name = nameOf(kind, hex(stream.tenantId), hex(stream.storeId));
    const known = streams.get(name);
    if (known) return known;
    const followed: Followed = {
      name,
      kind,
      stream,
      tail: createTailStream({
        emit: (piece) => emit(followed, piece),
        fill: (from, to) => void fill(followed, from, to),
      }),
      audiences: new Map(),
      watches: new Set(),
    };
    streams.set(name, followed);
    void begin(followed);
    return followed;
  }

  /** First listens, then asks for the head: what is committed in between arrives and is not missing. */
  async function begin(followed: Followed): Promise<void> {
    const { name, kind, stream, tail } = followed;
    const head = await untilDone(followed, `the head of ${name}`, async () => {
      await commits.watchStream(name);
      return (await readHeads(sql, kind, [stream]))[0]!;
    });
    if (head === undefined) return;
    tail.begin(head);
    for (const { feeds: open } of followed.audiences.values())
      for (const feed of open) post({ type: 'feed-open', feed, position: tail.position! });
    tellHead(followed);
  }

  /** Repeats until it works or nobody follows the stream any more. */
  async function untilDone<T>(
    followed: Followed,
    what: string,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    while (!closed && streams.get(followed.name) === followed) {
      try {
        return await work();
      } catch (error) {
        onError(error, `cannot read ${what}`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return undefined;
  }

  function leaveIfAlone(followed: Followed): void {
    if (followed.audiences.size > 0 || followed.watches.size > 0) return;
    streams.delete(followed.name);
    commits.unwatchStream(followed.name);
  }

  function tellHead({ watches, tail }: Followed): void {
    if (tail.position === undefined) return;
    for (const watch of watches) post({ type: 'head', watch, head: tail.position });
  }

  /** Rows committed in this process. */
  function emit(followed: Followed, piece: CommittedPiece): void {
    if (piece.rows !== undefined && followed.audiences.size > 0) {
      const builders = openBuilders(followed);
      createTupleReader(VES_EVENTS.columnCount, (tuple) => {
        for (const { builder } of builders) builder.add(tuple);
      })(Buffer.from(piece.rows.buffer, piece.rows.byteOffset, piece.rows.length));
      send(builders, piece.first, piece.last, piece.last);
    }
    tellHead(followed);
  }

  function openBuilders({ audiences }: Followed) {
    return [...audiences.values()].map((audience) => ({
      audience,
      builder: createChunkBuilder(audience.encode, audience.matches),
    }));
  }

  function send(builders: ReturnType<typeof openBuilders>, first: number, last: number, head: number): void {
    for (const { audience, builder } of builders)
      post({ type: 'chunk', feeds: [...audience.feeds], chunk: builder.finish(first, last, head) });
  }

  /** Reads what was committed elsewhere. */
  async function fill(followed: Followed, from: number, to: number): Promise<void> {
    const { kind, tail, stream } = followed;
    if (kind === 'legacy') return filledTo(followed, to);
    const reached = await untilDone(followed, `events of ${followed.name}`, async () => {
      const builders = openBuilders(followed);
      let next = from;
      const request = { stream, filter: {}, format: 'json', from, to, eventsMax: FILL_EVENTS_MAX } as const;
      await readPage(sql, request, (tuple: Tuple) => {
        if (readInt8(tuple.bytes, tuple.at[VES.sequence]!) !== next) throw gap(followed.name, next);
        next++;
        for (const { builder } of builders) builder.add(tuple);
      });
      if (next > from) send(builders, from, next - 1, Math.max(to, next - 1));
      tellLatecomers(followed, builders, next - 1);
      return next - 1;
    });
    if (reached === undefined) return;
    // Nothing there: somebody spoke of a head that is not stored. Ask again only when told so again.
    if (reached < from) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    tail.filled(reached);
    tellHead(followed);
  }

  /** Who joined while the events were being read did not get them: their feeds begin behind. */
  function tellLatecomers(
    { audiences }: Followed,
    builders: ReturnType<typeof openBuilders>,
    position: number,
  ): void {
    const served = new Set(builders.map(({ audience }) => audience));
    for (const audience of audiences.values())
      if (!served.has(audience))
        for (const feed of audience.feeds) post({ type: 'feed-open', feed, position });
  }

  function filledTo(followed: Followed, to: number): void {
    followed.tail.filled(to);
    tellHead(followed);
  }

  function openFeed({ feed, stream, filter, format }: Extract<TailRequest, { type: 'open-feed' }>): void {
    const followed = follow('ves', stream);
    const name = `${format} ${filterName(filter)}`;
    let audience = followed.audiences.get(name);
    if (audience === undefined) {
      audience = { feeds: new Set(), encode: encoders[format], matches: createMatcher(filter) };
      followed.audiences.set(name, audience);
    }
    audience.feeds.add(feed);
    feeds.set(feed, { followed, audience: name });
    if (followed.tail.position !== undefined)
      post({ type: 'feed-open', feed, position: followed.tail.position });
  }

  function closeFeed(feed: number): void {
    const open = feeds.get(feed);
    if (open === undefined) return;
    feeds.delete(feed);
    const { followed, audience: name } = open;
    const audience = followed.audiences.get(name)!;
    audience.feeds.delete(feed);
    if (audience.feeds.size === 0) followed.audiences.delete(name);
    leaveIfAlone(followed);
  }

  async function watchTenant(watch: number, tenantId: string): Promise<void> {
    const tenant = hex(tenantId);
    const watches = tenants.get(tenant) ?? new Map<number, string>();
    tenants.set(tenant, watches.set(watch, tenant));
    while (!closed && watches.has(watch)) {
      try {
        await commits.watchTenant(tenant);
        await tellHeads(tenant, watch);
        return post({ type: 'tenant-open', watch });
      } catch (error) {
        onError(error, 'cannot read the streams of a tenant');
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  function closeWatch(watch: number): void {
    const followed = headWatches.get(watch);
    if (followed !== undefined) {
      headWatches.delete(watch);
      followed.watches.delete(watch);
      leaveIfAlone(followed);
      return;
    }
    for (const [tenant, watches] of tenants) {
      if (!watches.delete(watch) || watches.size > 0) continue;
      tenants.delete(tenant);
      commits.unwatchTenant(tenant);
    }
  }

  async function answerPage(request: Extract<TailRequest, { type: 'page' }>): Promise<void> {
    const { page, from, to } = request;
    try {
      const builder = createChunkBuilder(encoders[request.format], undefined);
      const last = await readPage(sql, request, builder.add);
      post({ type: 'page', page, chunk: builder.finish(from, last, to) });
    } catch (error) {
      const { code, message } = serviceErrorOf(error);
      onError(error, 'cannot read a page of events');
      post({ type: 'page-failed', page, code, message });
    }
  }

  return {
    request(request) {
      switch (request.type) {
        case 'open-feed':
          return openFeed(request);
        case 'close-feed':
          return closeFeed(request.feed);
        case 'watch-head': {
          const followed = follow(request.kind, request.stream);
          followed.watches.add(request.watch);
          headWatches.set(request.watch, followed);
          return tellHead(followed);
        }
        case 'watch-tenant':
          return void watchTenant(request.watch, request.tenantId);
        case 'close-watch':
          return closeWatch(request.watch);
        case 'page':
          return void answerPage(request);
      }
    },
    committed(piece) {
      if (piece.kind === 'ves') tellTenant(piece.tenant, piece.store, piece.last);
      const followed = streams.get(nameOf(piece.kind, piece.tenant, piece.store));
      if (followed === undefined) return;
      // Without its rows a piece of a stream with subscribers is only a hint.
      if (piece.rows === undefined && piece.kind === 'ves') followed.tail.hint(piece.last);
      else followed.tail.committed(piece);
    },
    async close() {
      closed = true;
      clearInterval(timer);
      await news.close();
    },
  };
}

const gap = (name: string, sequence: number): ServiceError =>
  new ServiceError('SEQUENCE_GAP', `Event ${sequence} of stream ${name} is missing`);

/** As the sequencer names streams (engine/sequencer/stream.ts). */
const nameOf = (kind: StreamKindName, tenant: string, store: string): string =>
  `${kind === 'ves' ? 0 : 1}${tenant}${store}`;

const hex = (uuid: string): string => uuid.replaceAll('-', '');

const hyphenated = (digits: string): string =>
  `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
