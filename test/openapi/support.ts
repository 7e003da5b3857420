import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { connectDatabase } from '../../engine/store/connection.js';
import type { Route } from '../../gateway/http/router.js';
import { buildDocument, type OpenApiDocument, readBlocks } from '../../gateway/openapi/index.js';
import { allRoutes } from '../gateway/support.js';

export const GUIDE = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');

/** The route table without anything behind it, and the document of it. */
export async function describedRoutes(): Promise<{ routes: Route[]; document: OpenApiDocument }> {
  const sql = connectDatabase(
    { url: 'postgres://nobody@localhost/none' },
    { max: 1, applicationName: 'none' },
  );
  const routes = allRoutes(sql);
  await sql.end();
  return { routes, document: buildDocument(routes, { version: '0.0.0', blocks: readBlocks(GUIDE) }) };
}

type Json = { readonly [name: string]: unknown };

/** Every object and array in a value, with its place as a JSON pointer. */
export function* within(value: unknown, place = ''): Generator<[place: string, value: Json]> {
  if (typeof value !== 'object' || value === null) return;
  yield [place, value as Json];
  for (const [name, each] of Object.entries(value))
    yield* within(each, `${place}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

/** What a reference within the document leads to; undefined: nothing. */
export const resolve = (document: unknown, ref: string): unknown =>
  ref
    .slice(2)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((value, part) => (value as Json | undefined)?.[part], document);

/** Schemas in which nothing but the named members may be: what an answer holds beyond them is not described. */
const closed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, closed(each)]));
  const isOpen = 'properties' in members && !('$ref' in members) && !('additionalProperties' in members);
  return isOpen ? { ...members, additionalProperties: false } : members;
};

/** Validators of schemas in the document, by JSON pointer. */
export function validators(document: OpenApiDocument, options: { strict: boolean }) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'doc', ...(options.strict ? (closed(document) as Json) : document) });
  const known = new Map<string, ValidateFunction>();
  return (pointer: string): ValidateFunction => {
    let found = known.get(pointer);
    if (found === undefined) {
      found = ajv.compile({ $ref: `doc#${encodeURI(pointer)}` });
      known.set(pointer, found);
    }
    return found;
  };
}

/** A part of a JSON pointer. */
export const part = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
