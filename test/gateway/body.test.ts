import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BOOTSTRAP_KEY, openRaw, startTestGateway, type TestGateway } from './support.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const INGEST = '/api/v1/ves/events/ingest';
const head = (length?: number, key = BOOTSTRAP_KEY) =>
  `POST ${INGEST} HTTP/1.1\r\nHost: x\r\nx-api-key: ${key}\r\nContent-Type: application/json\r\n` +
  (length === undefined ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${length}\r\n\r\n`);
const chunk = (bytes: Buffer) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

describe('bodies', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({
      env: { MAX_BODY_SIZE_BYTES: '1MB', MAX_INFLIGHT_BYTES: '1536kB', BODY_TIMEOUT_SECS: '1' },
    });
  });
  afterAll(() => g.close());
  afterEach(() => {
    g.ingest.taken.length = 0;
    g.ingest.inflightBytes = 0;
  });

  test.each([0, 1, 100, 64 * KIB, 700 * KIB, MIB])('of %i bytes arrive unchanged', async (length) => {
    const raw = randomBytes(length);
    expect((await g.call('POST', INGEST, { raw })).status).toBe(200);
    expect(g.ingest.taken[0]?.bytes.equals(raw)).toBe(true);
  });

  test('in small pieces arrive unchanged, with and without an announced length', async () => {
    const body = randomBytes(50_000);
    for (const announced of [true, false]) {
      const raw = openRaw(g.port);
      raw.socket.write(head(announced ? body.length : undefined));
      for (let at = 0; at < body.length; at += 5000) {
        const piece = body.subarray(at, at + 5000);
        raw.socket.write(announced ? piece : chunk(piece));
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      if (!announced) raw.socket.write('0\r\n\r\n');
      await raw.until('{"bytes":50000}');
      raw.socket.destroy();
    }
    expect(g.ingest.taken.map((each) => each.bytes.equals(body))).toEqual([true, true]);
  });

  test('that arrive while unknown credentials are looked up arrive unchanged', async () => {
    const key = await g.apiKey();
    const raw = randomBytes(300 * KIB);
    expect((await g.call('POST', INGEST, { key, raw })).status).toBe(200);
    expect(g.ingest.taken[0]?.bytes.equals(raw)).toBe(true);
  });

  test('must be JSON', async () => {
    const contentTypes = ['text/plain', 'application/jsonx', 'application/x-www-form-urlencoded', ''];
    for (const type of contentTypes) {
      const reply = await g.call('POST', INGEST, { raw: '{}', headers: { 'content-type': type } });
      expect([reply.status, reply.body.code], type).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    }
    for (const type of [
      'application/json; charset=utf-8',
      'Application/JSON',
      'application/json;charset=UTF-8',
    ])
      expect((await g.call('POST', INGEST, { raw: '{}', headers: { 'content-type': type } })).status).toBe(
        200,
      );
  });

  test('announced too large are refused before they are sent, then dropped, and the connection goes on', async () => {
    const raw = openRaw(g.port);
    raw.socket.write(head(MIB + 1));
    const reply = await raw.until('"limit_bytes":1048576');
    expect(reply).toMatch(/^HTTP\/1\.1 413 /);
    raw.socket.write(Buffer.alloc(MIB + 1, 0x20));
    raw.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until('healthy');
    raw.socket.destroy();
    expect(g.ingest.taken.length).toBe(0);
  });

  test('announced far too large are refused and the connection is closed', async () => {
    const raw = openRaw(g.port);
    raw.socket.write(head(64 * MIB + 1));
    expect(await raw.closed).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('that grow too large are refused on the way', async () => {
    const raw = openRaw(g.port);
    raw.socket.write(head());
    const piece = chunk(Buffer.alloc(64 * KIB));
    for (let i = 0; i < 17 && !raw.received(); i++) {
      raw.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await raw.closed).toMatch(/^HTTP\/1\.1 413 [\s\S]*PAYLOAD_TOO_LARGE/);
    expect(g.ingest.taken.length).toBe(0);
  });

  test('sent by real clients far over the limit are answered 413, every time', async () => {
    const raw = Buffer.alloc(8 * MIB);
    for (let i = 0; i < 5; i++) {
      const reply = await g.call('POST', INGEST, { raw });
      expect([reply.status, reply.body.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
      const fetched = await fetch(`http://127.0.0.1:${g.port}${INGEST}`, {
        method: 'POST',
        headers: { 'x-api-key': BOOTSTRAP_KEY, 'content-type': 'application/json' },
        body: raw,
      });
      expect([fetched.status, fetched.headers.get('x-error-code')]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    }
  });

  test('that stall are answered 408 and the connection is closed', async () => {
    const raw = openRaw(g.port);
    const start = Date.now();
    raw.socket.write(`${head(100)}{"a":`);
    const reply = await raw.closed;
    expect(reply).toMatch(/^HTTP\/1\.1 408 [\s\S]*REQUEST_TIMEOUT/);
    expect(Date.now() - start).toBeGreaterThan(900);
    expect(Date.now() - start).toBeLessThan(2500);
  });

  test('that are announced but do not come take no room', async () => {
    const stalled = Array.from({ length: 5 }, () => openRaw(g.port));
    for (const { socket } of stalled) socket.write(`${head(MIB)}{`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await g.call('POST', INGEST, { raw: randomBytes(200 * KIB) })).status).toBe(200);
    for (const { socket } of stalled) socket.destroy();
  });

  test('of administrative requests are small', async () => {
    const reply = await g.call('POST', '/api/v1/agents/keys', { raw: Buffer.alloc(64 * KIB + 1, 0x20) });
    expect([reply.status, reply.body.error.details]).toEqual([413, { limit_bytes: 64 * KIB }]);
  });

  test('share one budget while they arrive, which every end gives back', async () => {
    const first = openRaw(g.port);
    first.socket.write(head(MIB));
    first.socket.write(Buffer.alloc(900 * KIB, 0x20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const second = openRaw(g.port);
    second.socket.write(head(MIB));
    second.socket.write(Buffer.alloc(900 * KIB, 0x20));
    const refused = await second.closed;
    expect(refused).toMatch(/^HTTP\/1\.1 503 [\s\S]*OVERLOADED/);
    expect(refused).toMatch(/retry-after: 1\r\n/i);
    // What arrives in one piece needs no budget.
    expect((await g.call('POST', INGEST, { body: {} })).status).toBe(200);

    first.socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await g.call('POST', INGEST, { raw: Buffer.alloc(MIB) })).status).toBe(200);
    // What the pipeline works on counts as well.
    g.ingest.inflightBytes = MIB;
    expect((await g.call('POST', INGEST, { raw: Buffer.alloc(MIB) })).status).toBe(503);
    g.ingest.inflightBytes = 0;
    expect((await g.call('POST', INGEST, { raw: Buffer.alloc(MIB) })).status).toBe(200);
  });
});
