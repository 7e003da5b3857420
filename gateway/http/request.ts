import type { HttpRequest } from 'uWebSockets.js';
import { randomUUID } from 'node:crypto';

/** Everything the gateway reads of a request's head. uWS forgets the request when the handler returns, so it is copied. */
export interface RequestHead {
  /** As sent, e.g. `GET`. */
  readonly method: string;
  /** Raw path, percent-encoding intact. */
  readonly path: string;
  /** Raw query without `?`; empty when absent. */
  readonly query: string;
  /** The client's `x-request-id` if it is sane, else a new UUID. */
  readonly requestId: string;
  readonly authorization: string;
  readonly apiKey: string;
  /** Empty when absent, like those below. */
  readonly accept: string;
  readonly ifNoneMatch: string;
  readonly lastEventId: string;
  readonly contentType: string;
  readonly contentEncoding: string;
  /** Declared size of the body in bytes; `undefined` when absent. */
  readonly contentLength: number | undefined;
  /** Why the framing of the body cannot be trusted; `undefined` if it can. */
  readonly framingFault: string | undefined;
}

const SANE_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Reads the head in one pass over the headers. */
export function readHead(req: HttpRequest): RequestHead {
  let requestId = '';
  let authorization = '';
  let apiKey = '';
  let accept = '';
  let ifNoneMatch = '';
  let lastEventId = '';
  let contentType = '';
  let contentEncoding = '';
  let contentLength: string | undefined;
  let framingFault: string | undefined;
  req.forEach((name, value) => {
    switch (name) {
      case 'x-request-id':
        requestId = value;
        break;
      case 'authorization':
        authorization = value;
        break;
      case 'x-api-key':
        apiKey = value;
        break;
      case 'accept':
        accept = accept === '' ? value : `${accept}, ${value}`;
        break;
      case 'if-none-match':
        ifNoneMatch = ifNoneMatch === '' ? value : `${ifNoneMatch}, ${value}`;
        break;
      case 'last-event-id':
        lastEventId = value;
        break;
      case 'content-type':
        contentType = value;
        break;
      case 'content-encoding':
        contentEncoding = value;
        break;
      case 'content-length':
        // uWS takes the first of several; a proxy in front may take another (RFC 9112 section 6.3).
        if (contentLength !== undefined) framingFault = 'Content-Length is given more than once';
        contentLength = value;
        break;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked') framingFault = 'Transfer-Encoding must be chunked';
        break;
    }
  });
  return {
    method: req.getCaseSensitiveMethod(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    requestId: SANE_REQUEST_ID.test(requestId) ? requestId : randomUUID(),
    authorization,
    apiKey,
    accept,
    ifNoneMatch,
    lastEventId,
    contentType,
    contentEncoding,
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
    framingFault,
  };
}

const JSON_TYPE = /^application\/json[ \t]*(;|$)/i;

/** Whether a body of this content type is JSON; parameters such as `charset` are allowed. */
export const isJsonType = (contentType: string): boolean =>
  contentType === 'application/json' || JSON_TYPE.test(contentType);
