/**
 * A circuit breaker: after enough failures in a window of time, calls to a service that is down are refused at once instead of waiting
 * for it, and a few trial calls find out when it is back.
 *
 *             failures within the window reach the limit
 *   closed ────────────────────────────────────────────▶ open
 *      ▲                                                  │ the pause is over and somebody calls
 *      │ enough trial calls succeed                       ▼
 *      └───────────────────────────────────────────── half_open ──▶ open again, for longer, when a trial call fails
 *
 * A call that takes longer than `slowCallMs` counts as a failure even when it succeeds: a service that answers too late holds up
 * as much as one that does not answer.
 */
import { ServiceError } from '../errors/index.js';

export type CircuitState = 'closed' | 'open' | 'half_open';

export interface BreakerOptions {
  /** Failures within `windowMs` that open the circuit. */
  readonly failuresMax: number;
  /** Successful trial calls that close it again. */
  readonly successesToClose: number;
  /** First pause; each further one is longer by `pauseMultiplier`, up to `pauseMaxMs`. */
  readonly pauseMs: number;
  readonly pauseMultiplier: number;
  readonly pauseMaxMs: number;
  /** Pauses are longer or shorter by up to this part, at random, so that processes do not ask in step. */
  readonly jitter: number;
  readonly windowMs: number;
  /** Trial calls under way at once. */
  readonly trialsMax: number;
  /** Unset: a call may take as long as it likes. */
  readonly slowCallMs?: number | undefined;
}

/** What is used where nothing else is said. */
export const DEFAULT_BREAKER: BreakerOptions = {
  failuresMax: 5,
  successesToClose: 3,
  pauseMs: 30_000,
  pauseMultiplier: 2,
  pauseMaxMs: 300_000,
  jitter: 0.1,
  windowMs: 60_000,
  trialsMax: 3,
};

/** For calls to a chain, which take their time. */
export const ANCHOR_BREAKER: BreakerOptions = {
  ...DEFAULT_BREAKER,
  successesToClose: 2,
  pauseMs: 60_000,
  windowMs: 120_000,
  trialsMax: 1,
  slowCallMs: 30_000,
};

/** How it stands; the counters are since the start. */
export interface BreakerStatus {
  readonly name: string;
  readonly state: CircuitState;
  readonly successes: number;
  readonly failures: number;
  readonly rejected: number;
}

export interface CircuitBreaker {
  /**
   * Makes a call, unless the circuit is open.
   *
   * @param call what is asked of the service; its rejection counts as a failure and is passed on
   * @param failed tells a failure from a result; unset: every result is a success
   * @throws ServiceError SERVICE_UNAVAILABLE while the circuit is open, with the seconds that are left of the pause
   */
  run<T>(call: () => Promise<T>, failed?: (result: T) => boolean): Promise<T>;
  status(): BreakerStatus;
}

/** @param ports `now`: milliseconds on a clock that never goes back; `random`: as Math.random */
export function createCircuitBreaker(
  name: string,
  options: BreakerOptions = DEFAULT_BREAKER,
  ports: { now(): number; random(): number } = { now: () => performance.now(), random: Math.random },
): CircuitBreaker {
  let state: CircuitState = 'closed';
  /** Times of the latest failures while closed; no more than `failuresMax`. */
  let recent: number[] = [];
  let trials = 0;
  let trialSuccesses = 0;
  let pausesInRow = 0;
  let reopensAt = 0;
  /** Counts changes of state: a call that outlasts one says nothing about the next. */
  let era = 0;
  const counts = { successes: 0, failures: 0, rejected: 0 };

  function enter(next: CircuitState): void {
    state = next;
    era++;
    recent = [];
    trials = 0;
    trialSuccesses = 0;
    if (next === 'closed') pausesInRow = 0;
    if (next === 'open') reopensAt = ports.now() + pauseMs();
  }

  function pauseMs(): number {
    const { pauseMs: first, pauseMultiplier, pauseMaxMs, jitter } = options;
    const pause = Math.min(pauseMaxMs, first * pauseMultiplier ** pausesInRow++);
    return pause * (1 + jitter * (2 * ports.random() - 1));
  }

  /** What an outcome means, by state. Outcomes of calls from before a change of state are counted and no more. */
  const onSuccess: Record<CircuitState, () => void> = {
    closed: () => {},
    open: () => {},
    half_open() {
      trials--;
      if (++trialSuccesses >= options.successesToClose) enter('closed');
    },
  };
  const onFailure: Record<CircuitState, () => void> = {
    closed() {
      const now = ports.now();
      recent = [...recent.filter((at) => now - at < options.windowMs), now];
      if (recent.length >= options.failuresMax) enter('open');
    },
    open: () => {},
    half_open: () => enter('open'),
  };
  /** Whether a call may be made now, by state. */
  const admits: Record<CircuitState, () => boolean> = {
    closed: () => true,
    open() {
      if (ports.now() < reopensAt) return false;
      enter('half_open');
      return admits.half_open();
    },
    half_open() {
      if (trials >= options.trialsMax) return false;
      trials++;
      return true;
    },
  };

  function refuse(): never {
    counts.rejected++;
    const waitSecs = Math.max(1, Math.ceil((reopensAt - ports.now()) / 1000));
    const message = `${name} failed too often lately and is left alone for ${waitSecs} s`;
    throw new ServiceError('SERVICE_UNAVAILABLE', message, { retryAfter: waitSecs });
  }

  function settle(good: boolean, startedIn: number): void {
    counts[good ? 'successes' : 'failures']++;
    if (startedIn === era) (good ? onSuccess : onFailure)[state]();
  }

  return {
    async run(call, failed = () => false) {
      if (!admits[state]()) refuse();
      const startedIn = era;
      const startedAt = ports.now();
      try {
        const result = await call();
        const slow = options.slowCallMs !== undefined && ports.now() - startedAt > options.slowCallMs;
        settle(!slow && !failed(result), startedIn);
        return result;
      } catch (error) {
        settle(false, startedIn);
        throw error;
      }
    },
    status: () => ({ name, state, ...counts }),
  };
}
