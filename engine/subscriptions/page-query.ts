/** Reading stored events of a stream as COPY tuples. COPY takes no parameters, so the values are written into the statement. */
import { parseUuid } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import type { TupleSink } from '../store/copy-tuples.js';
import { entityKey } from '../store/entity-key.js';
import { readTuples } from '../store/read-tuples.js';
import { VES_EVENTS } from '../store/ves-columns.js';
import { type EventFilter, singleEntity } from './filter.js';
import type { PageRequest } from './tail-messages.js';

/** A page ends before the event that would bring its payloads to more than this, but holds at least one. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** Numbers looked at for a page when a filter may leave most events out. */
export const FILTERED_SPAN_MAX = 20_000;

/**
 * Reads the events of a page, in order, and answers the last number the page covers.
 *
 * - without a filter: at most `eventsMax` consecutive events, by the primary key
 * - one entity: its events, by the index on entities
 * - other filters: those that pass among at most {@link FILTERED_SPAN_MAX} numbers
 *
 * A page ends early when its payloads become large (but not before its first event).
 */
export async function readPage(sql: Sql, request: PageRequest, sink: TupleSink): Promise<number> {
  const { from, eventsMax, filter } = request;
  const entity = singleEntity(filter);
  const conditions = filterConditions(filter);
  const to =
    conditions.length > 0 && !entity ? Math.min(request.to, from + FILTERED_SPAN_MAX - 1) : request.to;
  const stream = [
    `tenant_id = ${uuid(request.stream.tenantId)}`,
    `store_id = ${uuid(request.stream.storeId)}`,
    `sequence_number between ${integer(from)} and ${integer(to)}`,
  ];
  if (entity) stream.unshift(`entity_key = ${entityKeyOf(request, entity)}`);
  const query = `copy (
    select ${VES_EVENTS.columns} from (
      select *, sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as payload_bytes_before
      from (
        select * from ves_events where ${[...stream, ...conditions].join(' and ')}
        order by sequence_number limit ${integer(eventsMax)}
      ) page
    ) measured
    where payload_bytes_before < ${PAGE_BYTES_MAX} order by sequence_number
  ) to stdout (format binary)`;
  let count = 0;
  let last = from - 1;
  const bytes = await readTuples(sql, query, 'ves', (tuple) => {
    count++;
    last =
      tuple.bytes.readUInt32BE(tuple.at[0]!) * 0x1_0000_0000 + tuple.bytes.readUInt32BE(tuple.at[0]! + 4);
    sink(tuple);
  });
  // A page that is not full has seen everything up to `to`.
  return count < eventsMax && bytes < PAGE_BYTES_MAX ? to : last;
}

function filterConditions(filter: EventFilter): string[] {
  const lists = [
    ['entity_type', filter.entityTypes?.map(text)],
    ['entity_id', filter.entityIds?.map(text)],
    ['event_type', filter.eventTypes?.map(text)],
    ['source_agent_id', filter.agents?.map(uuid)],
  ] as const;
  return lists.flatMap(([column, values]) => (values?.length ? [`${column} in (${values.join(', ')})`] : []));
}

function entityKeyOf({ stream }: PageRequest, { type, id }: { type: string; id: string }): bigint {
  const ids = new Uint8Array(32);
  ids.set(bytesOf(stream.tenantId));
  ids.set(bytesOf(stream.storeId), 16);
  return entityKey(ids, type, id);
}

function bytesOf(id: string): Uint8Array {
  const bytes = parseUuid(id);
  if (!bytes) throw new Error(`not a UUID: ${id}`);
  return bytes;
}

const uuid = (id: string): string => `'${Buffer.from(bytesOf(id)).toString('hex')}'::uuid`;

function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error(`not an integer: ${value}`);
  return `${value}::bigint`;
}

/** A text constant (PostgreSQL manual, 4.1.2.1 and 4.1.2.2): correct whatever standard_conforming_strings says. */
function text(value: string): string {
  if (value.includes('\0')) throw new Error('a text holds U+0000');
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
