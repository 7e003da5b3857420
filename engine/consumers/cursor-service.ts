import { ServiceError } from '../errors/index.js';
import { type CursorKey, type CursorRow, moveCursors, readCursors } from '../store/agent-cursors.js';
import type { Sql } from '../store/connection.js';

/** A (tenant, store). Lower-case hyphenated UUIDs. */
export interface ConsumedStream {
  readonly tenantId: string;
  readonly storeId: string;
}

/** Where an agent stands in a stream. */
export interface CursorState {
  /** The last number the agent says it has dealt with, 0 before the first. */
  readonly acknowledgedSequence: bigint;
  readonly headSequence: bigint;
  /** Events between the two. */
  readonly lag: bigint;
  /** When the cursor last moved, the server's text in UTC with microseconds; null: never. */
  readonly updatedAt: string | null;
}

/** Durable cursors of agents. */
export interface CursorService {
  read(stream: ConsumedStream, agentId: string): Promise<CursorState>;
  /**
   * Moves the agent's cursor forward; a number that is not beyond the stored one changes nothing. Answers what is stored.
   *
   * @throws ServiceError INVALID_FIELD_VALUE beyond the stream's head, OVERLOADED when too many wait to be written
   */
  acknowledge(stream: ConsumedStream, agentId: string, sequence: bigint): Promise<CursorState>;
}

/** Most acknowledgements in one statement, and most that wait. */
const BATCH_MAX = 1000;
const WAITING_MAX = 20_000;

interface Waiting extends CursorKey {
  readonly sequence: bigint;
  readonly settle: (state: CursorState) => void;
  readonly fail: (error: unknown) => void;
}

const nameOf = ({ tenantId, storeId, agentId }: CursorKey): string => `${tenantId}/${storeId}/${agentId}`;

const stateOf = ({ acknowledged, head, updatedAt }: CursorRow): CursorState => ({
  acknowledgedSequence: acknowledged,
  headSequence: head,
  lag: head > acknowledged ? head - acknowledged : 0n,
  updatedAt,
});

/**
 * Cursors on the database. One statement writes at a time; what arrives meanwhile, of whatever agents, is the next one, and of an
 * agent's numbers only the greatest is written.
 */
export function createCursorService({ sql }: { sql: Sql }): CursorService {
  const waiting: Waiting[] = [];
  let writing = false;

  const write = async () => {
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH_MAX);
      await writeBatch(sql, batch).catch((error: unknown) => {
        for (const { fail } of batch) fail(error);
      });
    }
    writing = false;
  };

  return {
    async read({ tenantId, storeId }, agentId) {
      const [row] = await readCursors(sql, [{ tenantId, storeId, agentId }]);
      return stateOf(row!);
    },
    acknowledge({ tenantId, storeId }, agentId, sequence) {
      if (waiting.length >= WAITING_MAX) return Promise.reject(new ServiceError('OVERLOADED'));
      return new Promise((settle, fail) => {
        waiting.push({ tenantId, storeId, agentId, sequence, settle, fail });
        if (!writing) void write();
      });
    },
  };
}

async function writeBatch(sql: Sql, batch: readonly Waiting[]): Promise<void> {
  const byName = new Map((await moveCursors(sql, batch)).map((row) => [nameOf(row), row]));
  // A cursor that was further already was not written: its place is read afterwards, by a statement that sees it.
  const still = [...byName.values()].filter((row) => row.acknowledged === null);
  const stored = still.length === 0 ? [] : await readCursors(sql, still);
  const unmoved = new Map(still.map((key, i) => [nameOf(key), stored[i]!]));
  for (const each of batch) {
    const name = nameOf(each);
    const { head, acknowledged, updatedAt } = byName.get(name)!;
    if (each.sequence > head)
      each.fail(new ServiceError('INVALID_FIELD_VALUE', 'sequenceNumber cannot exceed the stream head'));
    else each.settle(stateOf(unmoved.get(name) ?? { acknowledged: acknowledged!, head, updatedAt }));
  }
}
