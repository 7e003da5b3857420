/**
 * The logs as static resources (c2sp.org/tlog-tiles) under `/log`: `checkpoint`, `tile/<L>/<N>[.p/<W>]` and
 * `tile/entries/<N>[.p/<W>]` of every stream's log and of the notary's. Full tiles and bundles never change; those read lately
 * are answered from memory, without waiting for anything.
 */
import { LRUCache } from 'lru-cache';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { parseTilePath, TILE_WIDTH } from '../../engine/log/index.js';
import { formatUuid, parseUuid } from '../../engine/protocol/index.js';
import type { LogId } from '../../engine/transparency/index.js';
import { ANONYMOUS_CONTEXT } from '../auth/context.js';
import { createPublicLogs, requireLog } from '../auth/public-logs.js';
import { conditional, type Tagged } from '../http/conditional.js';
import { answering, type Exchange } from '../http/exchange.js';
import type { Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { noteReply, tileResource } from '../render/log-resource.js';
import type { TransparencyServices } from '../transparency.js';

/** Memory for full tiles (8 kB) and bundles (39 kB), and what one takes besides its bytes, roughly. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
const ENTRY_BYTES = 1024;
/** L8, L10: reads under way for clients without credentials, all together; the proof workers have places for many more. */
const ANONYMOUS_READS_MAX = 128;

const NOTARY: LogId = { kind: 'notary' };

/** A full tile or bundle that is kept ready. */
interface KeptTile {
  readonly log: LogId;
  readonly isPublic: boolean;
  readonly resource: Tagged;
}

export const logTileRoutes = (deps: {
  readonly config: Pick<Config, 'transparency'>;
  readonly transparency: TransparencyServices;
}): Route[] => {
  const { logs, checkpoints, notary } = deps.transparency;
  const publicLogs = createPublicLogs(deps.config.transparency.publicLogs);
  /** By the path of the request; only canonical paths are in it. */
  const kept = new LRUCache<string, KeptTile>({
    maxSize: CACHE_BYTES_MAX,
    sizeCalculation: ({ resource }) => resource.whole.body.length + ENTRY_BYTES,
  });
  /** Reads under way, by path. */
  const reads = new Map<string, Promise<Tagged | undefined>>();
  let anonymousReads = 0;

  function serve(
    exchange: Exchange,
    logOf: (exchange: Exchange) => LogId,
    name: string,
  ): Reply | Promise<Reply> {
    const { path, ifNoneMatch } = exchange.head;
    const ready = kept.get(path);
    if (ready !== undefined) {
      requireLog(exchange.auth, ready.log, ready.isPublic);
      return conditional(ready.resource, ifNoneMatch);
    }
    const log = logOf(exchange);
    const isPublic = publicLogs.has(log);
    requireLog(exchange.auth, log, isPublic);
    if (name === 'checkpoint') return bounded(exchange, () => readCheckpoint(log, isPublic));
    const place = parseTilePath(name);
    if (place === undefined) throw nothingHere();
    return bounded(exchange, async () => {
      const resource = await shared(path, async () => {
        const bytes =
          place.level === 'entries'
            ? await logs.entries(log, place.index, place.width)
            : await logs.tile(log, place.level, place.index, place.width);
        if (bytes === undefined) return undefined;
        const isFull = place.width === TILE_WIDTH;
        const read = tileResource(bytes, { isFull, isPublic });
        if (isFull) kept.set(path, { log, isPublic, resource: read });
        return read;
      });
      if (resource === undefined) throw new ServiceError('RESOURCE_NOT_FOUND', 'The log has no such tile');
      return conditional(resource, ifNoneMatch);
    });
  }

  async function readCheckpoint(log: LogId, isPublic: boolean): Promise<Reply> {
    const found = log.kind === 'notary' ? await notary.published.witnessed() : await checkpoints.stream(log);
    if (found === undefined)
      throw new ServiceError('RESOURCE_NOT_FOUND', 'The notary log has no checkpoint to show yet');
    return noteReply(found.note, isPublic ? 'public, max-age=1' : undefined);
  }

  /** Clients that want the same at once share one read. What is not there may be there since: that is asked for again. */
  async function shared(path: string, read: () => Promise<Tagged | undefined>): Promise<Tagged | undefined> {
    const found = await reads.get(path);
    if (found !== undefined) return found;
    const reading = read().finally(() => {
      if (reads.get(path) === reading) reads.delete(path);
    });
    reads.set(path, reading);
    return reading;
  }

  async function bounded(exchange: Exchange, read: () => Promise<Reply>): Promise<Reply> {
    if (exchange.auth !== ANONYMOUS_CONTEXT) return read();
    if (anonymousReads >= ANONYMOUS_READS_MAX)
      throw new ServiceError('OVERLOADED', 'Too many reads of public logs are under way; try again shortly');
    anonymousReads++;
    return read().finally(() => {
      anonymousReads--;
    });
  }

  return [
    {
      method: 'GET',
      path: '/log/notary/*',
      scope: 'optional',
      handler: answering((exchange) => serve(exchange, () => NOTARY, exchange.params[0]!)),
    },
    {
      method: 'GET',
      path: '/log/:tenant_id/:store_id/*',
      scope: 'optional',
      handler: answering((exchange) => serve(exchange, streamLog, exchange.params[2]!)),
    },
  ];
};

/** The log that a path names. Ids have one form here, the one in the log's origin: a resource has one address. */
function streamLog({ params: [tenantId = '', storeId = ''] }: Exchange): LogId {
  if (!isCanonical(tenantId) || !isCanonical(storeId)) throw nothingHere();
  return { kind: 'stream', tenantId, storeId };
}

function isCanonical(id: string): boolean {
  const bytes = parseUuid(id);
  return bytes !== undefined && formatUuid(bytes) === id;
}

const nothingHere = () => new ServiceError('RESOURCE_NOT_FOUND', 'There is nothing at this path');
