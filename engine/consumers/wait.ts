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

/** Consumers that wait in this process, so that calls which give them something to do can wake them, and that there is a limit (L8). */
export interface WaitingRoom {
  /**
   * Waits as `wait` does, or until woken, or until `signal` says so.
   *
   * @throws ServiceError OVERLOADED
   */
  wait(
    group: string,
    consumer: string,
    wait: (signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<void>;
  /** Wakes a consumer of a group, or all of them. */
  wake(group: string, consumer?: string): void;
  /** Wakes everybody for good. */
  close(): void;
  readonly closed: boolean;
}

export function createWaitingRoom(waitersMax: number): WaitingRoom {
  const groups = new Map<string, Map<AbortController, string>>();
  let count = 0;
  let closed = false;

  const enter = (group: string, consumer: string, controller: AbortController) => {
    if (count >= waitersMax)
      throw new ServiceError('OVERLOADED', 'Too many consumers wait for events; try again shortly');
    count++;
    const waiting = groups.get(group) ?? new Map<AbortController, string>();
    groups.set(group, waiting.set(controller, consumer));
  };
  const leave = (group: string, controller: AbortController) => {
    count--;
    const waiting = groups.get(group)!;
    waiting.delete(controller);
    if (waiting.size === 0) groups.delete(group);
  };

  return {
    async wait(group, consumer, wait, signal) {
      const controller = new AbortController();
      const stop = () => controller.abort();
      enter(group, consumer, controller);
      signal?.addEventListener('abort', stop);
      if (closed || signal?.aborted) stop();
      try {
        await wait(controller.signal);
      } finally {
        signal?.removeEventListener('abort', stop);
        leave(group, controller);
      }
    },
    wake(group, consumer) {
      for (const [controller, waiter] of groups.get(group) ?? [])
        if (consumer === undefined || consumer === waiter) controller.abort();
    },
    close() {
      closed = true;
      for (const waiting of groups.values()) for (const controller of waiting.keys()) controller.abort();
    },
    get closed() {
      return closed;
    },
  };
}
