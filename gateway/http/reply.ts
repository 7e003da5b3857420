import type { HttpResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { definitionOf, type ErrorCode, errorBody, toServiceError } from '../../engine/errors/index.js';

/** An answer without its content. */
export interface ReplyHead {
  readonly status: number;
  /** Unset: `application/json`. */
  readonly contentType?: string;
  /** Unset: `no-store`. */
  readonly cacheControl?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** A complete answer. */
export interface Reply extends ReplyHead {
  readonly body: string | Uint8Array;
  /** The connection ends after this answer, because what still arrives on it cannot be used. */
  readonly close?: boolean;
  /** Set on errors: the value of `x-error-code`. */
  readonly errorCode?: ErrorCode;
}

/** 200 with a JSON text that is ready to be sent. */
export const jsonText = (body: string | Uint8Array): Reply => ({ status: 200, body });

/** 200 with a value rendered as JSON. */
export const json = (value: object): Reply => jsonText(JSON.stringify(value));

/** The answer to a failure, in the one shape that every error has. */
export function errorReply(
  thrown: unknown,
  requestId: string,
  options: { close?: boolean; headers?: Reply['headers'] } = {},
): Reply {
  const error = toServiceError(thrown);
  const headers = [...(options.headers ?? [])];
  if (definitionOf(error).http === 401) headers.push(['www-authenticate', challenge(error.code)]);
  if (error.retryAfter !== undefined) headers.push(['retry-after', String(error.retryAfter)]);
  return {
    status: definitionOf(error).http,
    body: JSON.stringify(errorBody(error, requestId)),
    headers,
    errorCode: error.code,
    ...(options.close ? { close: true } : {}),
  };
}

/** `WWW-Authenticate`: what to authenticate with (RFC 9110 section 11.6.1, RFC 6750 section 3). */
export function challenge(code: ErrorCode): string {
  const isToken = code === 'INVALID_TOKEN' || code === 'TOKEN_EXPIRED';
  const bearer = isToken ? `${BEARER}, error="invalid_token"` : BEARER;
  return `ApiKey realm="stateset-sequencer", ${bearer}`;
}
const BEARER = 'Bearer realm="stateset-sequencer"';

const STATUS_LINES = new Map<number, string>();

function statusLine(status: number): string {
  let line = STATUS_LINES.get(status);
  if (line === undefined) {
    line = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
    STATUS_LINES.set(status, line);
  }
  return line;
}

/** Writes status and headers. */
export function writeHead(
  res: HttpResponse,
  head: ReplyHead,
  how: { requestId: string; headers: NonNullable<Reply['headers']> },
): void {
  res.writeStatus(statusLine(head.status));
  // 304 repeats what a 200 would say of caching, and nothing of the content (RFC 9110 section 15.4.5).
  if (head.status !== 304 && head.status !== 204)
    res.writeHeader('content-type', head.contentType ?? 'application/json');
  res
    .writeHeader('x-request-id', how.requestId)
    .writeHeader('x-content-type-options', 'nosniff')
    .writeHeader('x-frame-options', 'DENY')
    .writeHeader('cache-control', head.cacheControl ?? 'no-store');
  for (const [name, value] of how.headers) res.writeHeader(name, value);
  for (const [name, value] of head.headers ?? []) res.writeHeader(name, value);
}

/** Writes an answer in one piece. The response must be live: not answered, not aborted. @returns the body's size in bytes */
export function writeReply(
  res: HttpResponse,
  reply: Reply,
  how: { requestId: string; head: boolean; headers: NonNullable<Reply['headers']>; close: boolean },
): number {
  const bytes = typeof reply.body === 'string' ? Buffer.byteLength(reply.body) : reply.body.length;
  res.cork(() => {
    const bodiless = reply.status === 304 || reply.status === 204;
    writeHead(res, reply, how);
    if (reply.errorCode !== undefined) res.writeHeader('x-error-code', reply.errorCode);
    // uWS would send the body of an answer to HEAD as well.
    if (bodiless) {
      // With arguments uWS would write a length, and a wrong one.
      if (how.close) res.writeHeader('connection', 'close');
      res.endWithoutBody();
    } else if (how.head) res.endWithoutBody(bytes, how.close);
    else res.end(reply.body, how.close);
  });
  return bytes;
}
