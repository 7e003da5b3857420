import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDatabase } from '../../engine/store/connection.js';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../engine/store/embedded-postgres.js';
import { isAlive } from '../support/processes.js';

const MIB = 1024 ** 2;
const isRoot = process.getuid?.() === 0;

describe('embedded PostgreSQL', () => {
  let top: string;
  let dataDir: string;
  const running: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'sseq-embedded-'));
    dataDir = join(top, 'data with spaces');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const server of running.splice(0)) await server.stop();
    rmSync(top, { recursive: true, force: true });
  });

  const start = async (options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> => {
    const server = await startEmbeddedPostgres({
      dataDir,
      sharedBuffers: 32 * MIB,
      walSizeMax: 256 * MIB,
      log: () => {},
      ...options,
    });
    running.push(server);
    return server;
  };
  const query = async (server: EmbeddedPostgres, statement: string) => {
    const sql = connectDatabase(server.target, { max: 1, applicationName: 'embedded-test' });
    try {
      return await sql.unsafe(statement);
    } finally {
      await sql.end();
    }
  };
  const socketDirOf = (server: EmbeddedPostgres) => (server.target as { socketDir: string }).socketDir;

  /** A service in a process of its own, to be killed. Prints the server's pid once it runs. */
  const startElsewhere = async (): Promise<{ service: ChildProcess; serverPid: number }> => {
    const service = spawn(process.execPath, [join(import.meta.dirname, 'run-embedded.mjs'), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(service);
    const [line] = await Promise.race([once(service.stdout!, 'data'), once(service, 'exit')]);
    return { service, serverPid: Number(String(line)) };
  };

  test('keeps its data from one start to the next', async () => {
    const first = await start();
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    expect(existsSync(socketDirOf(first))).toBe(false);

    const begin = performance.now();
    const second = await start();
    expect(performance.now() - begin).toBeLessThan(1500);
    expect(await query(second, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('is durable, in UTF-8 and byte order, and reachable only through a private socket', async () => {
    const server = await start();
    const [row] = await query(
      server,
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
              current_setting('full_page_writes') as full_page_writes, current_setting('listen_addresses') as listen_addresses,
              current_setting('shared_buffers') as shared_buffers, current_setting('wal_level') as wal_level,
              pg_encoding_to_char(encoding) as encoding, datcollate, datname
       from pg_database where datname = current_database()`,
    );
    expect(row).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      listen_addresses: '',
      shared_buffers: '32MB',
      wal_level: 'replica',
      encoding: 'UTF8',
      datcollate: 'C',
      datname: 'sequencer',
    });
    expect(statSync(socketDirOf(server)).mode & 0o777).toBe(0o700);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir, 'postgres')).uid).not.toBe(0);
  });

  test('refuses a second service on the same data directory, and says who has it', async () => {
    const first = await start();
    await expect(start()).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_IN_USE',
      message: expect.stringContaining(`Process ${process.pid} uses the data directory`),
    });
    expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('ignores the lock of a process that is gone', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    writeFileSync(
      join(dataDir, 'service.lock'),
      JSON.stringify({ pid: process.pid, started: 'another boot', token: 'x' }),
    );
    await (await start()).stop();
    writeFileSync(join(dataDir, 'service.lock'), 'not JSON');
    await (await start()).stop();
    expect(readdirSync(dataDir).filter((name) => name.startsWith('service.lock'))).toEqual([]);
  });

  test('of several services that start at once on one data directory exactly one gets it', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    writeFileSync(join(dataDir, 'service.lock'), 'stale');
    const starts = Array.from({ length: 6 }, () =>
      start().then(
        () => 'started',
        (error) => error.code,
      ),
    );
    expect((await Promise.all(starts)).sort()).toEqual([
      ...Array(5).fill('DATA_DIRECTORY_IN_USE'),
      'started',
    ]);
  });

  test('left behind by a killed service, is ended and started anew with all its data', async () => {
    const { service, serverPid } = await startElsewhere();
    service.kill('SIGKILL');
    await once(service, 'exit');
    expect(isAlive(serverPid)).toBe(true);

    const messages: string[] = [];
    const server = await start({ log: (message) => messages.push(message) });
    expect(isAlive(serverPid)).toBe(false);
    expect(messages[0]).toContain(`process ${serverPid}`);
    expect(await query(server, 'select count(*)::int as n from written')).toEqual([{ n: 1000 }]);
  });

  test('killed together with its service, recovers everything that was committed', async () => {
    const { service, serverPid } = await startElsewhere();
    process.kill(serverPid, 'SIGKILL');
    service.kill('SIGKILL');
    await once(service, 'exit');
    const server = await start();
    expect(await query(server, 'select count(*)::int as n from written')).toEqual([{ n: 1000 }]);
  });

  test('does not survive a service that exits without stopping it', async () => {
    const { service, serverPid } = await startElsewhere();
    service.kill('SIGUSR2');
    await once(service, 'exit');
    await expect.poll(() => isAlive(serverPid), { timeout: 5000 }).toBe(false);
  });

  test('starts although the number of its predecessor belongs to another process now', async () => {
    const { service, serverPid } = await startElsewhere();
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
    const content = readFileSync(pidFile, 'utf8');
    process.kill(serverPid, 'SIGKILL');
    service.kill('SIGKILL');
    await once(service, 'exit');
    const stranger = spawn('sleep', ['60'], { uid: statSync(join(dataDir, 'postgres')).uid });
    children.push(stranger);
    writeFileSync(pidFile, content.replace(/^\d+/, String(stranger.pid)));
    const server = await start();
    expect(isAlive(stranger.pid!)).toBe(true);
    expect(await query(server, 'select count(*)::int as n from written')).toEqual([{ n: 1000 }]);
  });

  test('tells the service when it dies by itself', async () => {
    let reason = '';
    const server = await start({
      onUnexpectedExit: (why) => {
        reason = why;
      },
    });
    process.kill(server.pid, 'SIGKILL');
    await expect.poll(() => reason, { timeout: 5000 }).toContain('SIGKILL');
  });

  test('that was interrupted while it was made is made again', async () => {
    mkdirSync(join(dataDir, 'postgres.init-abc123'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres.init-abc123', 'PG_VERSION'), '18');
    await start();
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log', 'service.lock']);
  });

  test('names the reason when it cannot start', async () => {
    await (await start()).stop();
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '12\n');
    await expect(start()).rejects.toMatchObject({
      code: 'DATABASE_START_FAILED',
      message: expect.stringMatching(/exit code 1[\s\S]*initialized by PostgreSQL version 12/),
    });
    expect(existsSync(join(dataDir, 'service.lock'))).toBe(false);
  });

  test('says so when the data directory cannot be used', async () => {
    writeFileSync(dataDir, 'a file');
    await expect(start()).rejects.toMatchObject({
      code: 'DATABASE_START_FAILED',
      message: expect.stringMatching(/data directory .* cannot be used .* set DATA_DIR/),
    });
  });

  test.runIf(isRoot && process.platform === 'linux')(
    'runs below a directory that only root may enter',
    async () => {
      chmodSync(top, 0o700);
      const server = await start();
      const [row] = await query(server, `select current_setting('data_directory') as path`);
      expect(row?.path).toBe('/proc/self/fd/3');
      await query(server, 'create table t as select generate_series(1, 10000) as n');
      await query(server, 'checkpoint');
      const pid = (await query(server, 'select pg_backend_pid() as pid'))[0]?.pid as number;
      expect(readFileSync(`/proc/${server.pid}/status`, 'utf8')).not.toMatch(/^Uid:\s+0/m);
      expect(pid).toBeGreaterThan(0);
    },
  );
});
