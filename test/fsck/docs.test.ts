import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHECKS } from '../../engine/fsck/index.js';

const docs = readFileSync(new URL('../../docs/fsck.md', import.meta.url), 'utf8');
const command = readFileSync(new URL('../../cli/fsck.ts', import.meta.url), 'utf8');

test('the documentation lists every check, and no other', () => {
  const listed = [...docs.matchAll(/^\| `([a-z][a-z-]+)` \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(Object.keys(CHECKS).sort());
});

test('the documentation lists every option, and no other', () => {
  const options = [...command.matchAll(/\.option\(\s*'(--[a-z-]+)/g)].map(([, name]) => name);
  const table = docs.slice(docs.indexOf('## Options'), docs.indexOf('## Reading the result'));
  const listed = [...table.matchAll(/`(--[a-z-]+)/g)].map(([, name]) => name);
  expect(listed.sort()).toEqual(options.sort());
});
