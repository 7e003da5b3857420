/** `audit list|export|verify`. */
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { type AuditFilter, auditLine, createAuditLog, verifyAuditLines } from '../../engine/audit/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import {
  type AdminContext,
  type CommonOptions,
  databaseCommand,
  EXIT,
  instantArgument,
  keyArgument,
  type Outcome,
  run,
  runOnDatabase,
  table,
  uuidArgument,
  wholeArgument,
} from './command.js';
import { createBar } from './progress.js';

const PAGE = 1000;
const LIST_DEFAULT = 50;
const FAULTS_MAX = 20;

interface FilterOptions extends CommonOptions {
  readonly tenantId?: string;
  readonly action?: string;
  readonly actor?: string;
  readonly resourceType?: string;
  readonly resourceId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly output?: string;
}

export const auditCommand = (): Command =>
  new Command('audit')
    .description('the log of administrative acts')
    .addCommand(list())
    .addCommand(exportLog())
    .addCommand(verify());

const filtered = (command: Command): Command =>
  command
    .option('--tenant-id <uuid>', 'only acts on this tenant', uuidArgument)
    .option('--action <name>', 'only this action')
    .option('--actor <name>', 'only acts of this actor')
    .option('--resource-type <type>', 'only acts on resources of this type')
    .option('--resource-id <id>', 'only acts on this resource')
    .option('--from <time>', 'RFC 3339, inclusive', instantArgument)
    .option('--to <time>', 'RFC 3339, exclusive', instantArgument);

const filterOf = ({
  tenantId,
  action,
  actor,
  resourceType,
  resourceId,
  from,
  to,
}: FilterOptions): AuditFilter => ({
  tenantId,
  action,
  actor,
  resourceType,
  resourceId,
  from,
  to,
});

const list = () =>
  filtered(databaseCommand('list', 'the latest acts'))
    .option('--limit <n>', 'records to list', wholeArgument(1, PAGE), LIST_DEFAULT)
    .action((options: FilterOptions) =>
      runOnDatabase(options, async ({ sql }) => {
        const found = await createAuditLog({ sql }).list(filterOf(options), { limit: options.limit });
        const records = found.map(auditLine);
        const rows = records.map((each) => [
          each.sequence,
          each.timestamp,
          each.action,
          `${each.actor_type} ${each.actor}`,
          `${each.resource_type} ${each.resource_id ?? ''}`,
          each.success ? 'done' : each.error_message,
        ]);
        const header = ['number', 'time', 'action', 'actor', 'resource', 'result'];
        return {
          lines: [`${records.length} records`, ...(records.length > 0 ? table(header, rows) : [])],
          json: { count: records.length, records },
        };
      }),
    );

const exportLog = () =>
  filtered(databaseCommand('export', 'the log as NDJSON, in the order of its chain'))
    .option('--output <file>', 'where to; without it stdout')
    .action((options: FilterOptions) => runOnDatabase(options, (context) => exportTo(context, options)));

async function exportTo({ sql }: AdminContext, options: FilterOptions): Promise<Outcome> {
  const audit = createAuditLog({ sql });
  const out =
    options.output === undefined
      ? process.stdout
      : createWriteStream(options.output, { flags: 'wx', mode: 0o600 });
  const bar = createBar('records', 0);
  let count = 0;
  let cursor: string | undefined;
  try {
    for (;;) {
      const page = await audit.list(filterOf(options), { limit: PAGE, order: 'asc', cursor });
      for (const entry of page) out.write(`${JSON.stringify(auditLine(entry))}\n`);
      count += page.length;
      bar.update(count);
      cursor = page.at(-1)?.id;
      if (page.length < PAGE) break;
    }
  } finally {
    bar.stop();
  }
  if (out === process.stdout) return { lines: [] };
  out.end();
  await finished(out as NodeJS.WritableStream);
  return {
    lines: [`${count} records in ${options.output}`],
    json: { records: count, output: options.output },
  };
}

const verify = () =>
  databaseCommand(
    'verify',
    're-derive the chain of the log; exit code 1 when a record was changed or is missing',
  )
    .addOption(new Option('--file <file>', 'verify an exported file instead of the database'))
    .option(
      '--expect-head <hex>',
      'hash of a record that must be in the chain, kept from an earlier run',
      keyArgument,
    )
    .action((options: CommonOptions & { file?: string; expectHead?: Uint8Array }) =>
      options.file === undefined
        ? runOnDatabase(options, (context) => verifyDatabase(context, options.expectHead))
        : run(options, () => verifyFile(options.file!)),
    );

/** Verifies the log of a database. */
export async function verifyDatabase(
  { sql }: Pick<AdminContext, 'sql'>,
  expectHead?: Uint8Array,
): Promise<Outcome> {
  const bar = createBar('records', 0);
  const verdict = await createAuditLog({ sql })
    .verify(FAULTS_MAX, bar.update)
    .finally(() => bar.stop());
  const head = encodeHex(verdict.head);
  const faults = verdict.faults.map((each) => `record ${each.sequence}: ${each.message} (${each.column})`);
  if (expectHead !== undefined) {
    const [known] = await sql`select 1 from audit_log where hash = ${expectHead}`;
    if (known === undefined) faults.push(`no record has the hash ${encodeHex(expectHead)}`);
  }
  return {
    lines:
      faults.length === 0
        ? [`${verdict.records} records, chain intact, head ${head}`]
        : [`the audit log is not what was written`, ...faults],
    json: { records: verdict.records, head, faults },
    ...(faults.length === 0 ? {} : { exitCode: EXIT.no }),
  };
}

async function verifyFile(file: string): Promise<Outcome> {
  const { records, head, fault } = await verifyAuditLines(
    createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY }),
  );
  if (fault === undefined)
    return { lines: [`${records} records, chain intact, head ${head}`], json: { records, head } };
  return {
    lines: [`line ${fault.line}: ${fault.message}`],
    json: { records, head, fault },
    exitCode: EXIT.no,
  };
}
