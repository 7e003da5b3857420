/** Waiting for heads to move, without a database connection per waiter. */
import type { StreamName } from './chunk.js';
import type { StreamKindName, TailAnswer, TailPort } from './tail-messages.js';

export interface HeadWatches {
  waitForHead(
    kind: StreamKindName,
    stream: StreamName,
    after: number,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<number>;
  /** Tells every stream of a tenant with its head, then `opened`, then whatever moves. Answers how to stop. */
  watchTenant(
    tenantId: string,
    listener: { head(storeId: string, head: number): void; opened(): void },
  ): () => void;
  answer(answer: Extract<TailAnswer, { type: 'head' | 'tenant-head' | 'tenant-open' }>): void;
  close(): void;
}

/** How long a head is watched after the last waiter has gone: the next one usually comes soon. */
const LINGER_MS = 10_000;

/** Somebody waiting. */
interface Waiter {
  /** The head has moved. */
  moved(head: number): void;
  /** It waits no longer. */
  giveUp(): void;
}

interface HeadWatch {
  readonly id: number;
  /** Undefined until the tail has said it. */
  head: number | undefined;
  readonly waiters: Set<Waiter>;
  linger: NodeJS.Timeout | undefined;
}

type TenantListener = { head(storeId: string, head: number): void; opened(): void };

export function createHeadWatches(tail: Pick<TailPort, 'post'>): HeadWatches {
  const byName = new Map<string, HeadWatch>();
  const byId = new Map<number, HeadWatch>();
  const tenants = new Map<number, TenantListener>();
  let ids = 0;

  function watchOf(kind: StreamKindName, stream: StreamName): HeadWatch {
    const name = `${kind} ${stream.tenantId}/${stream.storeId}`;
    let watch = byName.get(name);
    if (watch === undefined) {
      watch = { id: ++ids, head: undefined, waiters: new Set(), linger: undefined };
      byName.set(name, watch);
      byId.set(watch.id, watch);
      tail.post({ type: 'watch-head', watch: watch.id, kind, stream });
    }
    clearTimeout(watch.linger);
    return watch;
  }

  function lingerIfAlone(name: string, watch: HeadWatch): void {
    if (watch.waiters.size > 0) return;
    clearTimeout(watch.linger);
    watch.linger = setTimeout(() => {
      byName.delete(name);
      byId.delete(watch.id);
      tail.post({ type: 'close-watch', watch: watch.id });
    }, LINGER_MS).unref();
  }

  return {
    async waitForHead(kind, stream, after, { timeoutMs, signal }) {
      const watch = watchOf(kind, stream);
      const name = `${kind} ${stream.tenantId}/${stream.storeId}`;
      try {
        if (watch.head !== undefined && watch.head > after) return watch.head;
        return await new Promise<number>((resolve) => {
          const giveUp = () => finish(watch.head ?? 0);
          const timer = setTimeout(giveUp, timeoutMs);
          const waiter: Waiter = {
            moved(head) {
              if (head > after) finish(head);
            },
            giveUp,
          };
          const finish = (head: number) => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', giveUp);
            watch.waiters.delete(waiter);
            resolve(head);
          };
          watch.waiters.add(waiter);
          signal?.addEventListener('abort', giveUp, { once: true });
          if (signal?.aborted) giveUp();
        });
      } finally {
        lingerIfAlone(name, watch);
      }
    },
    watchTenant(tenantId, listener) {
      const id = ++ids;
      tenants.set(id, listener);
      tail.post({ type: 'watch-tenant', watch: id, tenantId });
      return () => {
        if (tenants.delete(id)) tail.post({ type: 'close-watch', watch: id });
      };
    },
    answer(answer) {
      switch (answer.type) {
        case 'head': {
          const watch = byId.get(answer.watch);
          if (watch === undefined) return;
          watch.head = Math.max(watch.head ?? 0, answer.head);
          for (const waiter of [...watch.waiters]) waiter.moved(watch.head);
          return;
        }
        case 'tenant-head':
          return tenants.get(answer.watch)?.head(answer.storeId, answer.head);
        case 'tenant-open':
          return tenants.get(answer.watch)?.opened();
      }
    },
    close() {
      for (const { waiters, linger } of byId.values()) {
        clearTimeout(linger);
        for (const waiter of [...waiters]) waiter.giveUp();
      }
    },
  };
}
