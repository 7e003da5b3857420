import { ServiceError } from '../../engine/errors/index.js';
import type { Exchange } from './exchange.js';

const SWEEP_MS = 200;

/** Watches over all open exchanges with one timer; a deadline is noticed up to {@link SWEEP_MS} late. */
export interface Deadlines {
  add(exchange: Exchange): void;
  remove(exchange: Exchange): void;
  readonly size: number;
  close(): void;
}

/** Exchanges whose body is late are answered 408, those whose answer is late 504. */
export function createDeadlines(bodyTimeoutMs: number): Deadlines {
  const open = new Set<Exchange>();

  const sweep = () => {
    const now = Date.now();
    const bodyDue = performance.now() - bodyTimeoutMs;
    for (const exchange of open) {
      const late = exchange.deadlineMs <= now;
      if (exchange.phase === 'receiving') {
        if (late || exchange.startedAt <= bodyDue)
          exchange.fail(new ServiceError('REQUEST_TIMEOUT'), { close: true });
      } else if (late) {
        exchange.fail(new ServiceError('TIMEOUT', exchange.timeoutMessage));
      }
    }
  };
  const timer = setInterval(sweep, SWEEP_MS).unref();
  return {
    add: (exchange) => void open.add(exchange),
    remove: (exchange) => void open.delete(exchange),
    get size() {
      return open.size;
    },
    close: () => clearInterval(timer),
  };
}
