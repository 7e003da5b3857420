import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LoadReport } from '../../loadtest/report.js';
import { findFreePort } from '../../loadtest/service-process.js';
import { type Loaded, startLoaded } from './support.js';

const MAIN = fileURLToPath(new URL('../../dist/loadtest/main.js', import.meta.url));
const TIMEOUT_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), 'loadtest-'));
let loaded: Loaded;
let grpcPort: number;

beforeAll(async () => {
  grpcPort = await findFreePort();
  loaded = await startLoaded({ GRPC_PORT: String(grpcPort) });
});
afterAll(() => loaded?.sql.end({ timeout: 1 }));

/** Runs the command against the service, as somebody who does not see its database. */
async function load(...args: string[]): Promise<{ code: number | null; text: string; report: LoadReport }> {
  const json = join(directory, `${args.join('-')}.json`.replaceAll('/', ''));
  const { url, adminKey } = loaded.service;
  const common = [
    '--duration',
    '0.6',
    '--warmup',
    '0.2',
    '--expected',
    '2000',
    '--streams',
    '2',
    '--agents',
    '2',
  ];
  const target = [
    '--url',
    url,
    '--api-key',
    adminKey,
    '--grpc-port',
    String(grpcPort),
    '--data-dir',
    directory,
  ];
  const child = spawn(process.execPath, [
    MAIN,
    ...args,
    ...common,
    ...target,
    '--batch',
    '10',
    '--json',
    json,
  ]);
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`exit code ${code}: ${text}`);
  return { code, text, report: JSON.parse(readFileSync(json, 'utf8')) };
}

describe('the load test against a service', () => {
  test.each(['http', 'ws', 'grpc'])(
    'stores events over %s and finds all of them',
    async (protocol) => {
      const { report, text } = await load('ingest', '--protocol', protocol, '--connections', '2');
      expect(report.rows).toHaveLength(1);
      expect(report.rows[0]).toMatchObject({ loop: 'closed', failures: 0 });
      expect(report.rows[0]!.events_per_second).toBeGreaterThan(0);
      expect(report.correctness).toMatchObject({ ok: true, faults: [] });
      expect(report.correctness!.events_stored).toBe(report.correctness!.events_acknowledged);
      expect(text).toContain('L1–L4 hold');
      expect(text).not.toContain(loaded.service.adminKey);
    },
    TIMEOUT_MS,
  );

  test(
    'keeps a rate with two generators',
    async () => {
      const { report } = await load('ingest', '--rate', '400', '--generators', '2', '--connections', '4');
      expect(report.rows[0]).toMatchObject({ loop: 'open', offered: 400, failures: 0 });
      expect(report.rows[0]!.events_per_second).toBeGreaterThan(300);
      expect(report.correctness!.ok).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    'reads, and proves',
    async () => {
      const queries = await load('queries', '--events', '400');
      expect(queries.report.rows.map(({ name, failures }) => [name, failures])).toEqual([
        ['head', 0],
        ['page of 100', 0],
        ['event by id', 0],
        ['entity', 0],
        ['mixed', 0],
      ]);
      const proofs = await load('commitments', '--events', '1200');
      expect(proofs.report.rows.every(({ failures }) => failures === 0)).toBe(true);
      expect(proofs.report.rows).toHaveLength(4);
    },
    TIMEOUT_MS,
  );

  test(
    'follows a stream with many subscribers, and catches up with it',
    async () => {
      const { report } = await load('streams', '--subscribers', '20', '--rate', '200');
      expect(report.correctness).toMatchObject({ ok: true, faults: [] });
      expect(report.figures.deliveries_per_second).toBeGreaterThan(2000);
      expect(report.figures.commit_to_client_p99_ms).toBeGreaterThan(0);
      const catchUp = await load('catch-up', '--events', '3000');
      // Whole requests, and as many from each thread that signs.
      expect(catchUp.report.figures.events).toBeGreaterThanOrEqual(3000);
      expect(catchUp.report.correctness).toMatchObject({ ok: true, faults: [] });
    },
    TIMEOUT_MS,
  );

  test(
    'holds idle connections',
    async () => {
      const { report } = await load('idle', '--sockets', '50');
      expect(report.figures.sockets).toBe(50);
      expect(report.correctness!.ok).toBe(true);
    },
    TIMEOUT_MS,
  );
});
