// Compiles the Ed25519 engine (engine/ed25519/assembly) to WebAssembly, if its sources have changed.
//
//   node scripts/build-wasm.mjs
//
// The module goes beside the source that loads it and to the same place below dist/, so that both can be run. Neither is
// in git. The same sources and compiler give the same bytes.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = join(ROOT, 'engine/ed25519/assembly');
const TARGETS = ['engine/ed25519/engine.wasm', 'dist/engine/ed25519/engine.wasm'].map((path) =>
  join(ROOT, path),
);
const STAMP = join(ROOT, 'dist', '.wasm-stamp');

/** Memory the module begins with, in pages of 64 KiB; the host grows it for the keys' tables. */
const INITIAL_PAGES = 16;

/**
 * Compiles `assembly/<entry>.ts`. `readSource(name)` may replace the text of a source such as `field.ts`; it gets the name and
 * returns the text or undefined for the file's own.
 */
export async function compileWasm({ entry = 'index', optimizeLevel = 3, readSource = () => undefined } = {}) {
  const { default: asc } = await import('assemblyscript/asc');
  let binary;
  const messages = [];
  const { error } = await asc.main(
    [
      `${entry}.ts`,
      ...['--baseDir', SOURCES, '--outFile', 'out.wasm', '--runtime', 'stub', '--use', 'abort='],
      ...['--noAssert', '--initialMemory', String(INITIAL_PAGES)],
      ...['--optimizeLevel', String(optimizeLevel), '--shrinkLevel', '0', '--converge'],
      '--disableWarning=201', // sizes are usize, the memory has 32-bit addresses
    ],
    {
      readFile: (name) => {
        const path = join(SOURCES, name);
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

/** Compiles the product's module unless it is there already; returns whether there was something to do. */
export async function buildWasm() {
  const stamp = sourceStamp();
  const current = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp;
  if (current && TARGETS.every(existsSync)) return false;
  const binary = await compileWasm();
  for (const target of TARGETS) replace(target, binary);
  replace(STAMP, stamp);
  return true;
}

function sourceStamp() {
  const { version } = createRequire(import.meta.url)('assemblyscript/package.json');
  const digest = createHash('sha256')
    .update(`${version}\0`)
    .update(readFileSync(fileURLToPath(import.meta.url)));
  for (const name of readdirSync(SOURCES).sort())
    if (name.endsWith('.ts')) digest.update(`\0${name}\0`).update(readFileSync(join(SOURCES, name)));
  return digest.digest('hex');
}

/** At once, so that nobody ever loads half of a file. */
function replace(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, content);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWasm();
