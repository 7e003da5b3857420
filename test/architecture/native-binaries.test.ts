import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from './imports.js';

const RECORD = readFileSync(join(ROOT, 'docs/adr/0002-uwebsockets.md'), 'utf8');
const recorded = new Map(
  [...RECORD.matchAll(/`(uws_\w+\.node)` \| `([0-9a-f]{64})`/g)].map(([, file, hash]) => [file!, hash!]),
);
const home = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));

describe('the uWebSockets.js binary', () => {
  test('for this platform and Node is recorded', () => {
    expect(recorded.has(`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`)).toBe(
      true,
    );
  });

  test.each([...recorded])('%s is the one we recorded', (file, hash) => {
    const installed = createHash('sha256')
      .update(readFileSync(join(home, file)))
      .digest('hex');
    expect(installed).toBe(hash);
  });

  test('comes from the tarball whose hash the record and the lock file name', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    const { version, integrity } = lock.packages['node_modules/uWebSockets.js'];
    expect(RECORD).toContain(`npm:uwebsockets@${version}`);
    expect(RECORD).toContain(integrity);
  });
});

describe('dependencies', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }) as [
    string,
    string,
  ][];

  test.each(versions)('%s %s is an exact version', (_, version) => {
    expect(version).toMatch(/^(npm:[\w.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/);
  });

  test('at run time have a record in docs/adr', () => {
    const directory = join(ROOT, 'docs/adr');
    const records = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8'));
    const missing = Object.keys(manifest.dependencies).filter((name) => !records.join('\n').includes(name));
    expect(missing).toEqual([]);
  });
});
