import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import postgres from 'postgres';

/** Lines of `postmaster.pid`, counted from 0. */
const LINE_PORT = 3;
const LINE_SOCKET_DIR = 4;
const LINE_STATUS = 7;

/** Where the cluster of a data directory lies. */
export const clusterOf = (dataDir) => join(resolve(dataDir), 'postgres');

/**
 * One connection to the embedded server that a running service has started in a data directory.
 *
 * @param {string} dataDir the service's DATA_DIR
 * @throws when no server takes connections there
 */
export function joinServer(dataDir) {
  let lines = [];
  try {
    lines = readFileSync(join(clusterOf(dataDir), 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    // no server
  }
  if (lines[LINE_STATUS]?.trim() !== 'ready')
    throw new Error(`no embedded server runs in ${dataDir}: start the service first`);
  return postgres({
    host: lines[LINE_SOCKET_DIR].trim(),
    port: Number(lines[LINE_PORT]),
    username: 'sequencer',
    database: 'sequencer',
    max: 1,
    idle_timeout: 0,
    max_lifetime: 0, // a backup belongs to one session, however long it takes
    onnotice: () => {},
    connection: { application_name: 'stateset-sequencer backup', statement_timeout: 0 },
  });
}
