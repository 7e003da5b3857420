/**
 * The line to the service: one WebSocket, opened again after a pause whenever it ends. What is sent while it is down is not kept; who
 * needs an answer sends again when told that the line is up.
 */
import {
  CONNECTION_ID,
  decodeServerFrame,
  ENDPOINT_PATH,
  encodeHello,
  encodePing,
  FRAME,
  type ServerFrame,
  SUBPROTOCOL,
  type Welcome,
  WIRE_VERSION,
} from '../engine/wire/index.js';
import { type BackoffOptions, backoffMs } from './backoff.js';

/** The part of a browser's WebSocket (https://websockets.spec.whatwg.org/) that is used; the `ws` package has it too. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** Opens a WebSocket, such as `(url, protocol) => new WebSocket(url, protocol)`. */
export type OpenWebSocket = (url: string, protocol: string) => WebSocketLike;

/** The service closed the line for good, or refused a request. */
export class StreamFailed extends Error {
  override readonly name = 'StreamFailed';
  constructor(
    message: string,
    /** Code of the service's error registry, if it said one. */
    readonly code: string | undefined,
    readonly retryAfterSecs?: number,
  ) {
    super(message);
  }
}

export interface LineOptions {
  /** Origin of the service, such as `http://localhost:8080`. */
  readonly url: string;
  readonly apiKey: string | undefined;
  /** Unset: the `ws` package. */
  readonly webSocket: OpenWebSocket | undefined;
  readonly backoff: BackoffOptions;
  /** Milliseconds until a connection has to be welcomed. */
  readonly connectTimeoutMs: number;
  onUp(welcome: Welcome): void;
  onFrame(frame: ServerFrame): void;
  /** The line is down; it will be tried again. */
  onDown(reason: string): void;
  /** The line is over: closed by us, or refused in a way that trying again does not change. */
  onOver(failure: StreamFailed): void;
}

export interface Line {
  /** Sends when the line is up, otherwise does nothing. */
  send(frame: Uint8Array<ArrayBuffer>): void;
  readonly up: boolean;
  close(): void;
}

/** Codes of errors that go away by themselves, or never by trying the same again. */
const FATAL = new Set([
  'AUTH_REQUIRED',
  'INVALID_API_KEY',
  'INVALID_TOKEN',
  'INSUFFICIENT_PERMISSIONS',
  'INVALID_FIELD_VALUE',
  'INVALID_REQUEST_BODY',
]);

const NORMAL = 1000;

/** Opens the line and keeps it open. */
export async function openLine(options: LineOptions): Promise<Line> {
  const open = options.webSocket ?? (await loadWs());
  const url = `${options.url.replace(/^http/, 'ws').replace(/\/+$/, '')}${ENDPOINT_PATH}`;
  let socket: WebSocketLike | undefined;
  let up = false;
  let over = false;
  let attempt = 0;
  let pings = 0;
  /** When the peer was last heard of, on the clock of `performance.now`. */
  let heardAt = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function connect(): void {
    const mine = open(url, SUBPROTOCOL);
    let lastError: StreamFailed | undefined;
    let watch: ReturnType<typeof setInterval> | undefined;
    let ended = false;
    socket = mine;
    mine.binaryType = 'arraybuffer';
    const timeout = setTimeout(() => end('no welcome in time'), options.connectTimeoutMs);

    function end(reason: string): void {
      if (ended) return;
      ended = true;
      clearTimeout(timeout);
      clearInterval(watch);
      mine.onmessage = null;
      mine.close();
      socket = undefined;
      const wasUp = up;
      up = false;
      if (over) return;
      if (lastError?.code !== undefined && FATAL.has(lastError.code)) {
        over = true;
        options.onOver(lastError);
        return;
      }
      if (wasUp) attempt = 0;
      options.onDown(reason);
      retry = setTimeout(connect, backoffMs(++attempt, lastError?.retryAfterSecs, options.backoff));
    }

    function receive(data: ArrayBuffer): void {
      heardAt = performance.now();
      const frame = decodeServerFrame(new Uint8Array(data));
      if (frame.type === FRAME.welcome) {
        clearTimeout(timeout);
        up = true;
        watch = setInterval(() => keepAlive(frame.heartbeatSecs), (frame.heartbeatSecs * 1000) / 2);
        options.onUp(frame);
      } else if (frame.type === FRAME.error && frame.id === CONNECTION_ID) {
        lastError = new StreamFailed(frame.message, frame.code, frame.retryAfterSecs);
      } else if (frame.type !== FRAME.pong) options.onFrame(frame);
    }

    /** A browser cannot see the service's pings, so it asks itself. */
    function keepAlive(heartbeatSecs: number): void {
      if (performance.now() - heardAt > 2000 * heartbeatSecs) end('the service is silent');
      else mine.send(encodePing(++pings));
    }

    mine.onopen = () =>
      mine.send(
        encodeHello({
          versionMin: WIRE_VERSION,
          versionMax: WIRE_VERSION,
          authorization: options.apiKey === undefined ? undefined : `ApiKey ${options.apiKey}`,
          agent: 'stateset-sequencer agent',
        }),
      );
    mine.onmessage = (event: { data: unknown }) => {
      try {
        receive(event.data as ArrayBuffer);
      } catch (error) {
        end(String(error));
      }
    };
    mine.onerror = () => {}; // a close event follows
    mine.onclose = (event: { code?: number; reason?: string }) =>
      end(`closed with ${event.code ?? 'no code'} ${event.reason ?? ''}`.trimEnd());
  }

  connect();
  return {
    send(frame) {
      if (up) socket?.send(frame);
    },
    get up() {
      return up;
    },
    close() {
      if (over) return;
      over = true;
      up = false;
      clearTimeout(retry);
      socket?.close(NORMAL);
      options.onOver(new StreamFailed('the client was closed', undefined));
    },
  };
}

async function loadWs(): Promise<OpenWebSocket> {
  const { WebSocket } = await import('ws');
  return (url, protocol) => new WebSocket(url, protocol) as unknown as WebSocketLike;
}
