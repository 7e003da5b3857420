import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import * as product from '../../engine/ed25519/index.js';
import { compileWasm } from '../../scripts/build-wasm.mjs';
import { MUTANTS, type Mutant } from './mutants.js';
import { firstFailure } from './quick-check.js';

/** Only the faults whose file or words contain this, and what noticed them. */
const WANTED = process.env.ED25519_MUTANTS ?? '';

const ROOM = join(import.meta.dirname, '../../engine/ed25519');

function mutated({ file, find, replace }: Mutant): string {
  const text = readFileSync(join(ROOM, 'assembly', file), 'utf8');
  if (text.split(find).length !== 2) throw new Error(`${file} must contain exactly once: ${find}`);
  return text.replace(find, () => replace);
}

/** Without optimisation: compiling takes a fifth of a second then, and faults are the same. */
async function compile(mutant?: Mutant): Promise<WebAssembly.Module> {
  const inModule = mutant && !mutant.file.startsWith('../') ? mutant : undefined;
  const binary = await compileWasm({
    entry: 'test-exports',
    optimizeLevel: 0,
    readSource: (name) => (name === inModule?.file ? mutated(inModule) : undefined),
  });
  return new WebAssembly.Module(binary);
}

/** The JavaScript side, copied and changed. */
async function load(mutant?: Mutant): Promise<typeof product> {
  if (!mutant?.file.startsWith('../')) return product;
  const copy = mkdtempSync(join(tmpdir(), 'ed25519-mutant-'));
  for (const name of readdirSync(ROOM)) if (name.endsWith('.ts')) cpSync(join(ROOM, name), join(copy, name));
  writeFileSync(join(copy, mutant.file.slice('../'.length)), mutated(mutant));
  return (await import(pathToFileURL(join(copy, 'index.ts')).href)) as typeof product;
}

async function failureOf(mutant?: Mutant): Promise<string | undefined> {
  const { createEd25519Engine } = await load(mutant);
  return firstFailure({ module: await compile(mutant), create: createEd25519Engine });
}

test('the engine as it is passes the check', async () => {
  expect(await failureOf()).toBeUndefined();
}, 60_000);

test('every planted fault still has its place', () => {
  for (const each of MUTANTS) expect(mutated(each), each.fault).not.toBe('');
  expect(new Set(MUTANTS.map(({ fault }) => fault)).size).toBe(MUTANTS.length);
});

describe('planted faults are noticed', () => {
  const wanted = MUTANTS.filter(({ fault, file }) => `${file}: ${fault}`.includes(WANTED));
  test.each(wanted)(
    '$file: $fault',
    async (mutant) => {
      const failure = await failureOf(mutant);
      expect(failure, 'nothing noticed').toBeDefined();
      if (WANTED) console.log(`${mutant.file}: ${mutant.fault} -> ${failure}`);
    },
    60_000,
  );
});
