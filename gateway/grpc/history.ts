import { ServiceError } from '../../engine/errors/index.js';

/** Most events of one entity in an answer. */
const HISTORY_EVENTS_MAX = 100;

/**
 * Positions in an entity's history as offset and limit. Positions count from 1; 0 is the first and the last.
 *
 * @throws ServiceError INVALID_FIELD_VALUE
 */
export function versionRange(from: bigint, to: bigint, limit: number): { offset: bigint; limit: number } {
  if (to !== 0n && from > to)
    throw new ServiceError('INVALID_FIELD_VALUE', 'from_version must not be greater than to_version');
  const offset = from === 0n ? 0n : from - 1n;
  if (offset > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ServiceError('INVALID_FIELD_VALUE', `from_version must be at most ${Number.MAX_SAFE_INTEGER}`);
  const most = limit === 0 ? HISTORY_EVENTS_MAX : Math.min(limit, HISTORY_EVENTS_MAX);
  const span = to === 0n ? BigInt(most) : to - offset;
  return { offset, limit: span < BigInt(most) ? Number(span) : most };
}
