/** Waits between tries: exponential with full jitter, so that clients of a returning service do not come all at once. */
export interface BackoffOptions {
  /** Upper bound of the first wait, in milliseconds. */
  readonly firstMs: number;
  /** Upper bound of every wait. */
  readonly maxMs: number;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

/**
 * How long to wait before try `attempt + 1`, in milliseconds.
 *
 * @param attempt tries so far, from 1
 * @param retryAfterSecs what the service asked for; never waits less, and spreads clients over half of it again
 */
export function backoffMs(
  attempt: number,
  retryAfterSecs: number | undefined,
  options: BackoffOptions,
): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * 2 ** (attempt - 1));
  if (retryAfterSecs === undefined) return options.random() * ceiling;
  return retryAfterSecs * 1000 * (1 + options.random() / 2);
}
