/** Headers that many answers have. */
export const HEADERS = {
  RequestId: {
    description: 'Names the request in the log of the server; the one that was sent, if there was one',
    schema: { type: 'string' },
  },
  ErrorCode: { description: 'The code of the error', schema: { type: 'string' } },
  RetryAfter: { description: 'Seconds to wait', schema: { type: 'integer', minimum: 0 } },
  Authenticate: { description: 'What to authenticate with', schema: { type: 'string' } },
};

export const header = (name: keyof typeof HEADERS) => ({ $ref: `#/components/headers/${name}` });
