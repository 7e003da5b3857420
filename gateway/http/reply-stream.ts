/** An answer that goes on: pieces are written as they come, and a client that does not read is noticed. */
import type { HttpResponse } from 'uWebSockets.js';
import { type Reply, type ReplyHead, writeHead } from './reply.js';

export interface ReplyStream {
  /** Writes a piece; it is taken in any case, but while {@link blockedSince} is set nothing more should be written. */
  write(piece: string | Uint8Array): void;
  /** When the client last stopped reading (`performance.now()`); undefined while it keeps up. */
  readonly blockedSince: number | undefined;
  /** Called when the client reads again. */
  onDrain: () => void;
  /** Ends the answer properly. */
  end(piece?: string): void;
  /** Ends the connection in the middle of the answer. */
  cut(): void;
}

/** Sends the head. The response must be live. */
export function openReplyStream(
  res: HttpResponse,
  head: ReplyHead,
  how: { requestId: string; headers: NonNullable<Reply['headers']>; onEnd: () => void },
): ReplyStream {
  let blockedSince: number | undefined;
  res.onWritable(() => {
    blockedSince = undefined;
    stream.onDrain();
    return true;
  });
  res.cork(() => writeHead(res, head, how));
  const stream: ReplyStream = {
    write(piece) {
      res.cork(() => {
        if (!res.write(piece)) blockedSince ??= performance.now();
      });
    },
    get blockedSince() {
      return blockedSince;
    },
    onDrain: () => {},
    end(piece) {
      res.cork(() => {
        if (piece === undefined) res.end();
        else res.end(piece);
      });
      how.onEnd();
    },
    cut() {
      res.close();
    },
  };
  return stream;
}
