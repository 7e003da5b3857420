import type { Sql } from './connection.js';
import { copyOut } from './copy-out.js';
import { createTupleReader, type TupleSink } from './copy-tuples.js';
import { isSealed, noOpener, openerOf } from './sealed-payload.js';
import { EVENT_TABLES, type EventTable, openTuples, payloadOf } from './sealed-tuples.js';

/**
 * Reads events with a COPY statement, payloads opened, and answers the bytes that the server sent. Where payloads may be sealed, the rows
 * are collected first, because their keys may have to be loaded: ask for pages, not for streams.
 *
 * @throws ServiceError ENCRYPTION_ERROR when a payload cannot be opened
 */
export async function readTuples(
  sql: Sql,
  statement: string,
  table: EventTable,
  sink: TupleSink,
): Promise<number> {
  const { columnCount } = EVENT_TABLES[table];
  const pieces: Buffer[] = [];
  let bytes = 0;
  const plain = createTupleReader(columnCount, (tuple) => {
    if (isSealed(payloadOf(table, tuple))) throw noOpener();
    sink(tuple);
  });
  const collects = openerOf(sql) !== undefined;
  await copyOut(sql.unsafe(statement), (piece) => {
    bytes += piece.length;
    if (collects) pieces.push(piece);
    else plain(piece);
  });
  if (collects) createTupleReader(columnCount, sink)(await openTuples(sql, table, Buffer.concat(pieces)));
  return bytes;
}
