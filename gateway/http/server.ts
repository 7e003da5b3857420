/**
 * The HTTP/1.1 server on uWebSockets.js. What this build does by itself, found by experiment and held by
 * `test/gateway/raw-http.test.ts`:
 *
 * - A connection carries one request at a time. Sending the next request before the answer to the last (pipelining) makes
 *   uWS close the connection without an answer; an ingest request that was under way may have been stored, and re-sending it
 *   is safe. Common clients do not pipeline unless told to.
 * - Both Transfer-Encoding and Content-Length, bad chunk sizes and bad lengths: 400 in HTML and the connection is closed.
 *   HTTP/1.0, other protocols and absolute request targets: 505. Headers beyond 4 kB when they arrive in more than one
 *   piece, and beyond some tens of kB in any case: 431. These answers are written by uWS and carry neither our headers nor the
 *   JSON error body.
 * - Several Content-Length headers are let through with the first one's value: refused here.
 * - No Host, too many headers or control characters in them: no answer; the connection is closed when idle for about 10 s.
 * - A body that arrives slower than 16 kB/s is cut off with its connection after 10 to 14 s, whatever the body timeout
 *   (measured; the tests do not wait for it). An answer may take as long as it likes.
 * - `Expect: 100-continue` is answered by uWS.
 * - Ports are shared silently between processes unless asked otherwise.
 */
import uWS, {
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_listen_socket,
} from 'uWebSockets.js';
import {
  type ClientAddressReader,
  requireContentDigest,
  type SignedRequest,
} from '../../engine/access/index.js';
import { type ErrorCode, ServiceError } from '../../engine/errors/index.js';
import type { Authenticator } from '../auth/authenticate.js';
import type { AuthContext } from '../auth/context.js';
import { requirePermission } from '../auth/scopes.js';
import { databaseOverloaded } from '../limits/database-load.js';
import type { Tracing } from '../telemetry/tracing.js';
import { type BodyBudget, bodyTooLarge, receiveBody } from './body.js';
import { type Cors, createCors, type HeaderList } from './cors.js';
import { createDeadlines } from './deadlines.js';
import { type Exchange, type ExchangeOutcome, openExchange } from './exchange.js';
import type { Reply } from './reply.js';
import { isJsonType, type RequestHead, readHead } from './request.js';
import { createRouter, type Route, type RouteMatch, type RouteScope } from './router.js';
import type { TlsFront } from './tls-front.js';

export interface ServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly routes: readonly Route[];
  readonly requestTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Largest body for the ingest pipeline; others are smaller anyway, see {@link SMALL_BODY_BYTES_MAX}. */
  readonly bodyBytesMax: number;
  readonly bodyBudget: BodyBudget;
  /** Set: the port speaks TLS. */
  readonly tls?: TlsFront | undefined;
  /** Unset: no page of another origin may call. */
  readonly cors?: Cors;
  /** Headers of every answer. */
  readonly headers?: HeaderList;
  readonly tracing?: Tracing | undefined;
  /** Whether work that needs the database is refused, before anything of it is done. */
  readonly isOverloaded?: () => boolean;
  /** Adds endpoints of other protocols. */
  readonly attach: (app: TemplatedApp) => void;
  readonly authenticate: Authenticator['authenticate'];
  readonly clientAddress: ClientAddressReader;
  /** Called for every request with valid credentials; throws when they have sent enough. */
  readonly rateGate: (exchange: Exchange) => void;
  /** Called once per request, after its answer was written or its client had left. */
  readonly onDone: (exchange: Exchange, outcome: ExchangeOutcome) => void;
}

export interface HttpServer {
  /** @throws Error when the address cannot be taken. */
  listen(): Promise<{ port: number }>;
  /** Takes no more connections or requests; resolves when the last request in progress has been answered. */
  drain(): Promise<void>;
  /** Ends all connections at once. */
  close(): void;
}

const EXCLUSIVE_PORT = 1;
const DRAIN_POLL_MS = 20;
/** Bodies that are parsed in the main thread, which everybody shares (L10). */
export const SMALL_BODY_BYTES_MAX = 64 * 1024;
/**
 * A client that is still sending when its connection ends often never sees the answer (RFC 9112 section 9.6). So a body that was
 * announced too large is read to its end and dropped, unless it is larger than this.
 */
const DROPPED_BODY_BYTES_MAX = 64 * 1024 * 1024;
const NO_BODY = new Uint8Array(0);

/** libuv-style listen with host, port and options; the type declarations of uWS know it only without a host. */
type ListenOn = (
  host: string,
  port: number,
  options: number,
  done: (socket: us_listen_socket | false) => void,
) => void;

export function createServer(options: ServerOptions): HttpServer {
  const { cors = createCors([]), headers = [], isOverloaded = () => false } = options;
  const app = uWS.App();
  const route = createRouter(options.routes);
  const deadlines = createDeadlines(options.bodyTimeoutMs);
  const bodyBytesMax = {
    ingest: options.bodyBytesMax,
    small: Math.min(options.bodyBytesMax, SMALL_BODY_BYTES_MAX),
  };
  let listenSocket: us_listen_socket | undefined;
  let draining = false;
  let closed = false;

  const hooks = {
    clientAddress: options.clientAddress,
    draining: () => draining,
    onStream: (exchange: Exchange) => deadlines.remove(exchange),
    onDone(exchange: Exchange, outcome: ExchangeOutcome) {
      deadlines.remove(exchange);
      exchange.span?.end({ 'http.response.status_code': outcome.status }, outcome.status >= 500);
      options.onDone(exchange, outcome);
    },
  };

  function accept(res: HttpResponse, req: HttpRequest): void {
    const head = readHead(req);
    const match = route(head.method, head.path);
    const timeoutMs = options.requestTimeoutMs;
    const corsHeaders = cors.headersFor(head.origin);
    const always = corsHeaders.length === 0 ? headers : [...headers, ...corsHeaders];
    const exchange = openExchange(
      res,
      match.kind === 'found'
        ? { head, route: match.route, params: match.params, timeoutMs, always }
        : { head, route: undefined, params: [], timeoutMs, always },
      hooks,
    );
    res.onAborted(exchange.abandon);
    deadlines.add(exchange);
    const preflight = cors.preflight(head);
    if (preflight !== undefined) {
      exchange.reply(preflight);
      return;
    }
    const refusal = refuseHead(head, match);
    if (refusal !== undefined) {
      exchange.fail(refusal.error, refusal.options);
    } else if (match.kind === 'found') {
      if (options.tracing !== undefined) exchange.span = beginSpan(options.tracing, head, match.route);
      try {
        admit(res, exchange, match.route);
      } catch (error) {
        exchange.fail(error);
      }
    }
  }

  /** What makes a request unanswerable before its credentials are looked at. */
  function refuseHead(head: RequestHead, match: RouteMatch): Refusal | undefined {
    if (draining)
      return refusal('SERVICE_UNAVAILABLE', 'The service is stopping; another instance may answer');
    if (head.framingFault !== undefined)
      return refusal('INVALID_REQUEST_BODY', head.framingFault, { close: true });
    if (match.kind === 'unknown') return refusal('RESOURCE_NOT_FOUND', 'There is nothing at this path');
    if (match.kind === 'wrong-method')
      return refusal('METHOD_NOT_ALLOWED', `This path answers ${match.allow}`, {
        headers: [['allow', match.allow]],
      });
    return undefined;
  }

  /** Credentials and body arrive in either order; the handler runs when both are there. */
  function admit(res: HttpResponse, exchange: Exchange, route: Route): void {
    const { head } = exchange;
    if (needsDatabase(route) && isOverloaded()) throw databaseOverloaded();
    const authorized = route.scope === 'public' || authorize(exchange, route.scope);
    const runAuthorized = () => {
      if (authorized === true) run(exchange, route);
      else authorized.then(() => run(exchange, route), exchange.fail);
    };
    if (route.body === undefined) {
      exchange.phase = 'working';
      runAuthorized();
      return;
    }
    if (authorized !== true) authorized.catch(exchange.fail);
    if (!isJsonType(head.contentType)) throw new ServiceError('UNSUPPORTED_MEDIA_TYPE');
    if (head.contentEncoding !== '' && head.contentEncoding.toLowerCase() !== 'identity')
      throw new ServiceError(
        'UNSUPPORTED_MEDIA_TYPE',
        'Content-Encoding is not accepted: send the body as it is',
      );
    const bytesMax = bodyBytesMax[route.body];
    const announced = head.contentLength ?? 0;
    if (announced > bytesMax) {
      exchange.fail(bodyTooLarge(bytesMax), { close: announced > DROPPED_BODY_BYTES_MAX });
      return;
    }
    receiveBody(res, exchange, { bytesMax, budget: options.bodyBudget }, (body, keep) => {
      exchange.phase = 'working';
      // The lookup of unknown credentials outlasts the view on the socket's memory.
      exchange.body = authorized === true ? body : (keep() ?? NO_BODY);
      runAuthorized();
    });
  }

  /** `true` at once, or a promise that rejects with the refusal. */
  function authorize(exchange: Exchange, scope: Exclude<RouteScope, 'public'>): true | Promise<true> {
    const { authorization, apiKey } = exchange.head;
    const admitWith = (auth: AuthContext): true => {
      exchange.auth = auth;
      options.rateGate(exchange);
      if (scope !== 'authenticated' && scope !== 'optional') requirePermission(auth, scope);
      return true;
    };
    const signed = isSigned(exchange.head)
      ? signedRequest(exchange.head, exchange.route?.body !== undefined)
      : undefined;
    const authenticate = (before?: AuthContext) =>
      options.authenticate(authorization, apiKey, scope !== 'optional', {
        address: exchange.remoteAddress,
        signed,
        before,
      });
    exchange.again = () => authenticate(exchange.auth);
    const auth = authenticate();
    return auth instanceof Promise ? auth.then(admitWith) : admitWith(auth);
  }

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        options.attach(app);
        app.any('/*', accept);
        const { tls } = options;
        if (tls !== undefined) {
          app.listen_unix((socket) => {
            if (!socket) return reject(new Error(`cannot listen on ${tls.socketPath}`));
            listenSocket = socket;
            tls.listen(options.host, options.port).then(resolve, reject);
          }, tls.socketPath);
          return;
        }
        (app.listen as unknown as ListenOn).call(
          app,
          options.host,
          options.port,
          EXCLUSIVE_PORT,
          (socket) => {
            if (!socket) return reject(new Error(`cannot listen on ${options.host}:${options.port}`));
            listenSocket = socket;
            resolve({ port: uWS.us_socket_local_port(socket as never) });
          },
        );
      }),
    async drain() {
      draining = true;
      options.tls?.stopListening();
      if (listenSocket !== undefined) uWS.us_listen_socket_close(listenSocket);
      listenSocket = undefined;
      while (deadlines.size > 0 && !closed)
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    },
    close() {
      if (closed) return;
      closed = true;
      deadlines.close();
      options.tls?.close();
      app.close();
      listenSocket = undefined;
    },
  };
}

/** Whether a signature is what the request has for credentials. */
const isSigned = ({ authorization, apiKey, signedFields }: RequestHead): boolean =>
  signedFields !== undefined && authorization === '' && apiKey === '';

const signedRequest = (
  { method, path, query, signedFields }: RequestHead,
  hasBody: boolean,
): SignedRequest => ({
  method,
  path,
  query,
  fields: signedFields!,
  hasBody,
});

interface Refusal {
  readonly error: ServiceError;
  readonly options: { close?: boolean; headers?: Reply['headers'] };
}

const refusal = (code: ErrorCode, message: string, options: Refusal['options'] = {}): Refusal => ({
  error: new ServiceError(code, message),
  options,
});

/** Ingest has connections of its own; what is public is about the process, or is answered from memory. */
const needsDatabase = ({ scope, body, essential }: Route): boolean =>
  scope !== 'public' && scope !== 'optional' && body !== 'ingest' && essential !== true;

const beginSpan = (tracing: Tracing, { method, path, requestId, traceparent }: RequestHead, route: Route) =>
  tracing.startRequest(`${method} ${route.path}`, traceparent, {
    'http.request.method': method,
    'http.route': route.path,
    'url.path': path,
    'http.request.id': requestId,
  });

function run(exchange: Exchange, route: Route): void {
  if (exchange.phase === 'done') return;
  try {
    const { span, head } = exchange;
    if (route.body !== undefined && isSigned(head))
      requireContentDigest(head.signedFields!.get('content-digest') ?? '', exchange.body);
    if (span === undefined) route.handler(exchange);
    else span.run(() => route.handler(exchange));
  } catch (error) {
    exchange.fail(error);
  }
}
