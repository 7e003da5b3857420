import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findCycle, type Import, importsIn, ROOT, readImports, sourcesOf } from './imports.js';

const FOLDERS = ['engine', 'workers', 'gateway', 'cli', 'agent', 'console', 'bench', 'loadtest'];

/** The engine's rooms that are not a capability. All other folders below engine/ are capabilities. */
const FOUNDATIONS = [
  'protocol',
  'log',
  'errors',
  'config',
  'sequencer',
  'store',
  'wire',
  'ed25519',
  'sha256',
];

/** Room of a file: `engine/<room>` or the top folder. */
const roomOf = (file: string): string => {
  const [top = '', second = ''] = file.split('/');
  return top === 'engine' ? `engine/${second}` : top;
};
const isEngine = (room: string) => room.startsWith('engine/');
const isCapability = (room: string) => isEngine(room) && !FOUNDATIONS.includes(room.slice('engine/'.length));

const PURE = ['engine/protocol', 'engine/log'];
/** Pure as well, but not what the engine stands on. */
const PURE_TOO = ['engine/wire', 'engine/ed25519', 'engine/sha256'];
/** The files of pure rooms that are only for Node. */
const NODE_ONLY = ['engine/ed25519/load-module.ts', 'engine/sha256/load-module.ts'];

/** Room -> which other rooms it may import. */
const mayImport = (from: string, to: string): boolean => {
  if (from === to) return true;
  if (to === 'gateway' || to === 'cli') return from === 'cli' || from === 'bench' || from === 'loadtest';
  switch (from) {
    case 'engine/protocol':
    case 'engine/errors':
    case 'engine/ed25519':
      return false;
    case 'engine/log':
    case 'engine/sha256':
    case 'engine/wire':
      return to === 'engine/protocol';
    case 'engine/config':
      return to === 'engine/errors';
    case 'engine/sequencer':
      return [...PURE, 'engine/errors'].includes(to);
    case 'engine/store':
      return [...PURE, 'engine/errors', 'engine/config', 'engine/sequencer'].includes(to);
    case 'agent':
    case 'console':
      return [...PURE, 'engine/wire'].includes(to);
    case 'workers':
      return isEngine(to);
    case 'gateway':
      return isEngine(to) || to === 'workers';
    default:
      if (isCapability(from)) return FOUNDATIONS.includes(to.slice('engine/'.length)) && isEngine(to);
      return true; // cli, bench, loadtest put everything together
  }
};

const imports = readImports(FOLDERS);
const own = imports.filter((each) => each.own);
const show = ({ from, to }: Import) => `${from} -> ${to}`;

describe('rooms', () => {
  test('there is something to check', () => {
    expect(own.length).toBeGreaterThan(10);
  });

  test('import only what lies below them', () => {
    const offences = own.filter(({ from, to }) => !mayImport(roomOf(from), roomOf(to)));
    expect(offences.map(show)).toEqual([]);
  });

  test("of the gateway see the workers' message types, not their code", () => {
    const offences = own.filter(
      ({ from, to, typeOnly }) =>
        roomOf(from) === 'gateway' &&
        roomOf(to) === 'workers' &&
        !typeOnly &&
        !/workers\/[a-z-]*(messages|ingest-port)[a-z-]*\.ts$/.test(to),
    );
    expect(offences.map(show)).toEqual([]);
  });

  test('protocol, log, wire, ed25519 and sha256 are pure: no node: modules, no Buffer, no process', () => {
    const offences = imports.filter(
      ({ from, to }) =>
        [...PURE, ...PURE_TOO].includes(roomOf(from)) && to.startsWith('node:') && !NODE_ONLY.includes(from),
    );
    expect(offences.map(show)).toEqual([]);
    for (const file of sourcesOf([...PURE, ...PURE_TOO])) {
      const code = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      expect(code, file).not.toMatch(/\b(?:Buffer|process|require|__dirname|setImmediate)\b\s*[.(]/);
    }
  });

  test('have no import cycles between files', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of own) {
      if (typeOnly) continue; // erased: a type may refer back
      edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    expect(findCycle(edges)).toBeUndefined();
  });

  test('import files that exist, with their extension', () => {
    // What a script writes has a declaration.
    const exists = (to: string) =>
      existsSync(join(ROOT, to)) || existsSync(join(ROOT, to.replace(/\.ts$/, '.d.ts')));
    const offences = own.filter(({ to }) => !exists(to));
    expect(offences.map(show)).toEqual([]);
  });

  test('of worker threads load no library that only the main thread needs', () => {
    const start = ['verify', 'sequencer', 'tail', 'proof', 'fsck'].map((name) => `workers/${name}.ts`);
    const loaded = new Set(start);
    const offences: Import[] = [];
    for (const file of loaded)
      for (const each of imports.filter(({ from, typeOnly }) => from === file && !typeOnly))
        if (each.own) loaded.add(each.to);
        else if (/^(zod|jose|pino|prom-client|commander|@grpc|cli-progress)\b/.test(each.to))
          offences.push(each);
    expect(loaded.size).toBeGreaterThan(100);
    expect(offences.map(show)).toEqual([]);
  });

  test('of workers open no pool whose threads could abort the process while they load', () => {
    const pools = sourcesOf(['workers'])
      .map((file) => readFileSync(join(ROOT, file), 'utf8'))
      .filter((code) => code.includes('new Piscina('));
    expect(pools.length).toBeGreaterThan(2);
    for (const code of pools) expect(code).toContain('execArgv: POOL_EXEC_ARGV');
  });

  test('talk to libraries through their own room: only the gateway opens sockets', () => {
    const home: Record<string, RegExp> = {
      'uWebSockets.js': /^(gateway|bench|loadtest)\//,
      postgres: /^(engine\/store|bench)\//,
      piscina: /^(workers|gateway|cli|bench)\//,
      commander: /^cli\//,
    };
    const offences = imports.filter(
      ({ from, to, typeOnly }) => !typeOnly && home[to] && !home[to].test(from),
    );
    expect(offences.map(show)).toEqual([]);
  });
});

describe('the parser of imports', () => {
  test('finds every form, and nothing in comments or texts', () => {
    const text = `
import { a } from './a.js';
import type { B } from '../b/b.js';
import { type C, type D } from "./c.js";
import { type E, f } from './e.js';
import {
  g,
  h,
} from './g.js';
import './side-effect.js';
export { i } from './i.js';
export * from './j.js';
import fs from 'node:fs';
// import { no } from './no.js';
/* import { no } from './no.js'; */
const lazy = await import('./lazy.js');
const thread = new URL('./thread.js', import.meta.url);
export const label = 'from here';
export type Mode = 'one' | 'two';
`;
    const found = importsIn('engine/x/file.ts', text);
    expect(found.map(({ to, typeOnly }) => `${typeOnly ? 'type ' : ''}${to}`)).toEqual([
      'engine/x/a.ts',
      'type engine/b/b.ts',
      'type engine/x/c.ts',
      'engine/x/e.ts',
      'engine/x/g.ts',
      'engine/x/side-effect.ts',
      'engine/x/i.ts',
      'engine/x/j.ts',
      'node:fs',
      'engine/x/lazy.ts',
      'engine/x/thread.ts',
    ]);
  });

  test('finds a cycle and its members', () => {
    const edges = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['b']],
    ]);
    expect(findCycle(edges)).toEqual(['b', 'd', 'b']);
    edges.set('d', ['c']);
    expect(findCycle(edges)).toBeUndefined();
  });
});
