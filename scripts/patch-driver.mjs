// Copies the PostgreSQL driver to engine/store/driver and repairs in the copy what a lost connection leaves behind in it.
//
//   node scripts/patch-driver.mjs
//
// The copy goes beside the source that imports it and to the same place below dist/. Neither is in git. Why: ADR 38.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGETS = ['engine/store/driver', 'dist/engine/store/driver'].map((path) => join(ROOT, path));
/** The version the repairs were written for. */
const VERSION = '3.4.9';

/** Each text must be in the file as often as it says. */
const REPAIRS = [
  {
    // A connection that ends between a statement and its write keeps both: the timer that no longer runs, so that
    // nothing is ever written again, and the bytes, which would go before the first ones of the next session.
    file: 'connection.js',
    find: 'clearImmediate(nextWriteTimer)\n    socket.removeListener',
    replace: 'clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n    socket.removeListener',
  },
  {
    file: 'connection.js',
    find: 'clearImmediate(nextWriteTimer)\n    if (socket) {',
    replace: 'clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n    if (socket) {',
  },
  {
    // A statement sent on a connection that has ended, by a transaction that has not noticed, fails; the process goes on.
    file: 'connection.js',
    find: 'function nextWrite(fn) {\n',
    replace:
      'function nextWrite(fn) {\n' +
      '    if (socket === null) {\n' +
      '      chunk = nextWriteTimer = null\n' +
      "      error(Errors.connection('CONNECTION_CLOSED', options))\n" +
      '      query = null\n' +
      '      return true\n' +
      '    }\n',
  },
  {
    // What the last session was asked and answered is not the next one's; and a statement that came between the socket's error
    // and its end fails as well.
    file: 'connection.js',
    find:
      'if (initial)\n      return reconnect()\n\n' +
      "    !hadError && (query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))\n",
    replace:
      'if (initial) {\n' +
      '      query = errorResponse = results = null\n' +
      '      return reconnect()\n' +
      '    }\n\n' +
      "    if (query || sent.length) error(Errors.connection('CONNECTION_CLOSED', options, socket))\n" +
      '    query = errorResponse = results = null\n',
  },
  {
    // A new session that ends while it is asked for the server's array types fails its own first statement, or tries again;
    // the question itself belongs to nobody, and its failure would end the process.
    file: 'connection.js',
    find: 'return fetchArrayTypes()\n',
    replace: 'return fetchArrayTypes().catch(noop)\n',
  },
];

/** Writes the copy unless it is there already; returns whether there was something to do. */
export function patchDriver() {
  // Its CommonJS entry is cjs/src/index.js.
  const source = join(createRequire(import.meta.url).resolve('postgres'), '../../..');
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  if (version !== VERSION)
    throw new Error(
      `the repairs are for postgres ${VERSION}; ${version} is installed: look whether it needs them`,
    );
  const stamp = createHash('sha256')
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest('hex');
  const missing = TARGETS.filter((target) => readIfThere(join(target, '.stamp')) !== stamp);
  for (const target of missing) {
    mkdirSync(target, { recursive: true });
    for (const name of readdirSync(join(source, 'src')))
      replace(join(target, name), repaired(name, readFileSync(join(source, 'src', name), 'utf8')));
    replace(join(target, '.stamp'), stamp);
  }
  return missing.length > 0;
}

function repaired(name, text) {
  return REPAIRS.filter(({ file }) => file === name).reduce((before, { find, replace }) => {
    if (before.split(find).length !== 2)
      throw new Error(`postgres/src/${name} must contain exactly once: ${find}`);
    return before.replace(find, () => replace);
  }, text);
}

const readIfThere = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** At once, so that nobody ever loads half of a file. */
function replace(path, content) {
  writeFileSync(`${path}.${process.pid}`, content);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) patchDriver();
