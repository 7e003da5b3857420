import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { renderErrorDocs } from '../../engine/errors/document.js';
import { ERROR_REGISTRY, GRPC_STATUS_NUMBERS, isErrorCode } from '../../engine/errors/index.js';

const rows = Object.entries(ERROR_REGISTRY);

/** Code, numeric code and HTTP status that existing clients know. */
const PUBLISHED = `
AUTH_REQUIRED 1001 401|INVALID_API_KEY 1002 401|INVALID_TOKEN 1003 401|TOKEN_EXPIRED 1004 401
INSUFFICIENT_PERMISSIONS 1005 403|RATE_LIMIT_EXCEEDED 2001 429|QUOTA_EXCEEDED 2002 429
INVALID_REQUEST_BODY 3001 400|MISSING_REQUIRED_FIELD 3002 400|INVALID_FIELD_VALUE 3003 400
PAYLOAD_TOO_LARGE 3004 413|BATCH_TOO_LARGE 3005 413|SCHEMA_VALIDATION_FAILED 3006 400|SCHEMA_NOT_FOUND 3007 400
RESOURCE_NOT_FOUND 4001 404|EVENT_NOT_FOUND 4002 404|BATCH_NOT_FOUND 4003 404|ENTITY_NOT_FOUND 4004 404
AGENT_KEY_NOT_FOUND 4005 404|DUPLICATE_EVENT 5001 409|DUPLICATE_COMMAND 5002 409|VERSION_CONFLICT 5003 409
ALREADY_EXISTS 5004 409|INVALID_SIGNATURE 6001 400|SIGNATURE_VERIFICATION_FAILED 6002 400
INVALID_PUBLIC_KEY 6003 400|INVALID_PAYLOAD_HASH 6004 400|ENCRYPTION_ERROR 6005 500
INVALID_STATE_TRANSITION 7001 400|INVARIANT_VIOLATION 7002 400|SEQUENCE_GAP 7003 409|DATABASE_ERROR 8001 500
SERVICE_UNAVAILABLE 8002 503|TIMEOUT 8003 504|INTERNAL_ERROR 8999 500|ANCHOR_NOT_CONFIGURED 9001 503
ANCHOR_FAILED 9002 500|NOT_ANCHORED 9003 400`
  .trim()
  .split(/[\n|]/)
  .map((entry) => entry.split(' ') as [string, string, string]);

describe('error registry', () => {
  test.each(PUBLISHED)('%s keeps its published number %s and status %s', (code, numeric, http) => {
    expect(isErrorCode(code)).toBe(true);
    expect(ERROR_REGISTRY[code as keyof typeof ERROR_REGISTRY]).toMatchObject({
      numeric: Number(numeric),
      http: Number(http),
    });
  });

  test('numbers are unique and ascend', () => {
    const numbers = rows.map(([, row]) => row.numeric);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  test.each(rows)('%s has valid statuses and says what to do', (code, row) => {
    expect(code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(row.http).toBeGreaterThanOrEqual(400);
    expect(row.http).toBeLessThan(600);
    expect(GRPC_STATUS_NUMBERS[row.grpc]).toBeGreaterThan(0);
    // RFC 6455 section 7.4: these of the protocol's own codes an endpoint may send; 4000-4999 are private.
    expect(
      [1003, 1009, 1011, 1013].includes(row.wsClose) || (row.wsClose >= 4000 && row.wsClose <= 4999),
    ).toBe(true);
    expect(row.title).not.toMatch(/\.$/);
    expect(row.help).toMatch(/\.$/);
    if (row.retryAfterSeconds !== undefined) expect(row.retryable).toBe(true);
  });

  test('names nothing that it does not have', () => {
    for (const code of ['toString', '__proto__', 'auth_required', '']) expect(isErrorCode(code)).toBe(false);
  });

  test('docs/errors.md is current and describes every code (npm run docs)', () => {
    const committed = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    expect(committed).toBe(renderErrorDocs());
    for (const [code] of rows) expect(committed).toContain(`### <a id="${code}"></a>${code}\n`);
  });
});
