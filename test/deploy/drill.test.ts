/**
 * The disaster drill: archive, base backup, loss of the whole data directory, restore to the end of the archive and to a
 * point in time, with the commands an operator types. Prints what was measured (recovery point and recovery time).
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import type { ReceiptJson } from '../../engine/protocol/index.js';
import {
  call,
  checkReceipt,
  push,
  readHead,
  readStream,
  registerAgent,
  sequencerKeys,
  streamQuery,
  type TestAgent,
} from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BATCH = 50;
/** How long events flow before the disaster; several times the archive's timeout. */
const FLOW_MS = 2500;
const ARCHIVE_TIMEOUT_SECS = 1;

/** An event the service has acknowledged, as its sender keeps it. */
interface Held {
  readonly event: SignedEvent;
  readonly receipt: ReceiptJson;
  readonly number: number;
  readonly atMs: number;
}

/** Runs a program of the repository; never throws. */
function run(...args: string[]): Promise<{ code: number | null; out: string; seconds: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const env = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR };
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    const collect = (chunk: Buffer) => {
      out += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, seconds: (performance.now() - began) / 1000 }));
  });
}

async function backupTool(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out } = await run('deploy/backup/embedded.mjs', ...args);
  expect(out).toMatch(/^\{"ok":true/);
  expect(code).toBe(0);
  return JSON.parse(out);
}

const fsck = (dataDir: string) => run('dist/cli/main.js', 'fsck', '--deep', '--data-dir', dataDir);

async function write(service: TestService, agent: TestAgent, count: number): Promise<Held[]> {
  const events = Array.from({ length: count }, () => agent.event());
  const { status, text, body } = await push(service, agent, events);
  if (status !== 200) throw new Error(`ingest answered ${status}: ${text}`);
  const atMs = performance.now();
  return events.map((event, index) => {
    const receipt = body.receipts![index]!;
    return { event, receipt, number: Number(receipt.sequenceNumber), atMs };
  });
}

async function expectStored(service: TestService, agent: TestAgent, held: readonly Held[]): Promise<void> {
  const stored = await readStream(service, agent);
  const keys = await sequencerKeys(service);
  expect(stored.map((event) => event.sequence_number)).toEqual(stored.map((_, index) => index + 1));
  for (const { event, receipt, number } of held) {
    expect(stored[number - 1]).toMatchObject(event.envelope);
    expect(checkReceipt(receipt, event, keys)).toBe('ok');
  }
  // A repeated event gets its very first receipt.
  const again = await push(service, agent, [held[0]!.event]);
  expect(again.body.receipts![0]).toMatchObject({ receiptHash: held[0]!.receipt.receiptHash });
}

const checkpointAt = async (service: TestService, agent: TestAgent, size: number): Promise<string> =>
  (await call(service, 'GET', `/api/v1/log/checkpoint?${streamQuery(agent)}&size=${size}`)).text;

describe('a disaster', () => {
  const held = { before: [] as Held[], after: [] as Held[], later: [] as Held[], flow: [] as Held[] };
  const report: Record<string, string> = {};
  let directory: string;
  let dataDir: string;
  let archive: string;
  let base: string;
  let agent: TestAgent;
  let targetTime: string;
  let lostMs: number;
  let checkpoint: string;
  let keysFile: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'drill-'));
    chmodSync(directory, 0o711); // started by root, the database server is another user
    dataDir = join(directory, 'data');
    archive = join(directory, 'wal');
    base = join(directory, 'base-1');
    let service = await startTestService({ database: 'embedded', dataDir });
    await backupTool(
      'enable',
      '--data-dir',
      dataDir,
      '--archive',
      archive,
      '--timeout-secs',
      String(ARCHIVE_TIMEOUT_SECS),
    );
    await service.stop();
    service = await service.restart();
    agent = await registerAgent(service);

    for (let i = 0; i < 4; i++) held.before.push(...(await write(service, agent, BATCH)));
    const [taken] = await Promise.all([
      backupTool('backup', '--data-dir', dataDir, '--output', base, '--with-keys'),
      write(service, agent, BATCH).then((more) => held.before.push(...more)), // while the files are copied
    ]);
    report['base backup'] =
      `${Number(taken.seconds).toFixed(1)} s, ${Math.round(Number(taken.bytes) / 1e6)} MB`;

    for (let i = 0; i < 4; i++) held.after.push(...(await write(service, agent, BATCH)));
    await sleep(20);
    targetTime = new Date().toISOString();
    await sleep(20);
    for (let i = 0; i < 2; i++) held.later.push(...(await write(service, agent, BATCH)));
    await backupTool('switch', '--data-dir', dataDir);

    const end = performance.now() + FLOW_MS;
    while (performance.now() < end) held.flow.push(...(await write(service, agent, 5)));
    const { number } = held.later.at(-1)!;
    checkpoint = await checkpointAt(service, agent, number);
    keysFile = join(directory, 'keys.json');
    writeFileSync(keysFile, (await call(service, 'GET', '/.well-known/ves-sequencer', { key: null })).text);

    await service.kill9();
    await endServerOf(dataDir);
    lostMs = performance.now();
    rmSync(dataDir, { recursive: true, force: true });
    expect(existsSync(dataDir)).toBe(false);
  }, 120_000);

  it('that takes the data directory leaves everything that was archived', async () => {
    const target = join(directory, 'to-the-end');
    const began = performance.now();
    const restored = await backupTool(
      'restore',
      '--backup',
      base,
      '--archive',
      archive,
      '--data-dir',
      target,
    );
    expect(restored.timeline).toBe(2);
    const service = await startTestService({ database: 'embedded', dataDir: target });
    report['recovery time'] =
      `${((performance.now() - began) / 1000).toFixed(1)} s until the service is ready again`;

    const acknowledged = [...held.before, ...held.after, ...held.later, ...held.flow];
    const head = await readHead(service, agent);
    const lost = acknowledged.filter(({ number }) => number > head);
    const kept = acknowledged.filter(({ number }) => number <= head);
    expect(head).toBeGreaterThanOrEqual(held.later.at(-1)!.number);
    await expectStored(service, agent, kept);
    const ages = lost.map(({ atMs }) => lostMs - atMs);
    const ageMs = Math.max(0, ...ages);
    report['recovery point'] =
      `${lost.length} of ${acknowledged.length} acknowledged events lost, the oldest ${Math.round(ageMs)} ms old (archive_timeout ${ARCHIVE_TIMEOUT_SECS} s)`;
    // The file in progress is handed over once per timeout; the rest is the time of copying and of a busy machine.
    expect(ageMs).toBeLessThan(ARCHIVE_TIMEOUT_SECS * 1000 + 3000);

    // What was lost can be sent again by those who hold it, and gets its numbers again.
    if (lost.length > 0) {
      const { status, body } = await push(
        service,
        agent,
        lost.slice(0, 100).map(({ event }) => event),
      );
      expect(status).toBe(200);
      expect(body.eventsAccepted).toBe(Math.min(lost.length, 100));
    }
    expect(await service.stop()).toBe(0);
    const checked = await fsck(target);
    expect(checked.out).toContain('Nothing is wrong');
    expect(checked.code).toBe(0);
  }, 120_000);

  it('can be undone to a point in time, and the fork it makes of the log is provable (L5)', async () => {
    const target = join(directory, 'to-a-time');
    await backupTool(
      'restore',
      '--backup',
      base,
      '--archive',
      archive,
      '--data-dir',
      target,
      '--target-time',
      targetTime,
    );
    const clean = await fsck(target);
    expect(clean.out).toContain('Nothing is wrong');
    expect(clean.code).toBe(0);

    const service = await startTestService({ database: 'embedded', dataDir: target });
    const head = await readHead(service, agent);
    expect(head).toBe(held.after.at(-1)!.number);
    await expectStored(service, agent, [...held.before, ...held.after]);

    // Checkpoints from after the recovery point are in the world. Other events at their numbers make a second history.
    await write(service, agent, held.later.length);
    const { number } = held.later.at(-1)!;
    const files = [join(directory, 'kept.checkpoint'), join(directory, 'new.checkpoint')];
    writeFileSync(files[0]!, checkpoint);
    writeFileSync(files[1]!, await checkpointAt(service, agent, number));
    expect(readFileSync(files[1]!, 'utf8')).not.toBe(checkpoint);
    const split = await run('dist/cli/main.js', 'verify', ...files, '--keys', keysFile);
    expect(split.code).toBe(1);
    expect(split.out).toMatch(/split view/i);

    // Under a new name the logs are other logs: nothing contradicts what was signed under the old one.
    await service.stop();
    const renamed = await service.restart({ LOG_ORIGIN: 'localhost/log-2' });
    const fresh = await checkpointAt(renamed, agent, number);
    expect(fresh.startsWith('localhost/log-2/')).toBe(true);
    await renamed.stop();
  }, 120_000);

  it('is refused a restore over a cluster, with a damaged backup, or beyond the end of the archive', async () => {
    const restore = (...more: string[]) =>
      run('deploy/backup/embedded.mjs', 'restore', '--backup', base, '--archive', archive, ...more);
    const over = await restore('--data-dir', join(directory, 'to-the-end'));
    expect(over.code).toBe(1);
    expect(over.out).toContain('nothing is overwritten');

    const beyond = await restore(
      '--data-dir',
      join(directory, 'beyond'),
      '--target-time',
      '2999-01-01T00:00:00Z',
    );
    expect(beyond.code).toBe(1);
    expect(beyond.out).toContain('before configured recovery target was reached');
    expect(existsSync(join(directory, 'beyond', 'postgres'))).toBe(false);

    const version = join(base, 'cluster', 'PG_VERSION');
    writeFileSync(version, '17\n');
    const damaged = await restore('--data-dir', join(directory, 'damaged'));
    expect(damaged.code).toBe(1);
    expect(damaged.out).toContain('PG_VERSION is not what was written');
    console.log(
      Object.entries(report)
        .map(([what, value]) => `drill: ${what}: ${value}`)
        .join('\n'),
    );
  }, 60_000);
});

/** SIGKILL leaves the embedded server running; a machine that is lost does not. */
async function endServerOf(dataDir: string): Promise<void> {
  const pid = Number.parseInt(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
  process.kill(pid, 'SIGQUIT');
  for (let i = 0; i < 500 && existsSync(join(dataDir, 'postgres', 'postmaster.pid')); i++) await sleep(10);
}
