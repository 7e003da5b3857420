import type { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import type { Exchange } from '../http/exchange.js';

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Objects inside objects of a body; no route asks for as many. */
const NESTING_MAX = 8;

type Issue = { readonly code: string; readonly path: readonly PropertyKey[]; readonly message: string };

const nameOf = (issue: Issue): string =>
  issue.path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');

/**
 * Parses the query. Of a name given twice the first value counts; unknown names are ignored.
 *
 * @throws ServiceError MISSING_REQUIRED_FIELD, INVALID_FIELD_VALUE
 */
export function parseQuery<Schema extends z.ZodType>(schema: Schema, exchange: Exchange): z.output<Schema> {
  const values: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(exchange.head.query)) values[name] ??= value;
  const result = schema.safeParse({ ...values });
  if (result.success) return result.data;
  const issue = result.error.issues[0] as Issue;
  const name = nameOf(issue);
  if (!(name in values))
    throw new ServiceError('MISSING_REQUIRED_FIELD', `${name} is required: ${issue.message}`);
  throw new ServiceError('INVALID_FIELD_VALUE', `${name} must be ${issue.message}`);
}

/** How a route's members are written in its documentation. */
export type Spelling = 'camelCase' | 'snake_case';

/**
 * Parses the JSON body; call it before the first `await`. Member names may be camelCase or snake_case: `tenant_id` is read as
 * `tenantId`. Absent and null members are the same; unknown ones are ignored. Errors name a member as the client wrote it, one that
 * is not there in the route's own spelling.
 *
 * @throws ServiceError INVALID_REQUEST_BODY (not JSON), INVALID_REQUEST_SHAPE (member missing or of the wrong type),
 * INVALID_FIELD_VALUE
 */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  exchange: Exchange,
  spelling: Spelling = 'camelCase',
): z.output<Schema> {
  const value = readJson(exchange.body);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ServiceError('INVALID_REQUEST_SHAPE', 'The body must be a JSON object');
  const result = schema.safeParse(camelized(value));
  if (result.success) return result.data;
  const issue = result.error.issues[0] as Issue;
  const name = nameOf({ ...issue, path: asWritten(issue.path, value, spelling) });
  if (issue.code === 'invalid_type')
    throw new ServiceError('INVALID_REQUEST_SHAPE', `${name} must be ${issue.message}`);
  throw new ServiceError('INVALID_FIELD_VALUE', `${name} must be ${issue.message}`);
}

/** A path through the camelCase form of a body, in the names of the body itself. */
function asWritten(path: readonly PropertyKey[], body: object, spelling: Spelling): PropertyKey[] {
  let at: unknown = body;
  return path.map((part) => {
    const members: object = typeof at === 'object' && at !== null ? at : {};
    const written =
      part in members
        ? part
        : (Object.keys(members).find((name) => camelName(name) === part) ?? spelled(part, spelling));
    at = (members as Record<PropertyKey, unknown>)[written];
    return written;
  });
}

const camelName = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const spelled = (part: PropertyKey, spelling: Spelling): PropertyKey =>
  typeof part === 'string' && spelling === 'snake_case'
    ? part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : part;

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(DECODER.decode(body));
  } catch (cause) {
    throw new ServiceError(
      'INVALID_REQUEST_BODY',
      `The body is not JSON in UTF-8: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/**
 * The object and the objects in it with camelCase names and without nulls; a camelCase name wins over its snake_case twin.
 * What nests deeper than anything a route asks for stays as it is: a body of brackets must not exhaust the stack.
 */
export function camelized(value: object, depth = 0): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    const camel = camelName(name);
    if (member === null || (camel !== name && camel in value)) continue;
    const isObject = typeof member === 'object' && !Array.isArray(member);
    result[camel] = isObject && depth < NESTING_MAX ? camelized(member, depth + 1) : member;
  }
  return { ...result };
}

/** A path parameter, decoded. @throws ServiceError INVALID_FIELD_VALUE */
export function pathText(exchange: Exchange, index: number, name: string, bytesMax: number): string {
  const raw = exchange.params[index] ?? '';
  let text: string | undefined;
  try {
    text = decodeURIComponent(raw);
  } catch {
    // malformed percent-encoding, or bytes that are not UTF-8
  }
  if (text === undefined || text === '' || Buffer.byteLength(text) > bytesMax || text.includes('\0'))
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `${name} in the path must be 1 to ${bytesMax} bytes of percent-encoded UTF-8 without U+0000`,
    );
  return text;
}

/** A path parameter through a type of `fields.ts`. @throws ServiceError INVALID_FIELD_VALUE */
export function pathValue<Schema extends z.ZodType>(
  exchange: Exchange,
  index: number,
  name: string,
  schema: Schema,
): z.output<Schema> {
  const result = schema.safeParse(exchange.params[index]);
  if (result.success) return result.data;
  throw new ServiceError(
    'INVALID_FIELD_VALUE',
    `${name} in the path must be ${result.error.issues[0]?.message}`,
  );
}
