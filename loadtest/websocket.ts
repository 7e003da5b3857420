/**
 * A minimal WebSocket client for load: no extensions, no queues, one shared buffer for what arrives. It does what a measurement needs,
 * because on a small machine the generator's CPU time and memory are taken from the service.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { clientFrame, createFrameReader, type FrameReader, OPCODE } from './websocket-frames.js';

export interface WebSocketOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly subprotocol: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A whole message; valid until the handler returns. */
  onMessage(message: Uint8Array): void;
  /** Nothing more will come. Not called after {@link LoadSocket.close}. */
  onClosed(code: number, reason: string): void;
}

export interface LoadSocket {
  /** Sends a ready frame, see `clientFrame`. */
  send(frame: Uint8Array): void;
  /** Says goodbye and closes. */
  close(): void;
}

export type OpenWebSocket = (options: WebSocketOptions) => Promise<LoadSocket>;

const READ_BYTES = 256 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** RFC 6455 section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Close codes that never travel (section 7.4.1). */
const ABNORMAL = 1006;
const PROTOCOL_ERROR = 1002;
const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8]);

/** Makes an opener whose sockets share one buffer: ten thousand idle ones cost little. */
export function createWebSocketOpener(): OpenWebSocket {
  const shared = Buffer.allocUnsafeSlow(READ_BYTES);
  return (options) => open(options, shared);
}

function open(options: WebSocketOptions, shared: Buffer): Promise<LoadSocket> {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString('base64');
    const accept = createHash('sha1')
      .update(key + ACCEPT_GUID)
      .digest('base64');
    let head: Buffer | undefined = Buffer.alloc(0);
    let closed = false;
    let socket: Socket;

    const end = (code: number, reason: string) => {
      if (closed) return;
      closed = true;
      socket.destroy();
      if (head === undefined) options.onClosed(code, reason);
      else reject(new Error(`the WebSocket cannot be opened: ${reason}`));
    };
    const reader: FrameReader = createFrameReader(
      {
        onMessage: (message) => {
          if (!closed) options.onMessage(message);
        },
        onPing: (payload) => void socket.write(clientFrame(payload, OPCODE.pong)),
        onClose: end,
      },
      MESSAGE_BYTES_MAX,
    );

    function receive(bytes: Uint8Array): void {
      if (closed) return;
      try {
        const rest = head === undefined ? bytes : takeHead(bytes);
        if (rest !== undefined && rest.length > 0) reader.push(rest);
      } catch (error) {
        end(PROTOCOL_ERROR, (error as Error).message);
      }
    }

    /** Answers what follows on the head once it is complete. */
    function takeHead(bytes: Uint8Array): Uint8Array | undefined {
      head = Buffer.concat([head!, bytes]);
      const headEnd = head.indexOf('\r\n\r\n', 0, 'latin1');
      if (headEnd === -1) {
        if (head.length > HEAD_BYTES_MAX) throw new Error('the head of the answer does not end');
        return undefined;
      }
      const text = head.toString('latin1', 0, headEnd + 2);
      const rest = head.subarray(headEnd + 4);
      if (!text.startsWith('HTTP/1.1 101 '))
        throw new Error(`answered ${text.split('\r\n')[0]} ${rest.toString('utf8', 0, 300)}`);
      const accepted = /\r\nsec-websocket-accept: *(\S+)\r\n/i.exec(text)?.[1];
      if (accepted !== accept) throw new Error('the answer does not belong to the request');
      head = undefined;
      resolve({
        send: (frame) => void socket.write(frame),
        close() {
          closed = true;
          socket.end(clientFrame(NORMAL_CLOSURE, OPCODE.close));
          socket.destroySoon();
        },
      });
      return rest;
    }

    socket = connect({
      ...{ host: options.host, port: options.port, noDelay: true },
      onread: {
        buffer: shared,
        callback: (bytes) => {
          receive(shared.subarray(0, bytes));
          return true;
        },
      },
    });
    socket.once('error', (error) => end(ABNORMAL, error.message));
    socket.once('close', () => end(ABNORMAL, 'the connection was closed'));
    socket.once('connect', () => socket.write(requestOf(options, key)));
  });
}

const requestOf = ({ host, port, path, subprotocol, headers }: WebSocketOptions, key: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
  `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\nsec-websocket-protocol: ${subprotocol}\r\n` +
  `${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
