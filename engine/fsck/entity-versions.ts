/** Checkpoints of entity versions (entity_versions): each must be the number of the entity's events up to the heads it names. */
import type { Sql } from '../store/connection.js';
import { add, type Counts } from './counts.js';
import { type FindingList, findingOf, type StreamId, uuidText } from './finding.js';
import type { Session } from './session.js';

const TOLD_MAX = 1000;

type Row = {
  type: string;
  id: string;
  version: number;
  ves: number;
  legacy: number;
  counted: number;
  known: boolean;
};

/** Checks the checkpoints of a store. */
export async function checkEntityVersions(
  session: Session,
  stream: StreamId,
  findings: FindingList,
  counts: Counts,
): Promise<void> {
  const wrong = await session.run((sql) => select(sql, stream));
  const [total] = await session.run(
    (sql) => sql<{ rows: number }[]>`select count(*)::float8 as rows from entity_versions
      where tenant_id = ${uuidText(stream.tenant)} and store_id = ${uuidText(stream.store)}`,
  );
  add(counts, 'entity_versions', total!.rows);
  for (const { type, id, version, ves, legacy, counted, known } of wrong) {
    const row = {
      table: 'entity_versions',
      stream,
      row: `entity_type ${JSON.stringify(type)}, entity_id ${JSON.stringify(id)}`,
      position: ves,
    };
    const column = 'version, ves_sequence, legacy_sequence, or the name of the entity';
    const message = known
      ? `version is ${version}, but there are ${counted} events up to ${ves} (VES) and ${legacy} (legacy)`
      : `there is no moment at which the streams ended at ${ves} (VES) and ${legacy} (legacy)`;
    findings.add(findingOf(row, [{ check: 'entity-count', column, message }]));
  }
}

/**
 * Checkpoints that are wrong. Streams are read along their primary keys and matched by hash, whatever the statistics say: there
 * may be as many checkpoints as events. A checkpoint is made when a group ends, so its VES head is the end of a group.
 */
const select = (sql: Sql, { tenant, store }: StreamId) => sql<Row[]>`
  with v as materialized (
    select entity_type, entity_id, version, ves_sequence, legacy_sequence from entity_versions
    where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}
  ), counted as (
    select entity_type, entity_id, count(*) as events from (
      select e.entity_type, e.entity_id from v join ves_events e
        on e.entity_type = v.entity_type and e.entity_id = v.entity_id and e.sequence_number <= v.ves_sequence
      where e.tenant_id = ${uuidText(tenant)} and e.store_id = ${uuidText(store)}
      union all
      select e.entity_type, e.entity_id from v join events e
        on e.entity_type = v.entity_type and e.entity_id = v.entity_id and e.sequence_number <= v.legacy_sequence
      where e.tenant_id = ${uuidText(tenant)} and e.store_id = ${uuidText(store)}
    ) named group by 1, 2
  ), judged as (
    select v.*, coalesce(c.events, 0) as events,
      (v.ves_sequence = 0 or exists (select from ves_sequencer_receipts g where g.tenant_id = ${uuidText(tenant)}
        and g.store_id = ${uuidText(store)} and g.last_sequence = v.ves_sequence))
      and v.legacy_sequence between 0 and coalesce((select current_sequence from sequence_counters
        where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}), 0) as known
    from v left join counted c using (entity_type, entity_id)
  )
  select entity_type as type, entity_id as id, version::float8, ves_sequence::float8 as ves, legacy_sequence::float8 as legacy,
    events::float8 as counted, known
  from judged where version <> events or not known order by ves_sequence limit ${TOLD_MAX}`;
