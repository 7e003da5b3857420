import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import { compileWasm } from '../../scripts/build-wasm.mjs';

test('compiling the engine twice gives the same bytes, those of the file', async () => {
  const first = Buffer.from(await compileWasm());
  const second = Buffer.from(await compileWasm());
  expect(second.equals(first)).toBe(true);
  const file = readFileSync(new URL('../../engine/ed25519/engine.wasm', import.meta.url));
  expect(file.equals(first)).toBe(true);
}, 180_000);

test('the engine asks its host for nothing', () => {
  const module = loadEd25519Module();
  expect(WebAssembly.Module.imports(module)).toEqual([]);
});
