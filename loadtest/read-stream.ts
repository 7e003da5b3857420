/** Ways to read the ids of a stream, for checks. */
import type { SequencerClient } from '../agent/client.js';
import { parseUuid } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { ReadStream } from './correctness.js';

const DATABASE_PAGE = 20_000;
const HTTP_PAGE = 1000;

/** From the database itself. */
export const databaseReader = (sql: Sql, tenantId: string): ReadStream =>
  async function* (storeId) {
    for (let after = 0n; ; ) {
      const rows = await sql<{ sequence: bigint; id: string }[]>`
        select sequence_number as sequence, event_id as id from ves_events
        where tenant_id = ${tenantId} and store_id = ${storeId} and sequence_number > ${after.toString()}
        order by sequence_number limit ${DATABASE_PAGE}`;
      if (rows.length === 0) return;
      yield rows.map(({ sequence, id }) => ({ sequence: Number(sequence), id: parseUuid(id)! }));
      after = rows.at(-1)!.sequence;
    }
  };

/** Over HTTP, for services whose database is out of reach. */
export const httpReader = (client: Pick<SequencerClient, 'readEvents'>, tenantId: string): ReadStream =>
  async function* (storeId) {
    for (let from = 1; ; ) {
      const { events, next } = await client.readEvents({ tenantId, storeId }, from, HTTP_PAGE);
      if (events.length === 0) return;
      yield events.map(({ sequence_number: sequence, event_id: id }) => ({ sequence, id: parseUuid(id)! }));
      from = next;
    }
  };
