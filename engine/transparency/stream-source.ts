/** The Merkle log of a VES stream as it lies in the spine's tables: sequence number = leaf index + 1. */
import { ServiceError } from '../errors/index.js';
import { formatUuid, parseUuid } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import { readLogEntries } from '../store/log-leaves.js';
import { readLogState, recordLogRoot } from '../store/log-roots.js';
import { insertLogTiles, missingLogTiles, readLogTiles } from '../store/log-tiles.js';
import type { LogSource, LogState } from './log-source.js';

/**
 * @throws ServiceError INVALID_FIELD_VALUE when an id is no UUID
 */
export function createStreamSource(sql: Sql, log: { tenantId: string; storeId: string }): LogSource {
  const stream = {
    tenantId: canonicalUuid('tenant_id', log.tenantId),
    storeId: canonicalUuid('store_id', log.storeId),
  };
  const name = `${stream.tenantId}/${stream.storeId}`;
  return {
    name,
    async state(sizes) {
      const state = await readLogState(sql, stream, sizes);
      if (state === undefined) return emptyLog(sizes);
      // Every group leaves its root with its events, so the last one ends at the head.
      if (state.size > 0 && state.root === undefined)
        throw new ServiceError(
          'INTERNAL_ERROR',
          `The log ${name}: no root is recorded at its size ${state.size}`,
        );
      return state;
    },
    entries: (ranges) => readLogEntries(sql, stream, ranges),
    tiles: {
      read: (queries) => readLogTiles(sql, stream, queries),
      missing: (level, from, to, limit) => missingLogTiles(sql, stream, level, from, to, limit),
      insert: (tiles) => insertLogTiles(sql, stream, tiles),
    },
    recordRoot: (size, root) => recordLogRoot(sql, stream, size, root),
  };
}

const emptyLog = (sizes: readonly number[]): LogState => ({
  size: 0,
  frontier: new Uint8Array(0),
  root: undefined,
  around: sizes.map(() => ({ before: undefined, after: undefined })),
});

function canonicalUuid(field: string, text: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new ServiceError('INVALID_FIELD_VALUE', `${field} must be a UUID`);
  return formatUuid(bytes);
}
