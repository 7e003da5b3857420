// Compiles the engine's WebAssembly modules (engine/ed25519/assembly, engine/sha256/assembly), if their sources have changed.
//
//   node scripts/build-wasm.mjs
//
// A module goes beside the source that loads it and to the same place below dist/, so that both can be run. Neither is
// in git. The same sources and compiler give the same bytes.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** `pages`: memory to begin with, in pages of 64 KiB. */
const MODULES = {
  // The host grows its memory for the keys' tables.
  ed25519: { file: 'engine.wasm', pages: 16, options: [] },
  sha256: { file: 'rows.wasm', pages: 2, options: ['--enable', 'simd'] },
};
const STAMP = join(ROOT, 'dist', '.wasm-stamp');

const sourcesOf = (room) => join(ROOT, 'engine', room, 'assembly');
const targetsOf = (room) =>
  ['engine', 'dist/engine'].map((engine) => join(ROOT, engine, room, MODULES[room].file));

/**
 * Compiles `engine/<room>/assembly/<entry>.ts`. `readSource(name)` may replace the text of a source such as `field.ts`; it gets
 * the name and returns the text or undefined for the file's own.
 */
export async function compileWasm({
  room = 'ed25519',
  entry = 'index',
  optimizeLevel = 3,
  readSource = () => undefined,
} = {}) {
  const { default: asc } = await import('assemblyscript/asc');
  const sources = sourcesOf(room);
  const { pages, options } = MODULES[room];
  let binary;
  const messages = [];
  const { error } = await asc.main(
    [
      `${entry}.ts`,
      ...['--baseDir', sources, '--outFile', 'out.wasm', '--runtime', 'stub', '--use', 'abort='],
      ...['--noAssert', '--initialMemory', String(pages), ...options],
      ...['--optimizeLevel', String(optimizeLevel), '--shrinkLevel', '0', '--converge'],
      '--disableWarning=201', // sizes are usize, the memory has 32-bit addresses
    ],
    {
      readFile: (name) => {
        const path = join(sources, name);
        return readSource(name) ?? (existsSync(path) ? readFileSync(path, 'utf8') : null);
      },
      writeFile: (_name, content) => {
        binary = content;
      },
      listFiles: () => [],
      stderr: { write: (text) => messages.push(text) },
    },
  );
  if (error || !binary) throw new Error(`asc failed: ${error?.message ?? ''}\n${messages.join('')}`);
  return binary;
}

/** Compiles the product's modules unless they are there already; returns whether there was something to do. */
export async function buildWasm() {
  const stamp = sourceStamp();
  const rooms = Object.keys(MODULES);
  const current = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp;
  if (current && rooms.flatMap(targetsOf).every((target) => existsSync(target))) return false;
  for (const room of rooms) {
    const binary = await compileWasm({ room });
    for (const target of targetsOf(room)) replace(target, binary);
  }
  replace(STAMP, stamp);
  return true;
}

function sourceStamp() {
  const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
  const digest = createHash('sha256')
    .update(`${version}\0`)
    .update(readFileSync(fileURLToPath(import.meta.url)));
  for (const room of Object.keys(MODULES))
    for (const name of readdirSync(sourcesOf(room)).sort())
      if (name.endsWith('.ts'))
        digest.update(`\0${room}/${name}\0`).update(readFileSync(join(sourcesOf(room), name)));
  return digest.digest('hex');
}

/** At once, so that nobody ever loads half of a file. */
function replace(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, content);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWasm();
