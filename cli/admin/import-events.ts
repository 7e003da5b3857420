import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { ServiceError } from '../../engine/errors/index.js';
import { appendAudit } from '../../engine/store/audit-log.js';
import { readLegacyHead, readVesHead } from '../../engine/store/heads.js';
import type { Sealer } from '../../engine/vault/index.js';
import {
  type AdminContext,
  type CommonOptions,
  databaseCommand,
  type Outcome,
  runOnDatabase,
} from './command.js';
import { EXPORT_FORMAT, type ExportRecord, type GroupRecord } from './event-export.js';
import {
  bytesOf,
  createEventImporter,
  type EventImporter,
  type ImportGroup,
  microsOf,
} from './event-import.js';
import { importAgentKeys, importKeyOf, importSequencerKeys } from './import-keys.js';
import { createBar } from './progress.js';

type Header = Extract<ExportRecord, { record: 'export' }>;

/** `import-events`: an exported stream into a database that does not have it, with the same numbers, receipts and roots. */
export const importEventsCommand = (): Command =>
  databaseCommand(
    'import-events',
    'read a stream that export-events wrote; every event is verified anew and keeps its number, or nothing is written',
  )
    .requiredOption('--input <file>', 'NDJSON of export-events')
    .action((options: CommonOptions & { input: string }) =>
      runOnDatabase(options, (context) => importEvents(context, options.input)),
    );

async function importEvents(context: AdminContext, input: string): Promise<Outcome> {
  const { sql, actor } = context;
  const lines = createInterface({ input: createReadStream(input), crlfDelay: Number.POSITIVE_INFINITY })[
    Symbol.asyncIterator
  ]();
  const header = await readHeader(lines);
  const { kind, tenant_id: tenantId, store_id: storeId, from, to } = header;
  const head = await (kind === 'ves' ? readVesHead : readLegacyHead)(sql, tenantId, storeId);
  if (head !== BigInt(from) - 1n)
    throw new ServiceError(
      'SEQUENCE_GAP',
      `The file begins at event ${from}, and the stream in this database ends at ${head}: events are never renumbered`,
    );
  const keys = { sequencer: [] as ExportRecord[], agent: [] as ExportRecord[] };
  const bar = createBar('events', to - from + 1);
  let importer: EventImporter | undefined;
  let events = 0;
  try {
    for await (const each of readGroups(lines, header, keys)) {
      importer ??= await begin(context, header, keys);
      await importer.add(each);
      events += each.events.length;
      bar.update(events);
    }
  } finally {
    bar.stop();
    await importer?.close();
  }
  if (events !== to - from + 1)
    throw new ServiceError(
      'SEQUENCE_GAP',
      `The file ends after ${events} events; the events ${from} to ${to} were announced`,
    );
  if (actor !== undefined)
    await sql.begin((tx) =>
      appendAudit(tx, {
        action: 'custom:events_imported',
        tenantId,
        resourceType: `${kind}_stream`,
        resourceId: storeId,
        ...actor,
        details: { from, to },
      }),
    );
  return {
    lines: [`${events} events imported with the numbers ${from} to ${to}, each verified`],
    json: { events, from, to, tenant_id: tenantId, store_id: storeId, kind },
  };
}

async function begin(
  { sql, target, vault }: AdminContext,
  { kind, tenant_id: tenantId, store_id: storeId }: Header,
  keys: { readonly sequencer: readonly ExportRecord[]; readonly agent: readonly ExportRecord[] },
): Promise<EventImporter> {
  const agentKeys = keys.agent.filter((key) => key.record === 'agent_key');
  await importSequencerKeys(
    sql,
    keys.sequencer.filter((key) => key.record === 'sequencer_key'),
  );
  await importAgentKeys(sql, tenantId, agentKeys);
  return createEventImporter({
    ...{ target, kind, tenantId, storeId, keys: agentKeys.map(importKeyOf) },
    findSealer: () => findSealer(vault, tenantId),
  });
}

/** Where payloads are to be sealed, none is stored in clear text. */
async function findSealer(vault: AdminContext['vault'], tenantId: string): Promise<Sealer | undefined> {
  if (vault === undefined) return undefined;
  const tenant = tenantId.replaceAll('-', '');
  const sealer = (await vault.sealers.find([tenant])).get(tenant);
  if (sealer === undefined)
    throw new ServiceError('ENCRYPTION_ERROR', 'There is no key to seal payloads with');
  if (sealer instanceof ServiceError) throw sealer;
  return sealer;
}

async function readHeader(lines: AsyncIterator<string>): Promise<Header> {
  const { value } = await lines.next();
  const header = parse(value ?? '') as Partial<Header>;
  if (header.record !== 'export' || header.format !== EXPORT_FORMAT)
    throw new ServiceError(
      'INVALID_REQUEST_BODY',
      `The file is not an export of this version: its first line must have "record":"export" and "format":${EXPORT_FORMAT}. Exports with --format json are for reading only.`,
    );
  return header as Header;
}

/** The events group by group. Keys stand in front of the first event and are collected on the way. */
async function* readGroups(
  lines: AsyncIterator<string>,
  header: Header,
  keys: { readonly sequencer: ExportRecord[]; readonly agent: ExportRecord[] },
): AsyncGenerator<ImportGroup> {
  const { kind, from } = header;
  let events: string[] = [];
  let next = from;
  let at = 0n;
  const flush = (): ImportGroup => {
    const group = { events, first: next, last: next + events.length - 1, sequencedAtMicros: at };
    next += events.length;
    events = [];
    return group;
  };
  for (;;) {
    const { value: text, done } = await lines.next();
    if (done) break;
    if (text.trim() === '') continue;
    const parsed = parse(text);
    if ('record' in parsed) {
      const record = parsed as ExportRecord;
      if (record.record === 'sequencer_key') keys.sequencer.push(record);
      else if (record.record === 'agent_key') keys.agent.push(record);
      else if (record.record === 'group') yield withReceipt(flush(), record);
      continue;
    }
    requirePayload(parsed, next + events.length);
    const sequencedAt = microsOf(
      (parsed as { sequenced_at?: unknown }).sequenced_at,
      `sequenced_at of event ${next}`,
    );
    // A legacy stream has no groups of its own; its events of one group have one instant.
    if (kind === 'legacy' && events.length > 0 && sequencedAt !== at) yield flush();
    at = sequencedAt;
    events.push(kind === 'ves' ? text : envelopeText(text));
  }
  if (kind === 'legacy' && events.length > 0) yield flush();
  if (events.length > 0)
    throw new ServiceError(
      'INVALID_REQUEST_BODY',
      `The events from ${next} on belong to a group that the file does not hold whole: export up to the end of a group, or to the head`,
    );
}

function withReceipt(group: ImportGroup, record: GroupRecord): ImportGroup {
  if (group.first !== record.first_sequence || group.last !== record.last_sequence)
    throw new ServiceError(
      'INVALID_REQUEST_BODY',
      `The file has the events ${group.first} to ${group.last} where a group of ${record.first_sequence} to ${record.last_sequence} ends: begin the export at the start of a group`,
    );
  return {
    ...group,
    sequencedAtMicros: microsOf(record.sequenced_at, 'sequenced_at of a group'),
    receipt: {
      sequencerId: record.sequencer_id,
      keyVersion: record.sequencer_key_version,
      root: bytesOf(record.root_hash, 'root_hash of a group'),
    },
  };
}

/** Without its payload an event cannot be verified anew. */
function requirePayload(event: { envelope?: object; payload_erased?: unknown }, sequence: number): void {
  if ('payload_erased' in (event.envelope ?? event))
    throw new ServiceError(
      'INVALID_REQUEST_BODY',
      `The payload of event ${sequence} was erased, so that the event cannot be verified: a stream with erased payloads moves to another database only with a copy of the whole database`,
    );
}

/** The envelope within `{"envelope":…,"sequenced_at":…}`, character by character: its number tokens are what was hashed. */
function envelopeText(text: string): string {
  const end = text.lastIndexOf(',"sequenced_at":');
  if (!text.startsWith('{"envelope":') || end < 0)
    throw new ServiceError('INVALID_REQUEST_BODY', 'A line is not a legacy event as export-events writes it');
  return text.slice('{"envelope":'.length, end);
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // told below
  }
  throw new ServiceError(
    'INVALID_REQUEST_BODY',
    `The file has a line that is not a JSON object: ${text.slice(0, 60)}`,
  );
}
