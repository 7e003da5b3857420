import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from './tls-fixture.js';

/** Code of the SSLRequest message. */
const SSL_REQUEST = 80_877_103;

describe('database connection', () => {
  let database: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    sql = connectDatabase(database.target, { max: 3, applicationName: 'connection-test' });
    await sql`create table item (id int8 primary key, tag text, at timestamptz)`;
  });
  afterAll(async () => {
    await sql.end();
    await database.drop();
  });

  test('reads and writes int8 as bigint, beyond what a double holds', async () => {
    const big = 2n ** 63n - 1n;
    await sql`insert into item (id) values (${big})`;
    expect(await sql`select id from item where id = ${big}`).toEqual([{ id: big }]);
    expect(await sql`select count(*) as n from item`).toEqual([{ n: 1n }]);
  });

  test('keeps the microseconds of a timestamp, in UTC', async () => {
    const rows = await sql`select '2026-02-03T04:05:06.123456+02:00'::timestamptz as at`;
    expect(rows).toEqual([{ at: '2026-02-03 02:05:06.123456+00' }]);
  });

  test('takes arrays as parameters', async () => {
    const id = '6f0f3b0e-0000-4000-8000-000000000001';
    const odd = ['', 'a"b', 'c\\d', '{e}', 'f,g', 'NULL', 'ü€𝄞'];
    const [row] = await sql`
      select ${odd}::text[] as texts, ${[id]}::uuid[] as ids, ${[1, 2]}::int4[] as ints,
             ${sql.array([1n, 2n ** 62n])} as bigints, ${sql.array([Buffer.from([0, 255])])} as bytes,
             ${sql.array([] as string[])}::text[] as nothing, ${id} = any(${[id]}::uuid[]) as found`;
    expect(row).toEqual({
      texts: odd,
      ids: [id],
      ints: [1, 2],
      bigints: [1n, 2n ** 62n],
      bytes: [Buffer.from([0, 255])],
      nothing: [],
      found: true,
    });
  });

  test('can be reserved as the first thing that is done with a pool', async () => {
    const fresh = connectDatabase(database.target, { max: 1, applicationName: 'reserve' });
    const session = await fresh.reserve();
    expect(await session`select 1 as one`).toEqual([{ one: 1 }]);
    session.release();
    await fresh.end();
  });

  test('tells the server its name and limits', async () => {
    const limited = connectDatabase(database.target, {
      max: 1,
      applicationName: 'limited',
      statementTimeoutMs: 50,
      lockTimeoutMs: 40,
      idleInTransactionTimeoutMs: 30_000,
    });
    const [row] = await limited`
      select current_setting('application_name') as name, current_setting('statement_timeout') as statement,
             current_setting('lock_timeout') as lock, current_setting('idle_in_transaction_session_timeout') as idle`;
    expect(row).toEqual({ name: 'limited', statement: '50ms', lock: '40ms', idle: '30s' });
    await expect(limited`select pg_sleep(1)`).rejects.toMatchObject({ code: '57014' });
    await limited.end();
  });

  test('can be told by a URL that names the socket directory', async () => {
    const {
      socketDir,
      port,
      user,
      database: name,
    } = database.target as Exclude<DatabaseTarget, { url: string }>;
    for (const url of [
      `postgres://${user}@/${name}?host=${socketDir}&port=${port}`,
      `postgres://${user}@${encodeURIComponent(socketDir)}:${port}/${name}`,
    ]) {
      const byUrl = connectDatabase({ url }, { max: 1, applicationName: 'by-url' });
      expect(await byUrl`select current_database() as name`).toEqual([{ name }]);
      await byUrl.end();
    }
  });

  test('refuses what is not a database URL', () => {
    expect(() => connectDatabase({ url: 'http://x/' }, { max: 1, applicationName: 'x' })).toThrow(
      /not a PostgreSQL URL/,
    );
  });

  describe('over TCP', () => {
    let proxy: Server;
    let port: number;
    const sockets = new Set<Socket>();

    beforeAll(async () => {
      const target = database.target as Exclude<DatabaseTarget, { url: string }>;
      proxy = createServer((inner) => {
        const outer = connect(`${target.socketDir}/.s.PGSQL.${target.port}`);
        for (const socket of [inner, outer]) {
          sockets.add(socket);
          socket.on('error', () => {});
          socket.on('close', () => sockets.delete(socket));
        }
        inner.pipe(outer).pipe(inner);
      });
      await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
      port = (proxy.address() as AddressInfo).port;
    });
    afterAll(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });

    const urlFor = (hosts: string) => {
      const { user, database: name } = database.target as Exclude<DatabaseTarget, { url: string }>;
      return { url: `postgres://${user}@${hosts}/${name}` };
    };

    test('copies without waiting 40 ms for acknowledgements', async () => {
      const tcp = connectDatabase(urlFor(`127.0.0.1:${port}`), { max: 1, applicationName: 'tcp' });
      await tcp`create table copied (n int)`;
      const begin = performance.now();
      for (let round = 0; round < 20; round++) {
        const writable = await tcp`copy copied from stdin`.writable();
        await new Promise<void>((done, fail) => {
          writable.on('finish', done).on('error', fail);
          writable.write(`${round}\n`);
          writable.end();
        });
      }
      expect((performance.now() - begin) / 20).toBeLessThan(20);
      expect(await tcp`select count(*) as n from copied`).toEqual([{ n: 20n }]);
      await tcp.end();
    });

    describe('with TLS', () => {
      let server: Server;
      let tlsPort: number;
      let certificate: string;

      // What a PostgreSQL server with ssl=on does: answer S to an SSLRequest (PostgreSQL manual, "SSL Session Encryption"), then
      // speak TLS. Sessions of clients that do not ask are refused.
      beforeAll(async () => {
        const target = database.target as Exclude<DatabaseTarget, { url: string }>;
        const context = createSecureContext({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY });
        server = createServer((raw) => {
          raw.on('error', () => {});
          raw.once('data', (request) => {
            if (request.readInt32BE(4) !== SSL_REQUEST) return raw.destroy();
            raw.write('S');
            const inner = new TLSSocket(raw, { isServer: true, secureContext: context });
            const outer = connect(`${target.socketDir}/.s.PGSQL.${target.port}`);
            for (const socket of [inner, outer]) socket.on('error', () => {});
            inner.pipe(outer).pipe(inner);
          });
        });
        await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
        tlsPort = (server.address() as AddressInfo).port;
        certificate = join(mkdtempSync(join(tmpdir(), 'sseq-tls-')), 'root.crt');
        writeFileSync(certificate, TEST_CERTIFICATE);
      });
      afterAll(() => {
        server.close();
        rmSync(dirname(certificate), { recursive: true });
      });

      const attempt = async (host: string, query: string) => {
        const { url } = urlFor(`${host}:${tlsPort}`);
        const session = connectDatabase({ url: `${url}?${query}` }, { max: 1, applicationName: 'tls' });
        try {
          return (await session`select 1 as one`)[0]?.one;
        } finally {
          await session.end({ timeout: 0 });
        }
      };

      test.each(['require', 'prefer'])('sslmode=%s encrypts and trusts whoever answers', async (mode) => {
        expect(await attempt('127.0.0.1', `sslmode=${mode}`)).toBe(1);
      });

      test('sslmode=verify-full trusts a known certificate for the right name only', async () => {
        const root = `sslrootcert=${encodeURIComponent(certificate)}`;
        expect(await attempt('localhost', `sslmode=verify-full&${root}`)).toBe(1);
        await expect(attempt('127.0.0.1', `sslmode=verify-full&${root}`)).rejects.toThrow(
          /altnames|does not match/,
        );
        await expect(attempt('localhost', 'sslmode=verify-full')).rejects.toThrow(/self-signed/);
      });

      test('sslmode=verify-ca trusts a known certificate for any name', async () => {
        const root = `sslrootcert=${encodeURIComponent(certificate)}`;
        expect(await attempt('127.0.0.1', `sslmode=verify-ca&${root}`)).toBe(1);
        await expect(attempt('127.0.0.1', 'sslmode=verify-ca')).rejects.toThrow(/self-signed/);
      });

      test('without sslmode nothing is encrypted', async () => {
        await expect(attempt('127.0.0.1', '')).rejects.toThrow();
      });
    });

    test('a refused connection fails the query and leaves the pool usable', async () => {
      const refused = connectDatabase(urlFor('127.0.0.1:1'), { max: 1, applicationName: 'refused' });
      await expect(refused`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await expect(refused`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await refused.end();
    });

    test('a server that never answers runs into the time limit', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
      const target = urlFor(`127.0.0.1:${(silent.address() as AddressInfo).port}`);
      const waiting = connectDatabase(target, { max: 1, applicationName: 'silent', connectTimeoutMs: 1000 });
      await expect(waiting`select 1`).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' });
      await waiting.end({ timeout: 0 });
      silent.close();
    });

    test('comes back after the connection was cut', async () => {
      const tcp = connectDatabase(urlFor(`127.0.0.1:${port}`), { max: 1, applicationName: 'cut' });
      await tcp`select 1`;
      for (const socket of sockets) socket.destroy();
      await expect.poll(() => tcp`select 2 as two`.catch(() => undefined)).toEqual([{ two: 2 }]);
      await tcp.end();
    });
  });
});
