/** The way of a call: credentials, limits, deadline, the method, and its end. */
import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import {
  type Metadata,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { ServiceError } from '../../engine/errors/index.js';
import { keepChecking } from '../auth/check-again.js';
import { ANONYMOUS_CONTEXT, type AuthContext } from '../auth/context.js';
import { databaseOverloaded } from '../limits/database-load.js';
import type { TraceSpan } from '../telemetry/tracing.js';
import { type Access, NEEDS_DATABASE, requireAccess } from './access.js';
import { laneOf, pingConnection, resetStream } from './connection.js';
import type { GrpcDeps } from './deps.js';
import { createOutlet, type WritableCall } from './outlet.js';
import type { BidiRpc, Call, Rpc, ServerStreamRpc, UnaryRpc } from './rpc.js';
import { failureOf, statusOf } from './status.js';

type Surface = ServerUnaryCall<Buffer, Uint8Array> | WritableCall;

/** Ids of requests that clients may choose. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** What the server keeps of the calls under way. */
export interface OpenCalls {
  begin(): () => void;
}

/** Makes the handler that grpc-js calls. */
export function serve(
  deps: GrpcDeps,
  open: OpenCalls,
  method: string,
  access: Access,
  rpc: Rpc,
): UntypedHandleCall {
  const context = { deps, open, method, access };
  switch (rpc.kind) {
    case 'unary':
      return (surface: ServerUnaryCall<Buffer, Uint8Array>, reply: sendUnaryData<Uint8Array>) =>
        void serveUnary(context, rpc, surface, reply);
    case 'server_streaming':
    case 'bidi_streaming':
      return (surface: WritableCall) => void serveStream(context, rpc, surface);
  }
}

interface Context {
  readonly deps: GrpcDeps;
  readonly open: OpenCalls;
  readonly method: string;
  readonly access: Access;
}

async function serveUnary(
  context: Context,
  rpc: UnaryRpc,
  surface: ServerUnaryCall<Buffer, Uint8Array>,
  reply: sendUnaryData<Uint8Array>,
): Promise<void> {
  const { requestTimeoutMs } = context.deps.config.grpc;
  const running = begin(context, surface, Date.now() + requestTimeoutMs);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ServiceError('TIMEOUT')), requestTimeoutMs);
  });
  try {
    const work = admit(context, surface, running).then((call) => rpc.answer(surface.request, call));
    const bytes = await Promise.race([work, late]);
    reply(null, bytes);
    running.end(status.OK);
  } catch (error) {
    const failure = failureOf(error);
    reply(statusOf(failure, running.requestId));
    running.end(failure.status, error);
  } finally {
    clearTimeout(timer);
  }
}

async function serveStream(
  context: Context,
  rpc: ServerStreamRpc | BidiRpc,
  surface: WritableCall,
): Promise<void> {
  const { slowConsumerMs } = context.deps.config.streams;
  const running = begin(context, surface, Number.POSITIVE_INFINITY);
  const out = createOutlet(surface, slowConsumerMs);
  let read = 0;
  let stopChecking = (): void => {};
  running.streamed = () => ({ messagesIn: read, messagesOut: out.written });
  try {
    const call = await admit(context, surface, running);
    const cancelled = new Promise<void>((resolve) => {
      call.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const work =
      rpc.kind === 'bidi_streaming'
        ? rpc.run(
            counted(messagesOf(surface), () => read++),
            call,
            out,
          )
        : rpc.run((surface as unknown as { request: Buffer }).request, call, out);
    const refused = new Promise<never>((_, reject) => {
      if (context.access !== 'public') stopChecking = keepChecking(call.again, call.reconsider, reject);
    });
    await Promise.race([work, out.stalled, cancelled, refused]);
    if (!call.signal.aborted) surface.end();
    running.end(call.signal.aborted ? status.CANCELLED : status.OK);
  } catch (error) {
    const failure = failureOf(error);
    surface.emit('error', statusOf(failure, running.requestId, out.trailers));
    running.end(failure.status, error);
    // Trailers queue behind what the client has not read. A client that takes neither loses the call.
    setTimeout(() => resetStream(surface), slowConsumerMs).unref();
  } finally {
    stopChecking();
    out.close();
  }
}

/** What the client says. The stream outlives it: answers may still be under way when the client has said everything. */
const messagesOf = (surface: WritableCall): AsyncIterable<Buffer> =>
  (surface as unknown as Readable).iterator({ destroyOnReturn: false });

async function* counted<T>(messages: AsyncIterable<T>, count: () => void): AsyncGenerator<T, void> {
  for await (const message of messages) {
    count();
    yield message;
  }
}

interface Running {
  /** Set by streams: their messages so far. */
  streamed: (() => { messagesIn: number; messagesOut: number }) | undefined;
  /** Set once the call counts among those of its tenant. */
  leave: (() => void) | undefined;
  readonly span: TraceSpan | undefined;
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly timers: NodeJS.Timeout[];
  end(status: number, error?: unknown): void;
}

function begin({ deps, open, method }: Context, surface: Surface, latestMs: number): Running {
  const startedAt = performance.now();
  const controller = new AbortController();
  const given = surface.metadata.get('x-request-id')[0];
  const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  const timers: NodeJS.Timeout[] = [];
  const finished = open.begin();
  let over = false;
  const end = (code: number, error?: unknown) => {
    if (over) return;
    over = true;
    controller.abort();
    for (const timer of timers) clearInterval(timer);
    finished();
    running.leave?.();
    const durationMs = performance.now() - startedAt;
    deps.onCall?.({ method, status: code, durationMs, ...running.streamed?.() });
    running.span?.end({ 'rpc.grpc.status_code': code }, FAULTS.has(code));
    logCall(
      deps,
      { method, request_id: requestId, status: code, duration_ms: Math.round(durationMs * 1000) / 1000 },
      error,
    );
  };
  (surface as EventEmitter).on('cancelled', () => end(status.CANCELLED));
  const running: Running = {
    streamed: undefined,
    leave: undefined,
    span: deps.tracing?.startRequest(method.slice(1), textOf(surface.metadata, 'traceparent'), {
      'rpc.system.name': 'grpc',
      'rpc.method': method.slice(1),
    }),
    requestId,
    deadlineMs: Math.min(latestMs, deadlineOf(surface)),
    signal: controller.signal,
    timers,
    end,
  };
  return running;
}

function deadlineOf(surface: Surface): number {
  const deadline = surface.getDeadline();
  return deadline instanceof Date ? deadline.getTime() : deadline;
}

/** Load, credentials, permission, rate. */
async function admit({ deps, access }: Context, surface: Surface, running: Running): Promise<AdmittedCall> {
  if (NEEDS_DATABASE[access] && deps.isOverloaded?.()) throw databaseOverloaded();
  let auth = await authenticate(deps, surface, access);
  requireAccess(auth, access);
  const guards = [(found: AuthContext) => requireAccess(found, access)];
  const call: AdmittedCall = {
    get auth() {
      return auth;
    },
    guard: (check) => void guards.push(check),
    again: () => authenticate(deps, surface, access),
    reconsider(found) {
      if (found === auth) return;
      for (const check of guards) check(found);
      auth = found;
    },
    requestId: running.requestId,
    deadlineMs: running.deadlineMs,
    signal: running.signal,
    span: running.span,
    lane: laneOf(surface.getPeer()),
    count: () => deps.limitRate(auth),
    begin: (metadata) => surface.sendMetadata(metadata),
    ping(intervalMs) {
      const timer = setInterval(() => pingConnection(surface), intervalMs);
      timer.unref();
      running.timers.push(timer);
    },
  };
  if (access === 'public') return call;
  call.count();
  const leave = deps.enter?.(auth);
  // Whoever left while the credentials were looked up is not under way any more.
  if (running.signal.aborted) leave?.();
  else running.leave = leave;
  return call;
}

interface AdmittedCall extends Call {
  /** Its credentials as they are now. */
  again(): Promise<AuthContext>;
  /** Goes on with them. @throws what a guard throws */
  reconsider(auth: AuthContext): void;
}

async function authenticate(deps: GrpcDeps, surface: Surface, access: Access): Promise<AuthContext> {
  const { metadata } = surface;
  if (access === 'public') return ANONYMOUS_CONTEXT;
  return deps.authenticate(textOf(metadata, 'authorization'), textOf(metadata, 'x-api-key'), true, {
    address: () => addressOf(surface.getPeer()),
  });
}

/** A peer without its port: `127.0.0.1:5000`, `::1:5000`. */
const addressOf = (peer: string): string => peer.slice(0, peer.lastIndexOf(':'));

const textOf = (metadata: Metadata, name: string): string => String(metadata.get(name)[0] ?? '');

/** Statuses that are the service's fault. */
const FAULTS = new Set<number>([status.INTERNAL, status.DATA_LOSS, status.UNAVAILABLE, status.UNKNOWN]);

interface LogLine {
  readonly method: string;
  readonly request_id: string;
  readonly status: number;
  readonly duration_ms: number;
}

function logCall({ log }: GrpcDeps, line: LogLine, error: unknown): void {
  if (!FAULTS.has(line.status)) {
    log.debug(line, 'call');
    return;
  }
  const cause = error instanceof ServiceError ? (error.cause ?? error) : error;
  const record = { ...line, err: cause };
  if (line.status === status.UNAVAILABLE) log.warn(record, 'call failed');
  else log.error(record, 'call failed');
}
