import { connect, type Socket } from 'node:net';

/** An answer read from a socket. */
export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** A connection that speaks HTTP/1.1 as badly as its caller wants. */
export interface RawConnection {
  readonly socket: Socket;
  write(bytes: string | Uint8Array): void;
  /** The next answer; one with status 0 when the connection ends first. */
  answer(): Promise<RawAnswer>;
  readonly open: boolean;
  destroy(): void;
}

const NO_ANSWER: RawAnswer = { status: 0, headers: new Map(), text: '' };

/** Connects to a port of this machine. Answers are expected to say how long they are, or to end with the connection. */
export function openConnection(port: number): RawConnection {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received: Buffer = Buffer.alloc(0);
  let ended = false;
  let waiting: ((answer: RawAnswer) => void) | undefined;

  const settle = () => {
    if (waiting === undefined) return;
    const answer = take() ?? (ended ? NO_ANSWER : undefined);
    if (answer === undefined) return;
    const resolve = waiting;
    waiting = undefined;
    resolve(answer);
  };
  /** The first answer among the received bytes, if it is complete. */
  const take = (): RawAnswer | undefined => {
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [statusLine = '', ...lines] = received.toString('latin1', 0, headEnd).split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    const declared = headers.get('content-length');
    const end = declared === undefined ? received.length : headEnd + 4 + Number(declared);
    if (declared === undefined ? !ended : received.length < end) return undefined;
    const text = received.toString('utf8', headEnd + 4, end);
    received = received.subarray(end);
    return { status: Number(statusLine.split(' ')[1]), headers, text };
  };

  socket.on('data', (data) => {
    received = received.length === 0 ? data : Buffer.concat([received, data]);
    settle();
  });
  const end = () => {
    ended = true;
    settle();
  };
  socket.on('end', end).on('close', end).on('error', end);
  return {
    socket,
    write: (bytes) => {
      if (!socket.destroyed && !socket.writableEnded) socket.write(bytes);
    },
    answer: () =>
      new Promise((resolve) => {
        waiting = resolve;
        settle();
      }),
    get open() {
      return !ended;
    },
    destroy: () => void socket.destroy(),
  };
}

/** Head and body of a request; `length` overrides the Content-Length, `null` leaves it out. */
export function formatRequest(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
  length: number | null = body.length,
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (length !== null) lines.push(`Content-Length: ${length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
