import { describe, expect, test } from 'vitest';
import { createLatencyRecorder, mergeLatencies } from '../../loadtest/latency.js';
import { parseOptions } from '../../loadtest/options.js';
import { interleave } from '../../loadtest/scenarios/queries.js';

describe('latencies', () => {
  test('have the percentiles of the values that were recorded, to three digits', () => {
    const recorder = createLatencyRecorder();
    for (let micros = 1; micros <= 100_000; micros++) recorder.record(micros);
    const { count, p50, p90, p99, p999, max } = recorder.summary();
    expect(count).toBe(100_000);
    for (const [value, exact] of [
      [p50, 50_000],
      [p90, 90_000],
      [p99, 99_000],
      [p999, 99_900],
      [max, 100_000],
    ] as const)
      expect(Math.abs(value - exact) / exact).toBeLessThan(0.001);
  });

  test('of several recorders add up', () => {
    const [slow, fast] = [createLatencyRecorder(), createLatencyRecorder()];
    fast.record(100, 99);
    slow.record(5_000_000);
    const sum = mergeLatencies([slow.encode(), fast.encode()]);
    expect(sum).toMatchObject({ count: 100, p50: 100, p99: 100 });
    expect(sum.max).toBeGreaterThan(4_990_000);
  });

  test('outside of the range count at its end', () => {
    const recorder = createLatencyRecorder();
    recorder.record(-5);
    recorder.record(1e15);
    expect(recorder.summary()).toMatchObject({ count: 2, p50: 1 });
  });
});

describe('the options', () => {
  test('have defaults, and windows where the protocol has them', () => {
    expect(parseOptions([])).toMatchObject({ scenario: 'ingest', protocol: 'http', window: 1, batch: 100 });
    expect(parseOptions(['--protocol', 'ws']).window).toBe(8);
    expect(parseOptions(['streams', '--rate', '500', '--set', 'A=b=c'])).toMatchObject({
      scenario: 'streams',
      rate: 500,
      env: { A: 'b=c' },
    });
  });

  test.each([
    [['--batch', '0'], '--batch'],
    [['--protocol', 'smtp'], 'http, ws, grpc'],
    [['nothing'], 'ingest, queries'],
    [['--window', '2'], '--connections'],
    [['--rate', 'fast'], '--rate'],
    [['--set', 'x'], 'NAME=VALUE'],
  ])('are refused with a reason: %s', (args, reason) => {
    expect(() => parseOptions(args)).toThrow(reason);
  });
});

test('lists are interleaved, whatever their lengths', () => {
  expect(interleave([[1, 2, 3], [4], []])).toEqual([1, 4, 2, 3]);
});
