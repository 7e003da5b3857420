#!/usr/bin/env node
/** `stateset-sequencer-admin`: the administrative commands as a program of their own. */
import { readFileSync } from 'node:fs';
import { surviveLostSessions } from '../engine/store/lost-session.js';
import { createAdminProgram } from './admin/program.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
surviveLostSessions();
await createAdminProgram('stateset-sequencer-admin', version).parseAsync();
