import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from './imports.js';

/** Stands in for the compiler: copies sources to dist/, takes its time, and counts. */
const COMPILER = `
const fs = require('node:fs');
fs.appendFileSync('compiled', 'x');
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
if (fs.existsSync('cli/broken.ts')) { console.log('cli/broken.ts(1,1): error TS1'); process.exit(2); }
fs.mkdirSync('dist/cli', { recursive: true });
for (const file of fs.readdirSync('cli')) fs.copyFileSync('cli/' + file, 'dist/cli/' + file.replace('.ts', '.js'));
`;

/** Stands in for the compiler of the WebAssembly modules. */
const WASM_BUILDER = `
import { mkdirSync, writeFileSync } from 'node:fs';
for (const engine of ['engine', 'dist/engine'])
  for (const [room, file] of [['ed25519', 'engine.wasm'], ['sha256', 'rows.wasm']]) {
    mkdirSync(engine + '/' + room, { recursive: true });
    writeFileSync(engine + '/' + room + '/' + file, '');
  }
`;

/** Stands in for the script that copies the driver. */
const DRIVER_COPIER = `
import { mkdirSync, writeFileSync } from 'node:fs';
for (const directory of ['engine/store/driver', 'dist/engine/store/driver']) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(directory + '/index.js', '');
}
`;

/** Stands in for npm: empties node_modules as `npm ci` does, fills it, and counts. */
const NPM = `
const fs = require('node:fs');
fs.appendFileSync('installed', process.argv.slice(2).join(' ') + '\\n');
fs.rmSync('node_modules', { recursive: true, force: true });
fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
fs.copyFileSync('compiler.js', 'node_modules/typescript/bin/tsc');
`;

const MAIN = `
if (process.argv.includes('wait')) {
  let signals = 0;
  process.on('SIGTERM', () => { if (++signals === 1) setTimeout(() => { console.log(signals); process.exit(7); }, 400); });
  setInterval(() => {}, 1000);
} else process.exitCode = 3;
console.log(JSON.stringify(process.argv.slice(2)));
`;

describe('scripts/bootstrap.mjs', () => {
  let clone: string;
  const children: ChildProcess[] = [];

  const write = (path: string, content: string) => writeFileSync(join(clone, path), content);
  const count = (path: string) =>
    existsSync(join(clone, path)) ? readFileSync(join(clone, path), 'utf8') : '';
  const start = (args: string[], env: Record<string, string> = {}) => {
    const child = spawn(process.execPath, [join(clone, 'scripts/bootstrap.mjs'), ...args], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, npm_execpath: join(clone, 'npm.js'), ...env },
    });
    children.push(child);
    return child;
  };
  const run = async (...args: string[]) => {
    const child = start(args);
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { output, errors, code };
  };

  beforeEach(() => {
    clone = join(mkdtempSync(join(tmpdir(), 'sseq-bootstrap-')), 'a clone');
    for (const directory of ['scripts', 'cli']) mkdirSync(join(clone, directory), { recursive: true });
    copyFileSync(join(ROOT, 'scripts/bootstrap.mjs'), join(clone, 'scripts/bootstrap.mjs'));
    for (const file of ['tsconfig.json', 'tsconfig.build.json']) write(file, '{}');
    write('package-lock.json', JSON.stringify({ packages: {} }));
    write('compiler.js', COMPILER);
    write('scripts/build-wasm.mjs', WASM_BUILDER);
    write('scripts/patch-driver.mjs', DRIVER_COPIER);
    write('npm.js', NPM);
    write('cli/main.ts', MAIN);
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(join(clone, '..'), { recursive: true, force: true });
  });

  test('installs and compiles a fresh clone, then hands arguments and exit code through', async () => {
    const result = await run('start', '--name', 'two words');
    expect(result.output).toBe('["serve","--name","two words"]\n');
    expect(result.code).toBe(3);
    expect(result.errors).toMatch(/^installed dependencies in [\d.]+ s\ncompiled in [\d.]+ s\n$/);
    expect(count('installed')).toMatch(/^ci .*--no-audit --no-fund/);
  });

  test('does again only what is outdated', async () => {
    await run('start');
    expect((await run('start')).errors).toBe('');
    write('cli/main.ts', `${MAIN}\n`);
    expect((await run('start')).errors).toMatch(/^compiled in/);
    write('package-lock.json', JSON.stringify({ packages: {}, changed: true }));
    expect((await run('start')).errors).toMatch(/^installed dependencies .*\ncompiled in/);
    expect([count('installed').split('\n').length - 1, count('compiled')]).toEqual([2, 'xxx']);
  });

  test('recognises an installation made by hand', async () => {
    await run('start');
    rmSync(join(clone, 'node_modules/.bootstrap-stamp'));
    write('node_modules/.package-lock.json', JSON.stringify({ packages: {} }));
    expect((await run('start')).errors).toBe('');
  });

  test('removes compiled modules whose source is gone', async () => {
    write('cli/old.ts', '');
    await run('start');
    expect(existsSync(join(clone, 'dist/cli/old.js'))).toBe(true);
    rmSync(join(clone, 'cli/old.ts'));
    await run('start');
    expect(existsSync(join(clone, 'dist/cli/old.js'))).toBe(false);
    expect(existsSync(join(clone, 'dist/cli/main.js'))).toBe(true);
  });

  test('shows what the compiler says and does not run', async () => {
    write('cli/broken.ts', '');
    const result = await run('start');
    expect(result).toMatchObject({ code: 1, output: '' });
    expect(result.errors).toContain('cli/broken.ts(1,1): error TS1');
    expect(existsSync(join(clone, 'dist/.bootstrap-lock'))).toBe(false);
  });

  test('started several times at once installs and compiles once', async () => {
    const results = await Promise.all([run('start'), run('start'), run('start')]);
    expect(results.map((each) => each.code)).toEqual([3, 3, 3]);
    expect([count('installed').split('\n').length - 1, count('compiled')]).toEqual([1, 'x']);
  });

  test('is not held up by the lock of a process that is gone', async () => {
    const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(gone, 'exit');
    mkdirSync(join(clone, 'dist'));
    write('dist/.bootstrap-lock', String(gone.pid));
    expect((await run('start')).code).toBe(3);
  });

  test('passes a signal on once, however often it comes, and waits for the end', async () => {
    const child = start(['start', 'wait']);
    await once(child.stdout, 'data');
    const rest = text(child.stdout);
    for (let i = 0; i < 3; i++) child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    expect([code, await rest]).toEqual([7, '1\n']);
  });

  test('knows its commands', async () => {
    expect(await run('nonsense')).toMatchObject({ code: 2, errors: expect.stringContaining('usage:') });
    expect(await run()).toMatchObject({ code: 2 });
  });
});
