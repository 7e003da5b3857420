#!/usr/bin/env node
import { Command } from 'commander';
import { formatConfigHelp } from '../engine/config/index.js';
import { createAdminProgram } from './admin/program.js';
import { addAgentCommands } from './agent.js';
import { addFsckCommand } from './fsck.js';
import { addSequencerKeyCommands } from './sequencer-key.js';
import { addVerifyCommand } from './verify.js';
import { VERSION } from './version.js';

const program = new Command('stateset-sequencer')
  .description(
    'A verifiable event sequencer: signed events in, one gap-free order per stream, provable offline.',
  )
  .version(VERSION);

program
  .command('serve', { isDefault: true })
  .description('start the service (configured by environment variables)')
  .addHelpText('after', () => `\nEnvironment variables:\n${formatConfigHelp()}`)
  // What the service needs takes a second to load; other commands should not wait for it.
  .action(async () => (await import('./serve.js')).serve());

addAgentCommands(program);
addSequencerKeyCommands(program);
addVerifyCommand(program);
addFsckCommand(program);

program.addCommand(createAdminProgram('admin', VERSION));

await program.parseAsync();
