import type { HttpRequest } from 'uWebSockets.js';
import { randomUUID } from 'node:crypto';
import type { ForwardedHeaders } from '../../engine/access/index.js';

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
  readonly userAgent: string;
  /** What proxies say of the client; to be believed only as the configuration allows. */
  readonly proxied: ForwardedHeaders;
  /** All header fields, of requests that are signed (RFC 9421) only. Values given more than once are joined by `, `. */
  readonly signedFields: ReadonlyMap<string, string> | undefined;
  /** Origin of the page that sends the request; browsers say it. */
  readonly origin: string;
  /** `access-control-request-method` of a preflight request. */
  readonly requestedMethod: string;
  /** W3C Trace Context. */
  readonly traceparent: string;
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
  let userAgent = '';
  let forwardedFor = '';
  let realIp = '';
  let forwarded = '';
  let isSigned = false;
  let origin = '';
  let requestedMethod = '';
  let traceparent = '';
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
      case 'user-agent':
        userAgent = value;
        break;
      case 'origin':
        origin = value;
        break;
      case 'access-control-request-method':
        requestedMethod = value;
        break;
      case 'traceparent':
        traceparent = value;
        break;
      case 'x-forwarded-for':
        forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`;
        break;
      case 'x-real-ip':
        realIp = value;
        break;
      case 'forwarded':
        forwarded = forwarded === '' ? value : `${forwarded}, ${value}`;
        break;
      case 'signature-input':
        isSigned = true;
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
    userAgent,
    proxied: { forwardedFor, realIp, forwarded },
    signedFields: isSigned ? allFields(req) : undefined,
    origin,
    requestedMethod,
    traceparent,
    contentType,
    contentEncoding,
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
    framingFault,
  };
}

function allFields(req: HttpRequest): Map<string, string> {
  const fields = new Map<string, string>();
  req.forEach((name, value) => {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  return fields;
}

const JSON_TYPE = /^application\/json[ \t]*(;|$)/i;

/** Whether a body of this content type is JSON; parameters such as `charset` are allowed. */
export const isJsonType = (contentType: string): boolean =>
  contentType === 'application/json' || JSON_TYPE.test(contentType);
