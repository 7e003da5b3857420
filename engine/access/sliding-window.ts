import { LRUCache } from 'lru-cache';

/** How a caller stands after a request. */
export interface WindowVerdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds, at least 1, until one more request fits. */
  readonly waitSecs: number;
}

export interface SlidingWindowOptions {
  /** Most requests of a caller in the window. */
  readonly limit: number;
  readonly windowSecs: number;
  /** Most callers counted at once; the one that was quiet for longest is forgotten first. */
  readonly callersMax: number;
  /** Milliseconds on a clock that never goes back. */
  readonly nowMs: () => number;
}

/** Counts requests per caller exactly: each one counts for the length of the window. Refused ones do not count. */
export function createSlidingWindow(options: SlidingWindowOptions): (caller: string) => WindowVerdict {
  const { limit, callersMax, nowMs } = options;
  const windowMs = options.windowSecs * 1000;
  /** Times of the requests that count, oldest first. */
  const callers = new LRUCache<string, number[]>({ max: callersMax });
  return (caller) => {
    const now = nowMs();
    const times = (callers.get(caller) ?? []).filter((time) => now - time < windowMs);
    const allowed = times.length < limit;
    if (allowed) times.push(now);
    callers.set(caller, times);
    const oldest = times[0] ?? now;
    return {
      allowed,
      limit,
      remaining: Math.max(0, limit - times.length),
      waitSecs: Math.max(1, Math.ceil((oldest + windowMs - now) / 1000)),
    };
  };
}

/** Who counts as one caller: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber gets. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined
      ? front
      : [...front, ...new Array(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
