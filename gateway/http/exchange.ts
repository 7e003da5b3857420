import type { HttpResponse } from 'uWebSockets.js';
import type { ClientAddressReader } from '../../engine/access/index.js';
import type { ErrorCode, ServiceError } from '../../engine/errors/index.js';
import { serviceErrorOf } from '../../engine/store/service-error-of.js';
import { ANONYMOUS_CONTEXT, type AuthContext } from '../auth/context.js';
import type { TraceSpan } from '../telemetry/tracing.js';
import type { HeaderList } from './cors.js';
import { errorReply, type Reply, type ReplyHead, writeReply } from './reply.js';
import { openReplyStream, type ReplyStream } from './reply-stream.js';
import type { RequestHead } from './request.js';
import type { Route } from './router.js';

/**
 * One request from its head to its answer. Three phases, each left once:
 *
 *   receiving  the body is arriving                                  -> working | done
 *   working    a handler has it, or will once the credentials are known -> done
 *   done       answered, or the client left; whatever comes later is dropped
 */
export type ExchangePhase = 'receiving' | 'working' | 'done';

export interface Exchange {
  readonly head: RequestHead;
  /** `undefined` where no route matched. */
  readonly route: Route | undefined;
  /** Raw path parameters in the order of the path. */
  readonly params: readonly string[];
  auth: AuthContext;
  /** Its credentials looked at again, for answers that go on. Throws or rejects when they count no more. */
  again: () => AuthContext | Promise<AuthContext>;
  /** Valid only until the handler returns: it may be a view on the socket's memory. */
  body: Uint8Array;
  phase: ExchangePhase;
  /** Unique in this process. A connection has at most one request at a time (see server.ts), so it also names the lane. */
  readonly serial: number;
  /** `performance.now()` when the head had arrived. */
  readonly startedAt: number;
  /** Milliseconds since the epoch; afterwards the request is answered 504. */
  readonly deadlineMs: number;
  /** What a 504 says; handlers whose outcome may be open set it. */
  timeoutMessage: string | undefined;
  /** Headers of the answer, whatever it will be. */
  headers: NonNullable<Reply['headers']>;
  /** Set while the request is traced. */
  span: TraceSpan | undefined;
  /** Gives back what the request holds; called once when it is done. */
  release: (() => void) | undefined;
  /** Address of the client: the connection's other end, or whom a trusted proxy names; empty when the request is done. */
  remoteAddress(): string;
  reply(reply: Reply): void;
  /** Begins an answer without a known end. It has no deadline; whoever writes it watches over it. */
  stream(head: ReplyHead, onGone: () => void): ReplyStream;
  /** Answers with an error; `close` ends the connection. */
  fail(thrown: unknown, options?: { close?: boolean; headers?: Reply['headers'] }): void;
  /** The client has gone: nothing may be written any more. */
  abandon(): void;
}

/** How an exchange ended, for logs and metrics. */
export interface ExchangeOutcome {
  /** 0 when the client left before the answer. */
  readonly status: number;
  readonly errorCode: ErrorCode | undefined;
  /** What was thrown, if the answer is an error. */
  readonly error: ServiceError | undefined;
  readonly durationMs: number;
  /** Size of the answer's body; undefined for answers without a known end and without an answer. */
  readonly bytes: number | undefined;
}

export interface ExchangeHooks {
  readonly clientAddress: ClientAddressReader;
  /** Whether connections are to be ended after the answer in progress. */
  readonly draining: () => boolean;
  /** Called when an answer without a known end begins. */
  readonly onStream: (exchange: Exchange) => void;
  /** Called once, after the answer was written or the client had gone. */
  readonly onDone: (exchange: Exchange, outcome: ExchangeOutcome) => void;
}

const NO_BODY = new Uint8Array(0);
let serial = 0;

/** Opens the exchange of a request whose head has arrived. */
export function openExchange(
  res: HttpResponse,
  parts: {
    head: RequestHead;
    route: Route | undefined;
    params: readonly string[];
    timeoutMs: number;
    /** Headers of every answer on this connection. */
    always: HeaderList;
  },
  hooks: ExchangeHooks,
): Exchange {
  const { head } = parts;

  const finish = (status: number, bytes?: number, errorCode?: ErrorCode, error?: ServiceError) => {
    exchange.phase = 'done';
    exchange.body = NO_BODY;
    exchange.release?.();
    const durationMs = performance.now() - exchange.startedAt;
    hooks.onDone(exchange, { status, errorCode, error, durationMs, bytes });
  };
  const headers = (): HeaderList =>
    exchange.headers.length === 0 ? parts.always : [...parts.always, ...exchange.headers];
  const write = (reply: Reply): number =>
    writeReply(res, reply, {
      requestId: head.requestId,
      head: head.method === 'HEAD',
      headers: headers(),
      close: reply.close === true || hooks.draining(),
    });

  let gone: () => void = () => {};

  const exchange: Exchange = {
    head,
    route: parts.route,
    params: parts.params,
    auth: ANONYMOUS_CONTEXT,
    again: () => exchange.auth,
    body: NO_BODY,
    phase: 'receiving',
    serial: ++serial,
    startedAt: performance.now(),
    deadlineMs: Date.now() + parts.timeoutMs,
    timeoutMessage: undefined,
    headers: [],
    span: undefined,
    release: undefined,
    remoteAddress: () =>
      exchange.phase === 'done' ? '' : hooks.clientAddress(peerAddress(res), head.proxied),
    reply(reply) {
      if (exchange.phase === 'done') return;
      finish(reply.status, write(reply), reply.errorCode);
    },
    stream(replyHead, onGone) {
      gone = onGone;
      hooks.onStream(exchange);
      return openReplyStream(res, replyHead, {
        requestId: head.requestId,
        headers: headers(),
        onEnd: () => finish(replyHead.status),
      });
    },
    fail(thrown, options) {
      if (exchange.phase === 'done') return;
      const error = serviceErrorOf(thrown);
      const reply = errorReply(error, head.requestId, options);
      finish(reply.status, write(reply), error.code, error);
    },
    abandon() {
      if (exchange.phase === 'done') return;
      finish(0);
      gone();
    },
  };
  return exchange;
}

/**
 * Address of the connection’s other end. Behind the TLS front that is the front, on a socket without an address, which tells
 * who its client is.
 */
export function peerAddress(res: HttpResponse): string {
  const address = Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
  return address === '' ? Buffer.from(res.getProxiedRemoteAddressAsText()).toString('latin1') : address;
}

/** A handler that computes one answer. The body is only valid before its first `await`. */
export const answering =
  (answer: (exchange: Exchange) => Reply | Promise<Reply>) =>
  (exchange: Exchange): void => {
    const result = answer(exchange);
    if (result instanceof Promise) result.then(exchange.reply, exchange.fail);
    else exchange.reply(result);
  };
