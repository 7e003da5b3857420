import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { DemoResult } from '../../cli/demo/run.js';
import type { StreamsDemoResult } from '../../cli/demo/streams/run.js';

const DEMO = fileURLToPath(new URL('../../dist/cli/demo.js', import.meta.url));

/** Runs the compiled demo and answers its exit code and output. */
const runDemo = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [DEMO, ...args], { timeout: 100_000 }, (_error, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err });
    });
  });

test('agents, a replayer and a forger push while the service is killed and comes back: everything holds', async () => {
  const { code, out, err } = await runDemo('--json', '--crash', '--seconds', '6', '--agents', '2');
  expect(err).toBe('');
  const result = JSON.parse(out) as DemoResult;
  expect(result.faults).toEqual([]);
  expect(code).toBe(0);
  expect(result.acknowledged).toBeGreaterThan(0);
  expect(result.receipts_verified).toBe(result.acknowledged);
  expect(result.streams.reduce((sum, stream) => sum + stream.events, 0)).toBe(result.acknowledged);
  expect(result.replayed).toBeGreaterThan(0);
  expect(result.refused).toBeGreaterThan(0);
  expect(result.retries).toBeGreaterThan(0);
}, 110_000);

test("one event's evidence is verified without the service, and fsck finds a byte changed by SQL", async () => {
  const directory = mkdtempSync(join(tmpdir(), 'prove-'));
  for (const name of ['event.cose', 'notes.txt']) writeFileSync(join(directory, name), 'was here before');
  const { code, out } = await runDemo('--json', '--prove', directory, '--seconds', '2', '--agents', '2');
  const result = JSON.parse(out) as DemoResult;
  expect(result.faults).toEqual([]);
  expect(code).toBe(0);
  expect(result.proofs?.map(({ ok }) => ok)).toEqual(Array(7).fill(true));
  expect(readdirSync(directory)).toEqual(
    expect.arrayContaining(['event.tlog-proof', 'event.cose', 'event.json', 'notes.txt']),
  );
}, 110_000);

test('agents on three protocols see one order, across a kill -9', async () => {
  const { code, out, err } = await runDemo('--json', '--streams', '--seconds', '6');
  expect(err).toBe('');
  const result = JSON.parse(out) as StreamsDemoResult;
  expect(result.faults).toEqual([]);
  expect(code).toBe(0);
  expect(result.peers.map(({ protocol }) => protocol)).toEqual(['HTTP', 'WebSocket', 'gRPC']);
  for (const { heard, pushed, reconnects } of result.peers) {
    expect(heard).toBe(result.events);
    expect(pushed).toBeGreaterThan(0);
    expect(reconnects).toBeGreaterThan(0);
  }
}, 110_000);

test('a service that is asked for and not there is an error, not another service', async () => {
  const { code, err } = await runDemo('--url', 'http://127.0.0.1:1');
  expect(code).toBe(1);
  expect(err).toContain('no service answers at http://127.0.0.1:1');
});
