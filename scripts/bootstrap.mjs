// Runs any part of the project from a fresh clone with one command: installs the locked dependencies if they are missing
// or outdated, compiles if the sources have changed, then hands over.
//
//   node scripts/bootstrap.mjs <start|test|demo|bench|simulate|fuzz:ed25519|loadtest|loadtest:prepare|docs> [arguments]
//
// Plain Node without dependencies, because it runs before there are any.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(ROOT, ...parts);

/** Command -> what to run, as arguments for node. */
const COMMANDS = {
  start: ['dist/cli/main.js', 'serve'],
  test: ['node_modules/vitest/vitest.mjs', 'run'],
  demo: ['dist/cli/demo.js'],
  bench: ['dist/bench/main.js'],
  simulate: ['dist/cli/simulate.js'],
  'fuzz:ed25519': ['dist/test/ed25519/fuzz-main.js'],
  loadtest: ['dist/loadtest/main.js'],
  'loadtest:prepare': ['dist/loadtest/prepare-main.js'],
  docs: ['scripts/generate-docs.mjs'],
};

const NODE_MINIMUM = [20, 19];
const SOURCE_ROOMS = ['engine', 'workers', 'gateway', 'cli', 'agent', 'bench', 'loadtest', 'test/ed25519'];
const BUILD_INPUTS = [
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
  'scripts/build-wasm.mjs',
  'scripts/patch-driver.mjs',
];
/** What scripts make for the TypeScript sources, beside them and below dist/. */
const MADE_FILES = [
  'engine/store/driver/index.js',
  'engine/ed25519/engine.wasm',
  'engine/sha256/rows.wasm',
].flatMap((path) => [at(path), at('dist', path)]);
const INSTALL_STAMP = at('node_modules', '.bootstrap-stamp');
const BUILD_STAMP = at('dist', '.build-stamp');
const LOCK = at('dist', '.bootstrap-lock');
const LOCK_AGE_MAX_MS = 20 * 60_000;
const LOCK_POLL_MS = 100;
const PARENT_POLL_MS = 100;

const [command = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(COMMANDS, command)) {
  console.error(`usage: node scripts/bootstrap.mjs <${Object.keys(COMMANDS).join('|')}> [arguments]`);
  process.exit(2);
}
checkNode();
await prepare();
handOver([...COMMANDS[command].map((part, index) => (index === 0 ? at(part) : part)), ...args]);

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [majorMin, minorMin] = NODE_MINIMUM;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return;
  console.error(`Node ${NODE_MINIMUM.join('.')} or newer is needed; this is ${process.versions.node}.`);
  process.exit(1);
}

/** Installs and compiles, one process at a time per clone; does nothing when everything is current. */
async function prepare() {
  if (isInstalled() && isBuilt()) return;
  const unlock = await lock();
  try {
    if (!isInstalled()) step('installed dependencies', install);
    if (!isBuilt()) step('compiled', build);
  } finally {
    unlock();
  }
}

function step(what, work) {
  const begin = performance.now();
  const failure = work();
  if (failure) {
    console.error(failure);
    rmSync(LOCK, { force: true });
    process.exit(1);
  }
  console.error(`${what} in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

function hash(...texts) {
  const digest = createHash('sha256');
  for (const text of texts) digest.update(text).update('\0');
  return digest.digest('hex');
}

/** A native binary for another platform or Node generation is no use, so both belong to the stamp. */
function installStamp() {
  return hash(
    readFileSync(at('package-lock.json')),
    process.platform,
    process.arch,
    process.versions.modules,
  );
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function isInstalled() {
  const stamp = installStamp();
  if (readIfThere(INSTALL_STAMP) === stamp) return true;
  if (existsSync(INSTALL_STAMP) || !matchesLock()) return false;
  writeFileSync(INSTALL_STAMP, stamp); // somebody ran `npm ci` by hand
  return true;
}

/** Whether npm's own record of what it installed agrees with the lock file. */
function matchesLock() {
  const record = readIfThere(at('node_modules', '.package-lock.json'));
  if (record === undefined) return false;
  const installed = JSON.parse(record).packages;
  const wanted = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed[path];
    if (!found) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

function install() {
  const options = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? spawnSync(process.execPath, [process.env.npm_execpath, ...options], runOptions())
    : spawnSync('npm', options, runOptions());
  if (npm.status !== 0) return `npm ci failed:\n${outputOf(npm)}`;
  writeFileSync(INSTALL_STAMP, installStamp());
}

function build() {
  const stamp = buildStamp(); // before: what changes meanwhile counts as not compiled
  for (const script of ['scripts/patch-driver.mjs', 'scripts/build-wasm.mjs']) {
    const run = spawnSync(process.execPath, [at(script)], runOptions());
    if (run.status !== 0) return `${script} failed:\n${outputOf(run)}`;
  }
  const tsc = spawnSync(
    process.execPath,
    [at('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    runOptions(),
  );
  if (tsc.status !== 0) return `tsc failed:\n${outputOf(tsc)}`;
  removeLeftovers();
  writeFileSync(BUILD_STAMP, stamp);
}

function runOptions() {
  return { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
}

function outputOf({ stdout, stderr, error }) {
  return `${stdout ?? ''}${stderr ?? ''}`.trim() || String(error);
}

function isBuilt() {
  return MADE_FILES.every((path) => existsSync(path)) && readIfThere(BUILD_STAMP) === buildStamp();
}

/** By content: a checkout changes times at random. */
function buildStamp() {
  const files = [
    ...BUILD_INPUTS.map((file) => at(file)),
    ...SOURCE_ROOMS.flatMap((room) => filesIn(at(room), '.ts')),
  ];
  return hash(...files.flatMap((file) => [relative(ROOT, file), readFileSync(file)]));
}

function filesIn(directory, ending) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The compiler never deletes: a module whose source is gone must not be found any more. */
function removeLeftovers() {
  for (const module of filesIn(at('dist'), '.js')) {
    const stem = module.slice(0, -'.js'.length);
    const source = at(relative(at('dist'), stem));
    if (existsSync(`${source}.ts`) || existsSync(`${source}.js`)) continue; // .js: the driver's copy
    for (const ending of ['.js', '.js.map', '.d.ts', '.d.ts.map']) rmSync(stem + ending, { force: true });
  }
}

/** Several commands started at once on one clone must not install or compile over each other. */
async function lock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (let waiting = false; ; waiting = true) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      return () => rmSync(LOCK, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isStale()) rmSync(LOCK, { force: true });
    else if (!waiting) console.error('another run is installing or compiling; waiting for it');
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
}

function isStale() {
  try {
    if (Date.now() - statSync(LOCK).mtimeMs > LOCK_AGE_MAX_MS) return true;
    const text = readFileSync(LOCK, 'utf8');
    if (text === '') return false; // just being written
    process.kill(Number(text), 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/**
 * Becomes the command, as far as Node allows: same terminal, same exit code. The child is a process group of its own and
 * so hears of Ctrl-C only through us. npm passes signals on, too, in addition to the terminal: of the same signal within
 * a second the child gets one. A later one gets through, for those who press Ctrl-C again.
 */
function handOver(nodeArguments) {
  const child = spawn(process.execPath, nodeArguments, { cwd: ROOT, stdio: 'inherit', detached: true });
  const lastAt = new Map();
  const passOn = (signal) => {
    const now = performance.now();
    if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < 1000) return;
    lastAt.set(signal, now);
    child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, passOn);
  if (process.env.npm_lifecycle_event) watchParent(() => passOn('SIGTERM'));
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** npm signals the shell between itself and us, and some shells (dash) just die of it: then the signal was meant for us. */
function watchParent(onEnd) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onEnd();
  }, PARENT_POLL_MS);
  timer.unref();
}
