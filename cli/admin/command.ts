/** What all administrative commands have in common: options, output, exit codes, and how they reach the database. */
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Config, loadConfig } from '../../engine/config/index.js';
import { ServiceError, toServiceError } from '../../engine/errors/index.js';
import { decodeHex, formatMicros, formatUuid, parseInstant, parseUuid } from '../../engine/protocol/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { attachOpener } from '../../engine/store/sealed-payload.js';
import { serviceErrorOf } from '../../engine/store/service-error-of.js';
import { openVault, type Vault } from '../../engine/vault/index.js';
import { openNamedDatabase, requireKnownSchema } from '../fsck-database.js';

/** Exit codes of all administrative commands. `no`: the command worked, and its answer is no. */
export const EXIT = { ok: 0, no: 1, failed: 2, interrupted: 130 } as const;

/** What a command has to say: lines for people, an object for programs. */
export interface Outcome {
  /** Shown with `ok: ` in front of the first line, unless the exit code says otherwise. */
  readonly lines: readonly string[];
  /** Unset: the result went to stdout already. */
  readonly json?: Readonly<Record<string, unknown>>;
  /** Unset: ok. */
  readonly exitCode?: number;
}

/** What a command works with. */
export interface AdminContext {
  readonly config: Config;
  readonly sql: Sql;
  readonly target: DatabaseTarget;
  /** Seals and opens payloads; undefined where encryption is disabled. */
  readonly vault: Vault | undefined;
  /** Whether a service runs on the data directory at this moment. */
  readonly joined: boolean;
  /** Who is recorded in the audit log; undefined while it is switched off. */
  readonly actor: { readonly actor: string; readonly actorType: 'operator' } | undefined;
}

export interface CommonOptions {
  readonly databaseUrl?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

const CONNECTIONS = 4;

/** A command without database. */
export function plainCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(new Option('--json', 'the result as one JSON object'));
}

/** A command on a database. */
export function databaseCommand(name: string, description: string): Command {
  return plainCommand(name, description)
    .addOption(
      new Option(
        '--database-url <url>',
        'the database; without it DATABASE_URL, or the embedded one of the data directory',
      ),
    )
    .addOption(
      new Option('--data-dir <dir>', 'data directory with an embedded database; without it DATA_DIR'),
    );
}

/** Adds `--yes` to a command that cannot be undone. */
export const destructive = (command: Command): Command =>
  command.addOption(new Option('-y, --yes', 'do not ask'));

/** Asks before something that cannot be undone. @throws ServiceError when nobody can be asked or the answer is no */
export async function confirm(options: CommonOptions, question: string): Promise<void> {
  if (options.yes) return;
  if (!process.stdin.isTTY)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `${question} Nobody can be asked here: repeat it with --yes.`,
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new ServiceError('INVALID_FIELD_VALUE', 'Nothing was done.');
  } finally {
    terminal.close();
  }
}

/** Runs a command, prints what it says and sets the exit code. */
export async function run(options: CommonOptions, work: () => Promise<Outcome>): Promise<void> {
  try {
    const { lines, json, exitCode = EXIT.ok } = await work();
    const ok = exitCode === EXIT.ok;
    if (options.json && json !== undefined) printJson({ ok, ...json });
    else if (lines.length > 0)
      process.stdout.write(`${ok ? 'ok: ' : 'failed: '}${lines.map(printable).join('\n')}\n`);
    process.exitCode = exitCode;
  } catch (thrown) {
    const { code, message } = readableError(thrown);
    if (options.json) printJson({ ok: false, error: { code, message } });
    process.stderr.write(`error: ${printable(message)}\n`);
    process.exitCode = EXIT.failed;
  }
}

/** Runs a command on its database. */
export const runOnDatabase = (
  options: CommonOptions,
  work: (context: AdminContext) => Promise<Outcome>,
  { anySchema = false } = {},
): Promise<void> => run(options, () => onDatabase(options, work, { anySchema }));

/** Opens the database of the options and closes it afterwards. */
export async function onDatabase<Result>(
  options: CommonOptions,
  work: (context: AdminContext) => Promise<Result>,
  { anySchema = false } = {},
): Promise<Result> {
  const config = loadConfig();
  let joined = false;
  const database = await openNamedDatabase(config, options, CONNECTIONS, () => {
    joined = true;
  });
  try {
    if (!anySchema) await requireKnownSchema(database.target);
    const sql = connectDatabase(database.target, {
      max: CONNECTIONS,
      applicationName: 'stateset-sequencer admin',
      lockTimeoutMs: config.database.session.lockTimeoutMs,
    });
    try {
      const vault = openVault(sql, config.encryption);
      if (vault) attachOpener(sql, vault.opener);
      return await work({ config, sql, vault, target: database.target, joined, actor: actorOf(config) });
    } finally {
      await sql.end({ timeout: 2 });
    }
  } finally {
    await database.close();
  }
}

function actorOf({ audit }: Config): AdminContext['actor'] {
  if (!audit.enabled) return undefined;
  return { actor: `${userName()}@${hostname()}`, actorType: 'operator' };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`; // a user without a name, as in containers
  }
}

/** What the driver says of a database that cannot be reached helps; its other errors become the service's. */
function readableError(thrown: unknown): { code: string; message: string } {
  const { code, message, cause } = serviceErrorOf(toServiceError(thrown));
  const inner = cause instanceof Error ? cause : undefined;
  return code === 'INTERNAL_ERROR' || code === 'DATABASE_ERROR' || code === 'SERVICE_UNAVAILABLE'
    ? { code, message: inner?.message || (thrown instanceof Error && thrown.message) || message }
    : { code, message };
}

const printJson = (value: object): void =>
  void process.stdout.write(
    `${JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? Number(each) : each), 2)}\n`,
  );

/** Names and texts in the database come from strangers: they must not steer a terminal. */
export const printable = (text: string): string =>
  text.replace(
    /[^\P{Cc}\n\t]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );

/** Rows as aligned columns. */
export function table(header: readonly string[], rows: readonly (readonly unknown[])[]): string[] {
  const cells = [header, ...rows].map((row) => row.map((cell) => printable(String(cell ?? '-'))));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

// Arguments, checked by commander before anything else happens.

const refuse = (message: string): never => {
  throw new InvalidArgumentError(message);
};

export function uuidArgument(text: string): string {
  const bytes = parseUuid(text);
  return bytes ? formatUuid(bytes) : refuse('A UUID is needed.');
}

export const uuidsArgument = (text: string, before: readonly string[] = []): string[] => [
  ...before,
  uuidArgument(text),
];

export const wholeArgument =
  (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : refuse(`A whole number from ${min} to ${max} is needed.`);
  };

export function keyArgument(text: string): Uint8Array {
  return decodeHex(text, 32) ?? refuse('64 hexadecimal digits are needed.');
}

export function instantArgument(text: string): string {
  const micros = parseInstant(text);
  return micros === undefined || micros < 0n
    ? refuse('An RFC 3339 timestamp such as 2026-01-31T12:00:00Z is needed.')
    : formatMicros(micros);
}

export function prefixArgument(text: string): string {
  return /^[0-9a-f]{8,64}$/.test(text) ? text : refuse('8 to 64 lower-case hexadecimal digits are needed.');
}
