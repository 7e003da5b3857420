/** Where the messages of a stream go, with the client's pace in mind. */
import { type ServerDuplexStream, type ServerWritableStream, status } from '@grpc/grpc-js';
import { GrpcStatusError } from './status.js';

/** The writing side of a call, either kind. */
export type WritableCall = ServerWritableStream<Buffer, Uint8Array> | ServerDuplexStream<Buffer, Uint8Array>;

/** Messages that may be handed over at once while the client keeps up. */
const ROOM = 128;

export interface Outlet {
  /** How many messages it takes now; 0 until the client has read what is under way. */
  room(): number;
  write(message: Uint8Array): void;
  /** Resolves when there is room; rejects when the client has not read for too long. */
  drained(): Promise<void>;
  /** Called whenever there is room again. */
  onRoom(resume: () => void): void;
  /** Rejects when the client has not read for too long; otherwise never settles. */
  readonly stalled: Promise<never>;
  /** Messages handed over so far. */
  readonly written: number;
  /** Trailers to send with whatever status ends the stream. */
  readonly trailers: Record<string, string>;
  close(): void;
}

/** @param stallMs how long a client may leave what is under way unread */
export function createOutlet(call: WritableCall, stallMs: number): Outlet {
  let blocked = false;
  let written = 0;
  let timer: NodeJS.Timeout | undefined;
  const waiting: (() => void)[] = [];
  const listeners: (() => void)[] = [];
  let cut: (error: GrpcStatusError) => void = () => {};
  const stalled = new Promise<never>((_, reject) => {
    cut = reject;
  });
  stalled.catch(() => {}); // whoever waits for it is told; nobody may be waiting

  call.on('drain', () => {
    blocked = false;
    clearTimeout(timer);
    for (const resolve of waiting.splice(0)) resolve();
    for (const resume of listeners) resume();
  });

  return {
    room: () => (blocked ? 0 : ROOM),
    write(message) {
      written++;
      if (call.write(message) || blocked) return;
      blocked = true;
      timer = setTimeout(
        () => cut(new GrpcStatusError(status.RESOURCE_EXHAUSTED, 'OVERLOADED', tooSlow(stallMs))),
        stallMs,
      );
      timer.unref();
    },
    drained() {
      if (!blocked) return Promise.resolve();
      return Promise.race([new Promise<void>((resolve) => waiting.push(resolve)), stalled]);
    },
    onRoom: (resume) => void listeners.push(resume),
    stalled,
    get written() {
      return written;
    },
    trailers: {},
    close: () => clearTimeout(timer),
  };
}

const tooSlow = (stallMs: number): string =>
  `The client has read nothing for ${stallMs} ms; call again from x-resume-sequence when it can`;
