import { describe, expect, test } from 'vitest';
import {
  type BreakerOptions,
  createBreakerRegistry,
  createCircuitBreaker,
  DEFAULT_BREAKER,
} from '../../engine/resilience/index.js';

function breakerWith(options: Partial<BreakerOptions> = {}) {
  let nowMs = 0;
  const ports = { now: () => nowMs, random: () => 0.5 };
  const breaker = createCircuitBreaker('chain', { ...DEFAULT_BREAKER, ...options }, ports);
  const fail = () => breaker.run(() => Promise.reject(new Error('down'))).catch((error) => error);
  const succeed = () => breaker.run(() => Promise.resolve('up')).catch((error) => error);
  return {
    breaker,
    fail,
    succeed,
    times: async (count: number, work: () => Promise<unknown>) => {
      for (let i = 0; i < count; i++) await work();
    },
    wait: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('a circuit breaker', () => {
  test('opens at the fifth failure and refuses without calling', async () => {
    const { breaker, fail, times } = breakerWith();
    await times(4, fail);
    expect(breaker.status().state).toBe('closed');
    await fail();
    expect(breaker.status().state).toBe('open');
    let called = false;
    const refusal = await breaker
      .run(async () => {
        called = true;
      })
      .catch((error) => error);
    expect([refusal.code, refusal.retryAfter, called]).toEqual(['SERVICE_UNAVAILABLE', 30, false]);
    expect(breaker.status()).toEqual({
      name: 'chain',
      state: 'open',
      successes: 0,
      failures: 5,
      rejected: 1,
    });
  });

  test('forgets failures that are older than its window', async () => {
    const { breaker, fail, times, wait } = breakerWith();
    await times(4, fail);
    wait(60_000);
    await times(4, fail);
    expect(breaker.status().state).toBe('closed');
  });

  test('lets trial calls through after its pause, and closes when enough of them succeed', async () => {
    const { breaker, fail, succeed, times, wait } = breakerWith();
    await times(5, fail);
    wait(30_000);
    await succeed();
    expect(breaker.status().state).toBe('half_open');
    await times(2, succeed);
    expect(breaker.status().state).toBe('closed');
  });

  test('lets no more trial calls through at once than it is told', async () => {
    const { breaker, fail, times, wait } = breakerWith({ trialsMax: 2 });
    await times(5, fail);
    wait(30_000);
    const ends: (() => void)[] = [];
    const trial = () => breaker.run(() => new Promise<void>((resolve) => ends.push(resolve)));
    const trials = [trial(), trial()];
    await expect(trial()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    for (const end of ends) end();
    await Promise.all(trials);
  });

  test('doubles its pause with every trial that fails, up to a limit', async () => {
    const { breaker, fail, times, wait } = breakerWith({ pauseMaxMs: 100_000 });
    await times(5, fail);
    for (const pauseMs of [30_000, 60_000, 100_000, 100_000]) {
      wait(pauseMs - 1);
      await fail();
      expect(breaker.status().state).toBe('open');
      wait(1);
      await fail(); // a trial
      expect(breaker.status().state).toBe('open');
    }
    expect(breaker.status()).toMatchObject({ failures: 9, rejected: 4 });
  });

  test('counts a call that takes too long as a failure, and still gives its result', async () => {
    const { breaker, wait } = breakerWith({ slowCallMs: 1000, failuresMax: 1 });
    const result = await breaker.run(async () => {
      wait(1001);
      return 'late';
    });
    expect([result, breaker.status().state]).toEqual(['late', 'open']);
  });

  test('can be told that a result is a failure', async () => {
    const { breaker } = breakerWith({ failuresMax: 1 });
    await breaker.run(
      async () => 'no',
      (result) => result === 'no',
    );
    expect(breaker.status().state).toBe('open');
  });

  test('ignores what calls from before its last change of state come to', async () => {
    const { breaker, fail, times, wait } = breakerWith();
    let end: () => void = () => {};
    const old = breaker
      .run(() => new Promise<void>((_, reject) => (end = () => reject(new Error('late')))))
      .catch(() => {});
    await times(5, fail);
    wait(30_000);
    const trial = breaker.run(() => new Promise<void>(() => {}));
    void trial;
    expect(breaker.status().state).toBe('half_open');
    end();
    await old;
    expect(breaker.status().state).toBe('half_open');
  });
});

test('a registry gives one breaker per name', () => {
  const registry = createBreakerRegistry();
  expect(registry.of('a')).toBe(registry.of('a'));
  registry.of('b');
  expect(registry.status().map(({ name }) => name)).toEqual(['a', 'b']);
});
