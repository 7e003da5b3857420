import { createServer } from 'node:net';
import { describe, expect, inject, test } from 'vitest';
import { connectDatabase, type DatabaseTarget } from '../../engine/store/connection.js';
import { waitForDatabase } from '../../engine/store/wait-for-database.js';

const server = inject('postgresServer') as Exclude<DatabaseTarget, { url: string }>;
const pool = (target: DatabaseTarget) => connectDatabase(target, { max: 1, applicationName: 'wait' });

describe('waiting for the database', () => {
  test('ends when it answers', async () => {
    const sql = pool(server);
    const messages: string[] = [];
    await waitForDatabase(sql, { retriesMax: 0, retryDelayMs: 1, log: (message) => messages.push(message) });
    expect(messages).toEqual([]);
    await sql.end();
  });

  test('tries as often as it may, then names the reason', async () => {
    const listener = createServer();
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const { port } = listener.address() as { port: number };
    await new Promise((done) => listener.close(done));
    const sql = pool({ url: `postgres://x@127.0.0.1:${port}/x` });
    const messages: string[] = [];
    await expect(
      waitForDatabase(sql, { retriesMax: 3, retryDelayMs: 5, log: (message) => messages.push(message) }),
    ).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(messages).toHaveLength(3);
    await sql.end();
  });

  test('gives up at once where waiting does not help', async () => {
    const sql = pool({ ...server, database: 'no_such_database' });
    const messages: string[] = [];
    await expect(
      waitForDatabase(sql, { retriesMax: 100, retryDelayMs: 1000, log: (message) => messages.push(message) }),
    ).rejects.toThrow(/no_such_database/);
    expect(messages).toEqual([]);
    await sql.end();
  });
});
