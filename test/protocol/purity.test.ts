import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const ROOM = new URL('../../engine/protocol/', import.meta.url);
const sources = readdirSync(ROOM).filter((name) => name.endsWith('.ts'));

it('the protocol imports only its own files and the noble libraries', () => {
  expect(sources.length).toBeGreaterThan(20);
  for (const name of sources) {
    const text = readFileSync(new URL(name, ROOM), 'utf8');
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      expect(specifier, name).toMatch(/^(\.\/[a-z0-9-]+\.js|@noble\/(ed25519|hashes)(\/[a-z0-9]+\.js)?)$/);
    }
  }
});

it('the protocol uses no global that a browser lacks', () => {
  for (const name of sources) {
    const text = readFileSync(new URL(name, ROOM), 'utf8');
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
    expect(code, name).not.toMatch(/\b(Buffer|process|require|__dirname|setImmediate|global)\b/);
  }
});

it('everything public is reached through the index', async () => {
  const index = await import('../../engine/protocol/index.js');
  expect(Object.keys(index)).toEqual(
    expect.arrayContaining(['canonicalize', 'parseVesEnvelope', 'verifyStrict']),
  );
});
