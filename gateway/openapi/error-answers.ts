import {
  ERROR_REGISTRY,
  type ErrorCode,
  type ErrorDefinition,
  errorBody,
  ServiceError,
} from '../../engine/errors/index.js';
import type { AccessRow } from '../auth/access-table.js';
import type { Route } from '../http/router.js';
import type { Operation } from './operation.js';
import { pathNames } from './parameters.js';

const CREDENTIALS: readonly ErrorCode[] = [
  'AUTH_REQUIRED',
  'INVALID_API_KEY',
  'INVALID_TOKEN',
  'TOKEN_EXPIRED',
  'INVALID_REQUEST_SIGNATURE',
  'RATE_LIMIT_EXCEEDED',
];
const BODY: readonly ErrorCode[] = [
  'INVALID_REQUEST_BODY',
  'INVALID_REQUEST_SHAPE',
  'INVALID_FIELD_VALUE',
  'UNSUPPORTED_MEDIA_TYPE',
  'PAYLOAD_TOO_LARGE',
  'REQUEST_TIMEOUT',
];
const STATE: readonly ErrorCode[] = ['INTERNAL_ERROR', 'SERVICE_UNAVAILABLE'];

/** Every code that a route may answer, by status. */
export function errorsOf(
  route: Pick<Route, 'path' | 'scope' | 'body' | 'essential'>,
  operation: Operation,
  access: AccessRow,
): Map<number, ErrorCode[]> {
  const { scope } = route;
  const codes = new Set<ErrorCode>(STATE);
  const add = (more: readonly ErrorCode[]) => {
    for (const code of more) codes.add(code);
  };
  if (scope !== 'public') {
    add(CREDENTIALS);
    add(['TIMEOUT']);
    if (route.essential !== true) add(['OVERLOADED']);
  }
  if (scope === 'read' || scope === 'write' || scope === 'admin' || access.check !== undefined)
    add(['INSUFFICIENT_PERMISSIONS']);
  if (scope === 'admin') add(['ADMIN_IP_DENIED']);
  if (access.compares.length > 0 && access.check !== 'hidden') add(['INSUFFICIENT_PERMISSIONS']);
  if (route.body !== undefined) add([...BODY, 'OVERLOADED', 'TIMEOUT']);
  if (operation.query !== undefined) add(['MISSING_REQUIRED_FIELD', 'INVALID_FIELD_VALUE']);
  if (pathNames(route.path).some((name) => name !== 'resource')) add(['INVALID_FIELD_VALUE']);
  add(operation.errors ?? []);

  const byStatus = new Map<number, ErrorCode[]>();
  // In the registry's order, whatever order they were found in.
  for (const [code, { http }] of Object.entries<ErrorDefinition>(ERROR_REGISTRY))
    if (codes.has(code as ErrorCode)) byStatus.set(http, [...(byStatus.get(http) ?? []), code as ErrorCode]);
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

const REQUEST_ID = 'c9e58272-4353-4330-9f9a-87b0bc221a32';

/** What the body of an error with this code looks like. */
export const errorExample = (code: ErrorCode) => errorBody(new ServiceError(code), REQUEST_ID);

/** What a code means, with a link to more. */
export const explained = (code: ErrorCode): string =>
  `[\`${code}\`](/docs/errors#${code}): ${ERROR_REGISTRY[code].title}`;
