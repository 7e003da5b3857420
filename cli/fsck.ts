/** `stateset-sequencer fsck`: re-derives everything of a database and names the first wrong row. */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../engine/config/index.js';
import { type FsckReport, runFsck } from '../engine/fsck/index.js';
import { parseUuid } from '../engine/protocol/index.js';
import { fsckCrypto } from '../workers/fsck-crypto.js';
import { createFsckPool } from '../workers/fsck-pool.js';
import { openFsckDatabase } from './fsck-database.js';
import { createProgress, formatReport, reportJson } from './fsck-output.js';

interface Options {
  readonly databaseUrl?: string;
  readonly dataDir?: string;
  readonly tenant?: string;
  readonly store?: string;
  readonly threads?: number;
  readonly signatures: boolean;
  readonly deep: boolean;
  readonly maxFindings: number;
  readonly json: boolean;
}

const EXIT = { clean: 0, wrong: 1, failed: 2, interrupted: 130 } as const;
const FINDINGS_MAX = 20;
/** Threads at most, each with a connection, on a server that others need as well. */
const SHARED_THREADS_MAX = 8;

/** Adds the command. */
export function addFsckCommand(program: Command): void {
  program
    .command('fsck')
    .description(
      'check a database: re-derives everything that can be derived and names the first wrong row. Exit code 0: nothing is wrong, 1: something is, 2: it could not be checked',
    )
    .option(
      '--database-url <url>',
      'the database; without it DATABASE_URL, or the embedded one of the data directory',
    )
    .option('--data-dir <dir>', 'data directory with an embedded database; without it DATA_DIR')
    .option('--tenant <id>', 'look at the streams of this tenant only', uuid)
    .option('--store <id>', 'look at the streams of this store only', uuid)
    .option('--threads <count>', 'threads that check events; without it one per processor', count)
    .option('--no-signatures', 'do not verify Ed25519 signatures, which is most of the work')
    .option('--deep', 'also sort all ids and count all rows, to find what a broken index hides', false)
    .option('--max-findings <count>', 'wrong rows to list', count, FINDINGS_MAX)
    .option('--json', 'the result as one JSON object', false)
    // A mistyped option says nothing about the database.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT.failed))
    .action(async (options: Options) => {
      process.exitCode = await fsck(options);
    });
}

/** Answers the exit code. */
async function fsck(options: Options): Promise<number> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const report = await check(options, interruption.signal);
    if (report.complete && isEmptyChoice(options, report)) {
      process.stderr.write('error: there is no stream of this tenant and store\n');
      return EXIT.failed;
    }
    process.stdout.write(
      options.json ? `${JSON.stringify(reportJson(report), null, 2)}\n` : formatReport(report),
    );
    if (!report.complete) return EXIT.interrupted;
    return report.total === 0 ? EXIT.clean : EXIT.wrong;
  } catch (error) {
    if (interruption.signal.aborted) return EXIT.interrupted;
    process.stderr.write(`error: the database could not be checked: ${(error as Error).message}\n`);
    return EXIT.failed;
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

/** A mistyped id must not look like a good database. */
const isEmptyChoice = ({ tenant, store }: Options, { counts, total }: FsckReport): boolean =>
  (tenant ?? store) !== undefined &&
  total === 0 &&
  !counts.ves_sequence_counters &&
  !counts.sequence_counters;

async function check(options: Options, signal: AbortSignal): Promise<FsckReport> {
  const processors = options.threads ?? availableParallelism();
  const say = (message: string) => void process.stderr.write(`${message}\n`);
  const config = loadConfig();
  const database = await openFsckDatabase(config, options, processors, say);
  const threads =
    options.threads ?? (database.shared ? Math.min(processors, SHARED_THREADS_MAX) : processors);
  const progress = createProgress(process.stderr);
  try {
    signal.throwIfAborted();
    return await runFsck({
      target: database.target,
      crypto: fsckCrypto(),
      start: (setup) => createFsckPool(setup, threads),
      threads,
      signatures: options.signatures,
      encryption: config.encryption,
      deep: options.deep,
      filter: { tenant: options.tenant, store: options.store },
      findingsMax: options.maxFindings,
      onProgress: progress.update,
      signal,
    });
  } finally {
    progress.stop();
    await database.close();
  }
}

function uuid(text: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new InvalidArgumentError('A UUID is needed.');
  return Buffer.from(bytes).toString('hex');
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('A whole number above 0 is needed.');
  return value;
}
