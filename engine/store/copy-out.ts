/**
 * COPY TO STDOUT with a callback per piece. In postgres 3.4.9 the stream of such a statement has two faults: when the server fails
 * early, the error comes before anybody can listen, and ends the process; when the data ends while the stream is full, the driver
 * has paused its socket and nothing resumes it, so the next statement waits for ever. Both lie in the time between the driver making
 * the stream and a caller having it. So the stream is caught where the driver hands it out, and the driver's only calls, `push` and
 * `destroy`, are answered at once: there is no buffer, and all that arrived before a failure has been handed over.
 *
 * The driver's behaviour is pinned by version and by test/store/copy-out.test.ts.
 */
import type { Readable } from 'node:stream';
import type postgres from 'postgres';

/** The part of the driver's query object this relies on. */
type CopyQuery = {
  readable(): Promise<Readable>;
  resolve: (stream: Readable) => void;
  reject: (error: unknown) => void;
};

/** Runs the statement. An error that `onPiece` throws is thrown when all pieces have arrived; it gets no more of them. */
export function copyOut(
  query: postgres.PendingQuery<(postgres.Row & Iterable<postgres.Row>)[]>,
  onPiece: (piece: Buffer) => void,
): Promise<void> {
  const copy = query as unknown as CopyQuery;
  return new Promise<void>((resolve, reject) => {
    let failure: { readonly error: unknown } | undefined;
    let opened = false;
    copy.reject = reject;
    copy.resolve = (stream) => {
      if (opened) return; // called again at the end of the statement
      opened = true;
      stream.once('error', reject);
      stream.push = (piece: Buffer | null) => {
        if (piece === null) {
          if (failure) reject(failure.error);
          else resolve();
        } else if (!failure) {
          try {
            onPiece(piece);
          } catch (error) {
            failure = { error };
          }
        }
        return true; // never full
      };
    };
    void copy.readable(); // sends it; settles no more, because what would settle it was replaced
  });
}
