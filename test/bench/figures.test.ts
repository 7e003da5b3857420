import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { familyMicros, processMicros, residentBytes, threadTimes } from '../../bench/proc.js';
import { median, quantile, slope } from '../../bench/statistics.js';
import { formatTable } from '../../bench/table.js';

describe('statistics', () => {
  test('median and quantiles interpolate', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect([median([]), quantile([], 0.5)]).toEqual([0, 0]);
  });
  test('the slope is that of the least-squares line', () => {
    expect(
      slope([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toBeCloseTo(2);
    expect(slope([[1, 1]])).toBe(0);
  });
});

test('tables align names to the left and figures to the right', () => {
  expect(
    formatTable(
      ['run', 'µs'],
      [
        ['batch 1', 5],
        ['b', 100],
      ],
    ),
  ).toBe('  run       µs\n  batch 1    5\n  b        100\n');
});

describe.skipIf(process.platform !== 'linux')('the clocks of other processes', () => {
  test('tell how long a process, its threads and its children were on a processor', async () => {
    const busy = 'const end = Date.now() + 400; while (Date.now() < end);';
    const parent = spawn(process.execPath, [
      '-e',
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(`${busy} setInterval(() => {}, 1000)`)}]);
       ${busy} console.log('done'); setInterval(() => {}, 1000)`,
    ]);
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    const own = processMicros(parent.pid!);
    const main = threadTimes(parent.pid!).get('main') ?? 0;
    const family = familyMicros(parent.pid!);
    const resident = residentBytes(parent.pid!);
    parent.kill();
    expect(main).toBeGreaterThan(50_000);
    expect(own).toBeGreaterThanOrEqual(main - 20_000);
    expect(family).toBeGreaterThan(main + 20_000);
    expect(resident).toBeGreaterThan(10e6);
  });
  test('are zero for a process that is gone', () => {
    expect([processMicros(0x7ffffff), residentBytes(0x7ffffff)]).toEqual([0, 0]);
  });
});
