import { describe, expect, test } from 'vitest';
import { errorBody, invariant, ServiceError, toServiceError } from '../../engine/errors/index.js';

const REQUEST_ID = '0199c0de-5f0a-7000-8000-000000000001';

describe('error body', () => {
  test('has exactly the documented members', () => {
    const error = new ServiceError('VERSION_CONFLICT', 'order/42 is at version 4, not 3', {
      details: { expected_version: 3, actual_version: 4 },
    });
    expect(errorBody(error, REQUEST_ID)).toStrictEqual({
      error: {
        code: 'VERSION_CONFLICT',
        numeric_code: 5003,
        message: 'order/42 is at version 4, not 3',
        request_id: REQUEST_ID,
        details: { expected_version: 3, actual_version: 4 },
        doc_url: '/docs/errors#VERSION_CONFLICT',
      },
      code: 'VERSION_CONFLICT',
      message: 'order/42 is at version 4, not 3',
    });
  });

  test('leaves out what is not known', () => {
    const body = errorBody(new ServiceError('EVENT_NOT_FOUND', 'no event 7'), REQUEST_ID);
    expect(Object.keys(body.error)).toEqual(['code', 'numeric_code', 'message', 'request_id', 'doc_url']);
  });

  test("tells the registry's waiting time unless the error knows better", () => {
    expect(errorBody(new ServiceError('OVERLOADED'), REQUEST_ID).error.retry_after).toBe(1);
    expect(
      errorBody(new ServiceError('RATE_LIMIT_EXCEEDED', 'wait', { retryAfter: 7 }), REQUEST_ID).error
        .retry_after,
    ).toBe(7);
  });

  test.each([
    ['an unknown error', new TypeError('password=hunter2 is not a function')],
    ['a thrown text', 'password=hunter2'],
    ['nothing at all', undefined],
    [
      'a failing invariant inside',
      new ServiceError('INTERNAL_ERROR', 'password=hunter2', { details: { password: 'hunter2' } }),
    ],
  ])('of %s leaks nothing', (_, thrown) => {
    const body = errorBody(thrown, REQUEST_ID);
    expect(JSON.stringify(body)).not.toContain('hunter2');
    expect(body).toMatchObject({ code: 'INTERNAL_ERROR', message: 'Internal server error' });
  });

  test('of a store failure names the code but not the statement', () => {
    const error = new ServiceError('DATABASE_ERROR', 'syntax error at or near "selct"');
    expect(errorBody(error, REQUEST_ID)).toMatchObject({
      code: 'DATABASE_ERROR',
      message: 'The store failed to carry out the request',
    });
  });
});

describe('service error', () => {
  test('keeps its cause', () => {
    const cause = new Error('underneath');
    expect(new ServiceError('DATABASE_ERROR', 'above', { cause }).cause).toBe(cause);
    expect(toServiceError(cause)).toMatchObject({ code: 'INTERNAL_ERROR', cause });
  });

  test('passes through toServiceError unchanged', () => {
    const error = new ServiceError('TIMEOUT');
    expect(toServiceError(error)).toBe(error);
  });

  test('is what a broken invariant throws', () => {
    expect(() => invariant(true, 'SEQUENCE_GAP', 'never')).not.toThrow();
    expect(() => invariant(false, 'SEQUENCE_GAP', () => `7 follows ${5}`)).toThrow(
      expect.objectContaining({ code: 'SEQUENCE_GAP', message: '7 follows 5' }),
    );
  });
});
