/** The administrative commands as one tree: `stateset-sequencer-admin …` and `stateset-sequencer admin …`. */
import { Command } from 'commander';
import { addReencryptCommands } from '../vault/commands.js';
import { agentKeyCommands } from './agent-keys.js';
import { agentsCommand } from './agents.js';
import { apiKeysCommand } from './api-keys.js';
import { auditCommand } from './audit.js';
import { chainCommands } from './chains.js';
import { EXIT, plainCommand, run, table } from './command.js';
import { commitCommands } from './commitments.js';
import { completionScript, SHELLS, type Shell } from './completion.js';
import { doctorCommand } from './doctor.js';
import { exportEventsCommand } from './export-events.js';
import { importEventsCommand } from './import-events.js';
import { migrateCommand } from './migrate.js';
import { verifyProofCommand } from './verify-proof.js';

const EXIT_CODES = `
Exit codes: 0 done, 1 the answer is no (a proof does not hold, a chain is broken, doctor found a problem),
2 it could not be done (wrong arguments, no database, refused), 130 interrupted.

The database: --database-url, else --data-dir, else DATABASE_URL, else the embedded one of DATA_DIR.`;

/**
 * Builds the tree.
 *
 * @param name how it is called: a program of its own, or a command of another
 */
export function createAdminProgram(name: string, version: string): Command {
  const program = new Command(name)
    .description('administration of a sequencer on its database')
    .version(version, '-V, --version')
    .option('-v', 'the same as --version')
    .on('option:v', () => {
      process.stdout.write(`${version}\n`);
      process.exit(EXIT.ok);
    })
    .addHelpText('after', EXIT_CODES);
  const commands = [
    migrateCommand(),
    doctorCommand(),
    verifyProofCommand(),
    exportEventsCommand(),
    importEventsCommand(),
    ...agentKeyCommands(),
    apiKeysCommand(),
    agentsCommand(),
    ...chainCommands(),
    ...commitCommands(),
    auditCommand(),
    commandsCommand(program),
    versionCommand(version),
    completionCommand(program),
  ];
  for (const command of commands) program.addCommand(command);
  addReencryptCommands(program);
  program.addHelpCommand('help [command]', 'what a command does and takes');
  for (const command of everyCommand(program)) exitWithUsage(command);
  return program;
}

/** A mistyped option is no answer of the command: it has a code of its own. */
const exitWithUsage = (command: Command): Command =>
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.failed));

/** The command and all below it. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Path and command of everything that can be called. */
export const leafCommands = (program: Command, path: readonly string[] = []): [string, Command][] =>
  program.commands.flatMap((command): [string, Command][] =>
    command.commands.length > 0
      ? leafCommands(command, [...path, command.name()])
      : [[[...path, command.name()].join(' '), command]],
  );

const commandsCommand = (program: Command): Command =>
  plainCommand('commands', 'list all commands').action((options: { json?: boolean }) =>
    run(options, async () => {
      const all = leafCommands(program).map(([path, command]) => ({
        command: path,
        description: command.description(),
      }));
      return {
        lines: [
          `${all.length} commands`,
          ...table(
            ['command', 'does'],
            all.map((each) => [each.command, each.description]),
          ),
        ],
        json: { commands: all },
      };
    }),
  );

const versionCommand = (version: string): Command =>
  plainCommand('version', 'print the version').action((options: { json?: boolean }) => {
    process.stdout.write(options.json ? `${JSON.stringify({ ok: true, version })}\n` : `${version}\n`);
  });

const completionCommand = (program: Command): Command =>
  new Command('completion')
    .description('print a completion script for a shell; see docs/admin.md for where it goes')
    .argument('<shell>', SHELLS.join(', '))
    .action((shell: string, _: unknown, command: Command) => {
      if (!SHELLS.includes(shell as Shell))
        command.error(`error: the shell must be one of ${SHELLS.join(', ')}`);
      process.stdout.write(completionScript(program, shell as Shell));
    });
