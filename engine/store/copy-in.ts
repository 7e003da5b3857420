/**
 * COPY FROM STDIN on a reserved connection, made safe. In postgres 3.4.9 a COPY that the server refuses after its data was
 * sent settles nothing: the stream never finishes and its error goes to a promise that is already resolved. The query
 * object is still the one the driver reports the error to, so its `reject` is where we listen. The driver's behaviour is
 * pinned by version and by test/store/copy-in.test.ts.
 */
import type { Writable } from 'node:stream';
import type postgres from 'postgres';

/** The part of the driver's query object this relies on. */
type CopyQuery = postgres.PendingQuery<postgres.Row[]> & {
  writable(): Promise<Writable>;
  reject: (error: unknown) => void;
};

/** A COPY whose statement is on its way; `send` streams the data and resolves when the server has taken it. */
export interface CopyIn {
  send(chunks: readonly Uint8Array[]): Promise<void>;
}

/** Issues the statement without waiting, so that it can share a flush with the queries before it. */
export function startCopy(query: postgres.PendingQuery<postgres.Row[]>): CopyIn {
  const copy = query as CopyQuery;
  const opened = copy.writable();
  // Awaited in `send`; a failure before that must not count as unhandled.
  opened.catch(() => {});
  return {
    async send(chunks) {
      const stream = await opened;
      // The session may have ended between the answer to the statement and now; its error has been told already.
      if (stream.destroyed)
        throw stream.errored ?? new Error('the session ended before the COPY could begin');
      await new Promise<void>((resolve, reject) => {
        copy.reject = reject;
        stream.on('finish', resolve);
        stream.on('error', reject);
        for (const chunk of chunks) stream.write(chunk);
        stream.end();
      });
    },
  };
}
