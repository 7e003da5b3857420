import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** One import or re-export of a source file. */
export type Import = {
  /** Importing file, relative to the repository, e.g. `engine/store/migrate.ts`. */
  readonly from: string;
  /** Imported file relative to the repository, or the bare specifier of a package or `node:` module. */
  readonly to: string;
  /** Whether `to` is a file of ours. */
  readonly own: boolean;
  /** Whether the whole import is erased by the compiler. */
  readonly typeOnly: boolean;
};

export const ROOT = resolve(import.meta.dirname, '../..');

/** Not ours to check: AssemblyScript, which has import rules of its own. */
const ASSEMBLY = /\/assembly\//;

/** Source files of some folders that exist, relative to the repository. */
export const sourcesOf = (folders: readonly string[]): string[] =>
  folders
    .filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => !ASSEMBLY.test(file))
    .sort();

// Imports and exports start a line; the clause in between holds no quotes and no semicolon.
const STATEMENT = /^[ \t]*(?:import|export)\b(?<clause>[^'";]*?)(?:\bfrom\s*)?['"](?<path>[^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"](?<path>[^'"]+)['"]/g;
/** Modules that are started by address: `new URL('./thread.js', import.meta.url)`. */
const BY_URL = /new URL\(\s*['"](?<path>\.[^'"]+\.js)['"],\s*import\.meta\.url/g;

/** All imports of a file's text. */
export const importsIn = (from: string, text: string): Import[] => {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found: Import[] = [];
  for (const pattern of [STATEMENT, DYNAMIC, BY_URL])
    for (const match of code.matchAll(pattern)) {
      const { clause = '', path = '' } = match.groups ?? {};
      if (pattern === STATEMENT && !isModuleStatement(clause, match[0])) continue;
      const own = path.startsWith('.');
      const to = own ? join(dirname(from), path).replace(/\.js$/, '.ts') : path;
      found.push({ from, to, own, typeOnly: isTypeOnly(clause) });
    }
  return found;
};

/** `export const x = 'text'` also matches the pattern up to its quote. */
const isModuleStatement = (clause: string, statement: string): boolean =>
  clause.trim() === '' || /\bfrom\s*['"][^'"]*['"]$/.test(statement);

const isTypeOnly = (clause: string): boolean => {
  const text = clause.trim();
  if (/^type\b/.test(text)) return true;
  const names = /^\{(?<names>[\s\S]*)\}$/.exec(text)?.groups?.names;
  if (names === undefined) return false;
  const each = names.split(',').map((name) => name.trim());
  return each.filter(Boolean).every((name) => name.startsWith('type '));
};

/** Every import of the files below some folders. */
export const readImports = (folders: readonly string[]): Import[] =>
  sourcesOf(folders).flatMap((file) => importsIn(file, readFileSync(join(ROOT, file), 'utf8')));

/** A cycle among files as the list of its members, or nothing. Edges are given as file -> imported files. */
export const findCycle = (edges: ReadonlyMap<string, readonly string[]>): string[] | undefined => {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (done.has(file)) return undefined;
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file];
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
};
