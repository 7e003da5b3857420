/**
 * A minimal HTTP/1.1 client for load: one keep-alive connection, one request under way at a time, bodies with a
 * Content-Length. It does what a measurement needs and nothing else, because on a small machine the generator's CPU time
 * is taken from the service.
 */
import { connect, type Socket } from 'node:net';

/** @param body valid until the handler returns */
export type AnswerHandler = (status: number, body: Buffer) => void;

export interface RawConnection {
  /** Sends a whole request; the answer goes to the handler. Not before the answer to the one before. */
  send(request: Uint8Array): void;
  close(): void;
}

export interface RawConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly onAnswer: AnswerHandler;
  /** The connection ended or what came is no HTTP answer; nothing more will come. */
  readonly onBroken: (reason: string) => void;
}

const READ_BYTES = 64 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)\r\n/i;
/** Length of `HTTP/1.1 `. */
const STATUS_AT = 9;

/** Opens a connection. @throws Error when it cannot be made */
export function openRawConnection(options: RawConnectionOptions): Promise<RawConnection> {
  /** What has arrived of the answer in progress. */
  let answer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let length = 0;
  /** Known once the head is complete. */
  let bodyAt = -1;
  let end = 0;
  let status = 0;
  let closed = false;
  let socket: Socket;

  const broken = (reason: string) => {
    if (closed) return;
    closed = true;
    socket.destroy();
    options.onBroken(reason);
  };

  function receive(bytes: number, chunk: Uint8Array): boolean {
    if (closed) return true;
    if (length + bytes > answer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(answer.length * 2, length + bytes, end));
      answer.copy(larger, 0, 0, length);
      answer = larger;
    }
    answer.set(chunk.subarray(0, bytes), length);
    length += bytes;
    if (bodyAt === -1 && !readHead()) return true;
    if (length < end) return true;
    if (length > end) {
      broken(`${length - end} bytes behind the answer`);
      return true;
    }
    const body = answer.subarray(bodyAt, end);
    length = 0;
    bodyAt = -1;
    end = 0;
    options.onAnswer(status, body);
    return true;
  }

  /** Whether the head is complete. */
  function readHead(): boolean {
    const headEnd = answer.subarray(0, length).indexOf('\r\n\r\n', 0, 'latin1');
    if (headEnd === -1) {
      if (length > HEAD_BYTES_MAX) broken('the head of the answer does not end');
      return false;
    }
    const head = answer.toString('latin1', 0, headEnd + 2);
    const contentLength = CONTENT_LENGTH.exec(head)?.[1];
    status = Number(head.slice(STATUS_AT, STATUS_AT + 3));
    if (contentLength === undefined || !(status >= 100)) {
      broken('the answer has no status or no Content-Length');
      return false;
    }
    bodyAt = headEnd + 4;
    end = bodyAt + Number(contentLength);
    return true;
  }

  return new Promise((resolve, reject) => {
    socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: receive },
    });
    socket.once('error', (error) => {
      reject(error);
      broken(error.message);
    });
    socket.once('close', () => broken('the connection was closed'));
    socket.once('connect', () =>
      resolve({
        send: (request) => void socket.write(request),
        close() {
          closed = true;
          socket.destroy();
        },
      }),
    );
  });
}
