import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../../engine/errors/index.js';
import { explained } from './error-answers.js';
import { header } from './headers.js';
import type { OpenApiResponse, Reference } from './openapi-types.js';

/** Collects answers that are errors: operations with the same codes under a status share one. */
export function createErrorResponses() {
  const byCodes = new Map<string, string>();
  const responses: Record<string, OpenApiResponse> = {};
  return {
    /** The document's shared answers by name. */
    responses,
    /** A reference to the answer with one of these codes. */
    of(status: number, codes: readonly ErrorCode[]): Reference {
      const key = codes.join();
      let name = byCodes.get(key);
      if (name === undefined) {
        name = freeName((STATUS_CODES[status] ?? String(status)).replace(/[^A-Za-z0-9]/g, ''), responses);
        byCodes.set(key, name);
        responses[name] = errorResponse(status, codes);
      }
      return { $ref: `#/components/responses/${name}` };
    },
  };
}

/** `NotFound`, then `NotFound2` and so on. */
function freeName(name: string, taken: object): string {
  if (!(name in taken)) return name;
  let n = 2;
  while (`${name}${n}` in taken) n++;
  return `${name}${n}`;
}

const errorResponse = (status: number, codes: readonly ErrorCode[]): OpenApiResponse => ({
  description: codes.map(explained).join('\n\n'),
  headers: {
    'x-request-id': header('RequestId'),
    'x-error-code': header('ErrorCode'),
    ...(status === 401 ? { 'www-authenticate': header('Authenticate') } : {}),
    ...(status === 429 || status === 503 ? { 'retry-after': header('RetryAfter') } : {}),
  },
  content: {
    'application/json': {
      schema: { $ref: '#/components/schemas/Error', properties: { code: { enum: codes } } },
      examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
    },
  },
  'x-error-codes': codes,
});
