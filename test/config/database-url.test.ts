import { describe, expect, test } from 'vitest';
import { isPlaintextToRemoteHost, parseDatabaseUrl } from '../../engine/config/database-url.js';
import { loadConfig } from '../../engine/config/index.js';

describe('database URL', () => {
  test('carries user, password, host, port, database and parameters', () => {
    expect(
      parseDatabaseUrl(
        'postgresql://al%40ice:p%3Aw@db.example:6543/events?sslmode=verify-full&search_path=a,b',
      ),
    ).toEqual({
      hosts: [{ host: 'db.example', port: 6543 }],
      socketDir: undefined,
      port: 6543,
      user: 'al@ice',
      password: 'p:w',
      database: 'events',
      sslMode: 'verify-full',
      parameters: { search_path: 'a,b' },
    });
  });

  test.each([
    'postgres://me@/db?host=/run/pg&port=5433',
    'postgres://me@%2Frun%2Fpg:5433/db',
    'postgres:///db?user=me&host=/run/pg&port=5433',
    'postgres:///?user=me&host=/run/pg&port=5433&dbname=db',
  ])('may name a Unix socket: %s', (url) => {
    expect(parseDatabaseUrl(url)).toMatchObject({
      socketDir: '/run/pg',
      port: 5433,
      user: 'me',
      database: 'db',
      hosts: [],
    });
  });

  test('may name several hosts and IPv6 addresses', () => {
    expect(parseDatabaseUrl('postgres://a,b:7000,[::1]:7001/db')?.hosts).toEqual([
      { host: 'a', port: 5432 },
      { host: 'b', port: 7000 },
      { host: '::1', port: 7001 },
    ]);
  });

  test('without a host means this machine', () => {
    expect(parseDatabaseUrl('postgres:///db')?.hosts).toEqual([{ host: 'localhost', port: 5432 }]);
  });

  test.each([
    'localhost/db',
    'http://localhost/db',
    'postgres://host:port/db',
    'postgres://host:99999/db',
    'postgres://%E0%A4%A/db',
    'postgres://host/db?sslmode=maybe',
    'postgres://%2Frun%2Fpg,other/db',
  ])('is refused when malformed: %s', (url) => {
    expect(parseDatabaseUrl(url)).toBeUndefined();
  });
});

describe('plain text to the database', () => {
  const isRefused = (url: string) => isPlaintextToRemoteHost(parseDatabaseUrl(url)!);

  test.each([
    'postgres://db.example/x',
    'postgres://10.0.0.7/x?sslmode=prefer',
    'postgres://db.example/x?sslmode=disable',
    'postgres://localhost,db.example/x',
  ])('is refused for %s', (url) => {
    expect(isRefused(url)).toBe(true);
    expect(() => loadConfig({ DATABASE_URL: url })).toThrow(/DATABASE_URL must ask for sslmode=require/);
    expect(loadConfig({ DATABASE_URL: url, ALLOW_INSECURE_LOCAL_DB: 'yes' }).database.url).toBe(url);
  });

  test.each([
    'postgres://localhost/x',
    'postgres://127.0.0.1/x',
    'postgres://[::1]/x',
    'postgres://postgres/x',
    'postgres://host.docker.internal/x',
    'postgres:///x?host=/run/pg',
    'postgres://db.example/x?sslmode=require',
    'postgres://db.example/x?sslmode=verify-full',
  ])('is no matter for %s', (url) => {
    expect(isRefused(url)).toBe(false);
    expect(loadConfig({ DATABASE_URL: url }).database.url).toBe(url);
  });
});
