import { ServiceError } from '../errors/index.js';

/** Resolves when the VES stream's head is beyond `after`, after `timeoutMs`, or when the signal says so. */
export type WaitForHead = (
  stream: { readonly tenantId: string; readonly storeId: string },
  after: number,
  options: { timeoutMs: number; signal?: AbortSignal },
) => Promise<unknown>;

/** Waits without news of the stream. */
export const waitForTime: WaitForHead = (_stream, _after, { timeoutMs, signal }) =>
  new Promise<void>((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, timeoutMs);
    signal?.addEventListener('abort', end);
  });

/** Counts who waits, so that there is a limit (L8). */
export function createWaiters(max: number) {
  let waiting = 0;
  return {
    async run<Result>(work: () => Promise<Result>): Promise<Result> {
      if (waiting >= max)
        throw new ServiceError('OVERLOADED', 'Too many consumers wait for events; try again shortly');
      waiting++;
      try {
        return await work();
      } finally {
        waiting--;
      }
    },
  };
}
