#!/usr/bin/env node
/** `stateset-sequencer-admin`: the administrative commands as a program of their own. */
import { readFileSync } from 'node:fs';
import { createAdminProgram } from './admin/program.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
await createAdminProgram('stateset-sequencer-admin', version).parseAsync();
