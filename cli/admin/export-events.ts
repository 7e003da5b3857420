import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { ServiceError } from '../../engine/errors/index.js';
import { readLegacyHead, readVesHead } from '../../engine/store/heads.js';
import {
  type AdminContext,
  type CommonOptions,
  databaseCommand,
  type Outcome,
  runOnDatabase,
  uuidArgument,
  wholeArgument,
} from './command.js';
import { exportLines } from './event-export.js';
import { createBar } from './progress.js';

interface Options extends CommonOptions {
  readonly tenantId: string;
  readonly storeId: string;
  readonly from?: number;
  readonly to?: number;
  readonly output?: string;
  readonly format: 'json' | 'ndjson';
  readonly stream: 'ves' | 'legacy';
}

/** `export-events`: a stream, or a part of it, with everything that is needed to check it or to import it. */
export const exportEventsCommand = (): Command =>
  databaseCommand('export-events', 'write a stream to a file; encrypted events go out encrypted')
    .requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument)
    .requiredOption('--store-id <uuid>', 'the store', uuidArgument)
    .option('--from <n>', 'first event; without it the first one', wholeArgument(1))
    .option('--to <n>', 'last event; without it the head', wholeArgument(1))
    .option('--output <file>', 'where to; without it stdout')
    .addOption(
      new Option('--format <format>', 'ndjson can be imported again; json is one object')
        .choices(['json', 'ndjson'])
        .default('ndjson'),
    )
    .addOption(
      new Option('--stream <kind>', 'which of the two streams').choices(['ves', 'legacy']).default('ves'),
    )
    .action((options: Options) => runOnDatabase(options, (context) => exportEvents(context, options)));

async function exportEvents({ sql }: AdminContext, options: Options): Promise<Outcome> {
  const { tenantId, storeId, stream: kind } = options;
  const head = await (kind === 'ves' ? readVesHead : readLegacyHead)(sql, tenantId, storeId);
  if (head === 0n)
    throw new ServiceError('RESOURCE_NOT_FOUND', `The ${kind} stream ${tenantId}/${storeId} has no events`);
  const from = BigInt(options.from ?? 1);
  const to = options.to === undefined || BigInt(options.to) > head ? head : BigInt(options.to);
  if (from > to) throw new ServiceError('INVALID_FIELD_VALUE', `--from must not be above ${to}`);

  const out =
    options.output === undefined
      ? process.stdout
      : createWriteStream(options.output, { flags: 'wx', mode: 0o600 });
  const failed = new Promise<never>((_, reject) => out.once('error', reject));
  failed.catch(() => {});
  const write = async (text: string) => {
    if (!out.write(text)) await Promise.race([once(out, 'drain'), failed]);
  };
  const bar = createBar('events', Number(to - from) + 1);
  const lines = exportLines(sql, { kind, tenantId, storeId, from, to, head });
  let events = 0;
  try {
    const asJson = options.format === 'json' ? jsonWriter(write) : undefined;
    for await (const line of lines) {
      if (line.kind === 'event') bar.update(++events);
      if (asJson) await asJson.line(line.kind, line.text);
      else await write(`${line.text}\n`);
    }
    await asJson?.end();
  } finally {
    bar.stop();
  }
  if (out === process.stdout) return { lines: [] };
  out.end();
  await Promise.race([finished(out as NodeJS.WritableStream), failed]);
  return {
    lines: [`${events} events (${from} to ${to} of ${head}) in ${options.output}`],
    json: { events, from, to, head, output: options.output },
  };
}

/** One object: `records` and `events`, each in the order of the export. Events stream out; the few records wait. */
function jsonWriter(write: (text: string) => Promise<void>) {
  const records: string[] = [];
  let events = 0;
  return {
    async line(kind: 'record' | 'event', text: string): Promise<void> {
      if (kind === 'record') records.push(text);
      else await write(`${events++ === 0 ? '{"events":[\n' : ',\n'}${text}`);
    },
    end: () => write(`${events === 0 ? '{"events":[' : '\n'}],"records":[\n${records.join(',\n')}\n]}\n`),
  };
}
