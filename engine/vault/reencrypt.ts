/**
 * Re-encryption of stored events with the tenants' current keys, while the service runs. Streams are walked from their beginning in
 * batches; each batch is one transaction together with the place it has reached, so that a job which is interrupted goes on where it was.
 * Events stored meanwhile are sealed with the current key already, or come behind that place.
 */
import { ServiceError } from '../errors/index.js';
import type { Sql, TransactionSql } from '../store/connection.js';
import { copyOut } from '../store/copy-out.js';
import { createTupleReader } from '../store/copy-tuples.js';
import { literal } from '../store/id-text.js';
import { EVENT_TABLES, type EventTable, payloadOf, placeOfTuple } from '../store/sealed-tuples.js';
import { recordAct } from './acts.js';
import { readCurrentKeys, readDataKeyVersions } from './key-rows.js';
import { dataKeyIdOf, recordVersion } from './record.js';
import { type ResealedRow, resealRow, type StoredRow } from './reseal-row.js';
import type { Sealer } from './sealer.js';
import type { Vault } from './vault.js';

export interface ReencryptOptions {
  readonly table: EventTable;
  /** 32 hex digits; unset: all. */
  readonly tenant?: string | undefined;
  readonly store?: string | undefined;
  /** Events looked at in one transaction. */
  readonly batchSize: number;
  /** Events re-encrypted at most. */
  readonly limit?: number | undefined;
  /** Looks and counts, changes nothing. */
  readonly dryRun?: boolean;
  /** Also what is sealed with the current key already, from the beginning. */
  readonly force?: boolean;
  readonly actor: string;
  readonly onProgress?: (report: ReencryptReport) => void;
  readonly signal?: AbortSignal;
}

export interface ReencryptReport {
  readonly streams: number;
  readonly scanned: number;
  readonly reencrypted: number;
  /** Sealed with the current key already. */
  readonly current: number;
  /** Erased payloads, of which nothing is left to encrypt. */
  readonly erased: number;
  /** Rows that are not what they should be, left as they are: at most {@link FAULTS_MAX} are named. */
  readonly faults: readonly string[];
  readonly faulty: number;
  /** Whether every stream was walked to its end. */
  readonly complete: boolean;
}

export const FAULTS_MAX = 100;
/** A batch ends early at this many bytes of payloads. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

type Report = { -readonly [Name in keyof ReencryptReport]: ReencryptReport[Name] } & { faults: string[] };

interface Stream {
  readonly tenant: string;
  readonly store: string;
}

/** A stream being walked. */
interface Walk extends Stream {
  /** The number behind which the next batch begins; undefined: where the last job stopped. */
  from: bigint | undefined;
  /** The first row that could not be done: the recorded place stays in front of it, so that the next job tries again. */
  firstFault: bigint | undefined;
}

/** @throws ServiceError ENCRYPTION_ERROR when a tenant's current key is not to be had; streams before it are done */
export async function reencryptEvents(
  sql: Sql,
  vault: Vault,
  options: ReencryptOptions,
): Promise<ReencryptReport> {
  const report: Report = {
    ...{ streams: 0, scanned: 0, reencrypted: 0, current: 0, erased: 0, faults: [], faulty: 0 },
    complete: false,
  };
  let complete = true;
  for (const stream of await listStreams(sql, options)) {
    if (!(await walkStream(sql, vault, options, stream, report))) complete = false;
    report.streams++;
    options.onProgress?.(report);
    if (isOver(options, report)) break;
  }
  report.complete = complete && !options.signal?.aborted;
  if (report.reencrypted > 0 && !options.dryRun) {
    const { streams, scanned, reencrypted, faulty } = report;
    const detail = {
      stream: options.table,
      streams,
      scanned,
      reencrypted,
      faulty,
      complete: report.complete,
    };
    await recordAct(sql, 'events-reencrypted', options.actor, options.tenant ?? null, detail);
  }
  return report;
}

const isOver = ({ limit, signal }: ReencryptOptions, { reencrypted }: ReencryptReport): boolean =>
  signal?.aborted === true || (limit !== undefined && reencrypted >= limit);

async function listStreams(sql: Sql, { table, tenant, store }: ReencryptOptions): Promise<Stream[]> {
  const counters = table === 'ves' ? sql`ves_sequence_counters` : sql`sequence_counters`;
  const rows = await sql<Stream[]>`
    select replace(tenant_id::text, '-', '') as tenant, replace(store_id::text, '-', '') as store from ${counters}
    where current_sequence > 0 and (${tenant ?? null}::uuid is null or tenant_id = ${tenant ?? null}::uuid)
      and (${store ?? null}::uuid is null or store_id = ${store ?? null}::uuid)
    order by tenant_id, store_id`;
  return [...rows];
}

/** Walks one stream; answers whether it came to the end. */
async function walkStream(
  sql: Sql,
  vault: Vault,
  options: ReencryptOptions,
  stream: Stream,
  report: Report,
): Promise<boolean> {
  const walk: Walk = { ...stream, from: options.force ? 0n : undefined, firstFault: undefined };
  for (;;) {
    if (isOver(options, report)) return false;
    const reached = await step(sql, vault, options, walk, report);
    if (reached === undefined) return true;
    walk.from = reached;
    options.onProgress?.(report);
  }
}

/** One batch. Answers the number it has reached; undefined at the end of the stream. */
async function step(
  sql: Sql,
  vault: Vault,
  options: ReencryptOptions,
  stream: Walk,
  report: Report,
): Promise<bigint | undefined> {
  const { table, dryRun = false, force = false } = options;
  // Keys first: they must be in the database, committed, before a row refers to them.
  const sealer = dryRun ? undefined : (await vault.sealers.find([stream.tenant])).get(stream.tenant);
  if (sealer instanceof ServiceError) throw sealer;
  const target = sealer?.keyVersion ?? (await readCurrentKeys(sql, [stream.tenant]))[0]?.version ?? 1;
  const versions = await readDataKeyVersions(sql, stream.tenant);
  return sql.begin(async (tx) => {
    const place = await lockPlace(tx, table, stream, target, dryRun);
    const from = stream.from ?? place;
    const rows = await readBatch(tx, options, stream, from);
    const last = rows.at(-1)?.place.sequence;
    if (last === undefined) return undefined;
    const wanted = rows.filter(({ payload }) => force || !isCurrent(payload, versions, target));
    const room = options.limit === undefined ? wanted.length : options.limit - report.reencrypted;
    const taken = wanted.slice(0, room);
    // Where the limit cuts the batch, the place reached is in front of the first event left out.
    const left = wanted[room]?.place.sequence;
    const reached = left === undefined ? last : left - 1n;
    const resealed = dryRun ? [] : await reseal(vault, options, stream, sealer!, taken, report);
    if (!dryRun) {
      await update(tx, table, stream, resealed);
      const { firstFault } = stream;
      await movePlace(tx, table, stream, target, firstFault === undefined ? reached : firstFault - 1n);
    }
    const scanned = rows.filter(({ place: { sequence } }) => sequence! <= reached).length;
    report.scanned += scanned;
    report.reencrypted += dryRun ? taken.length : resealed.length;
    report.current += scanned - taken.length;
    return reached > from ? reached : undefined;
  });
}

function isCurrent(payload: Uint8Array, versions: ReadonlyMap<string, number>, target: number): boolean {
  return recordVersion(payload) === 2 && (versions.get(dataKeyIdOf(payload)) ?? target) >= target;
}

async function reseal(
  vault: Vault,
  options: ReencryptOptions,
  stream: Walk,
  sealer: Sealer,
  rows: readonly StoredRow[],
  report: Report,
): Promise<ResealedRow[]> {
  const tenant = Buffer.from(stream.tenant, 'hex');
  const keys = await vault.opener.keysFor(rows.map(({ payload }) => ({ tenant, record: payload })));
  const resealed: ResealedRow[] = [];
  for (const row of rows) {
    try {
      const fresh = resealRow(options.table, row, keys, sealer);
      if (fresh) resealed.push(fresh);
      else report.erased++;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      report.faulty++;
      stream.firstFault ??= row.place.sequence;
      if (report.faults.length < FAULTS_MAX)
        report.faults.push(`${stream.tenant}/${stream.store}: ${error.message}`);
    }
  }
  return resealed;
}

/** The rows behind `after`, with memory of their own. COPY takes no parameters: the values are checked hex and integers. */
async function readBatch(
  tx: TransactionSql,
  { table, batchSize }: ReencryptOptions,
  { tenant, store }: Stream,
  after: bigint,
): Promise<StoredRow[]> {
  const { columns, columnCount, table: name } = EVENT_TABLES[table];
  const rows: StoredRow[] = [];
  const statement = tx.unsafe(`copy (select ${columns} from (
      select *, sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as bytes_before from (
        select * from ${name} where tenant_id = '${tenant}'::uuid and store_id = '${store}'::uuid and sequence_number > ${after}
        order by sequence_number limit ${batchSize}
      ) page
    ) measured where bytes_before < ${BATCH_BYTES_MAX} order by sequence_number) to stdout (format binary)`);
  await copyOut(
    statement,
    createTupleReader(columnCount, (shared) => {
      const { start, end, at, length } = shared;
      const bytes = Buffer.from(shared.bytes.subarray(start, end));
      const tuple = {
        ...{ bytes, start: 0, end: end - start },
        at: at.map((each) => each - start),
        length: length.slice(),
      };
      rows.push({ tuple, place: placeOfTuple(table, tuple), payload: payloadOf(table, tuple) });
    }),
  );
  return rows;
}

/** How far the stream is done for this version of the key. The row's lock keeps a second job waiting. */
async function lockPlace(
  tx: TransactionSql,
  table: EventTable,
  { tenant, store }: Stream,
  version: number,
  dryRun: boolean,
): Promise<bigint> {
  if (!dryRun)
    await tx`insert into vault_reencryptions (tenant_id, store_id, stream, key_version, sequence_number)
      values (${tenant}::uuid, ${store}::uuid, ${table}, ${version}, 0) on conflict do nothing`;
  type Row = { version: number; sequence: bigint };
  const condition = tx`tenant_id = ${tenant}::uuid and store_id = ${store}::uuid and stream = ${table}`;
  const [row] = await tx<
    Row[]
  >`select key_version as version, sequence_number as sequence from vault_reencryptions
    where ${condition} ${dryRun ? tx`` : tx`for update`}`;
  return row !== undefined && row.version === version ? row.sequence : 0n;
}

async function movePlace(
  tx: TransactionSql,
  table: EventTable,
  { tenant, store }: Stream,
  version: number,
  reached: bigint,
): Promise<void> {
  await tx`update vault_reencryptions set key_version = ${version}, sequence_number = ${reached}, updated_at = now()
    where tenant_id = ${tenant}::uuid and store_id = ${store}::uuid and stream = ${table}`;
}

/** By the primary key; a row whose payload is not the one that was read is left alone, and the batch is given up. */
async function update(
  tx: TransactionSql,
  table: EventTable,
  { tenant, store }: Stream,
  rows: readonly ResealedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx`set local vault.reseal = 'on'`;
  const { count } = await tx`
    update ${table === 'ves' ? tx`ves_events` : tx`events`} e set payload = v.payload, row_check = v.row_check
    from unnest(${literal(rows.map(({ sequence }) => String(sequence)))}::text::int8[], ${rows.map((row) => row.payload)}::text[],
      ${literal(rows.map(({ rowCheck }) => (rowCheck === null ? 'null' : String(rowCheck))))}::text::int4[],
      ${rows.map((row) => row.oldPayload)}::text[]) as v(sequence_number, payload, row_check, old_payload)
    where e.tenant_id = ${tenant}::uuid and e.store_id = ${store}::uuid and e.sequence_number = v.sequence_number
      and e.payload = v.old_payload`;
  if (count !== rows.length)
    throw new ServiceError(
      'INTERNAL_ERROR',
      'Events changed while they were being re-encrypted: run the job again',
    );
}
