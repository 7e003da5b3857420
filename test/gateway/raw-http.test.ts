/** What uWebSockets.js makes of bad or unusual HTTP, as described at the top of gateway/http/server.ts. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BOOTSTRAP_KEY, okReply, openRaw, startTestGateway, type TestGateway } from './support.js';

let g: TestGateway;
beforeAll(async () => {
  g = await startTestGateway();
});
afterAll(() => g.close());
afterEach(async () => {
  // Whatever was sent, the server is there and well.
  expect((await g.call('GET', '/health')).status).toBe(200);
  g.ingest.taken.length = 0;
});

const POST = `POST /api/v1/ves/events/ingest HTTP/1.1\r\nHost: x\r\nx-api-key: ${BOOTSTRAP_KEY}\r\nContent-Type: application/json\r\n`;

/** Sends bytes and answers all that comes back until the connection is closed or `quietMs` have passed. */
async function send(bytes: string, quietMs = 300): Promise<{ text: string; closed: boolean }> {
  const raw = openRaw(g.port);
  raw.socket.write(bytes, 'latin1');
  const closed = await Promise.race([
    raw.closed.then(() => true),
    new Promise<false>((resolve) => setTimeout(() => resolve(false), quietMs)),
  ]);
  raw.socket.destroy();
  return { text: raw.received(), closed };
}

test('a pipelined request closes the connection without an answer', async () => {
  const { text, closed } = await send(`${POST}Content-Length: 2\r\n\r\n{}${POST}Content-Length: 2\r\n\r\n{}`);
  expect([text, closed]).toEqual(['', true]);
  // The first may have been taken: its outcome is unknown to the client.
  expect(g.ingest.taken.length).toBe(1);
});

test('requests one after the other share a connection', async () => {
  const raw = openRaw(g.port);
  for (let i = 1; i <= 3; i++) {
    raw.socket.write(`${POST}Content-Length: ${i + 1}\r\n\r\n{${' '.repeat(i - 1)}}`);
    expect(await raw.until(`{"bytes":${i + 1}}`)).toContain('200 OK');
  }
  raw.socket.destroy();
  expect(new Set(g.ingest.taken.map((each) => each.lane)).size).toBe(3);
});

test.each([
  [
    'Transfer-Encoding and Content-Length',
    `${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  ],
  ['a chunk size that is none', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
  ['a negative length', `${POST}Content-Length: -2\r\n\r\n{}`],
  ['a length beyond all integers', `${POST}Content-Length: 99999999999999999999999\r\n\r\n{}`],
  ['several lengths', `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} `],
  ['the same length twice', `${POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`],
  ['another transfer coding', `${POST}Transfer-Encoding: gzip\r\n\r\n{}`],
])('%s is refused and the connection closed', async (_, bytes) => {
  const { text, closed } = await send(bytes);
  // uWS answers 400 itself, or our own limit strikes first: 413.
  expect(text).toMatch(/^HTTP\/1\.1 4(00|13) /);
  expect(closed).toBe(true);
  expect(g.ingest.taken.length).toBe(0);
});

test.each([
  ['HTTP/1.0', 'GET /health HTTP/1.0\r\nHost: x\r\n\r\n', /505/],
  ['text that is not HTTP', 'hello\r\n\r\n', /505/],
  ['TLS', '\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03', /505/],
  ['bare line feeds', 'GET /health HTTP/1.1\nHost: x\n\n', /505/],
  ['an absolute target', 'GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n', /505/],
  ['endless headers', `GET /health HTTP/1.1\r\nHost: x\r\nx-a: ${'a'.repeat(300_000)}`, /431/],
])('%s is answered and the connection closed', async (_, bytes, status) => {
  const { text, closed } = await send(bytes);
  expect(text).toMatch(status);
  expect(closed).toBe(true);
});

test.each([
  ['no Host', 'GET /health HTTP/1.1\r\n\r\n'],
  ['control characters in a header', 'GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: a\x01\r\n\r\n'],
  ['a space before the colon', 'GET /health HTTP/1.1\r\nHost: x\r\nx-b : 1\r\n\r\n'],
  ['too many headers', `GET /health HTTP/1.1\r\nHost: x\r\n${'h: v\r\n'.repeat(150)}\r\n`],
])('%s is never answered', async (_, bytes) => {
  expect((await send(bytes)).text).toBe('');
});

test('an unknown method is answered 405', async () => {
  const { text } = await send('FOO /health HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(text).toMatch(/^HTTP\/1\.1 405 /);
  expect(text).toContain('METHOD_NOT_ALLOWED');
});

test('a path with malformed percent-encoding or strange bytes is answered', async () => {
  for (const path of [
    '/api/v1/ves/entities/%zz/1',
    '/api/v1/ves/entities/a%00/1',
    '/api/v1/ves/entities/%ff/1',
    '/\xe9',
    '/%2e%2e/',
  ])
    expect(
      (await send(`GET ${path}?a=%zz&&=b HTTP/1.1\r\nHost: x\r\nx-api-key: ${BOOTSTRAP_KEY}\r\n\r\n`)).text,
    ).toMatch(/^HTTP\/1\.1 40[04] /);
});

test('Expect: 100-continue is honoured', async () => {
  const raw = openRaw(g.port);
  raw.socket.write(`${POST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
  await raw.until('100 Continue');
  raw.socket.write('{}');
  expect(await raw.until('{"bytes":2}')).toContain('200 OK');
  raw.socket.destroy();
});

test('headers of more than 4 kB pass in one piece and may be refused in several', async () => {
  const request = `GET /health HTTP/1.1\r\nHost: x\r\nx-a: ${'a'.repeat(6000)}\r\n\r\n`;
  expect((await send(request)).text).toMatch(/^HTTP\/1\.1 200 /);
  const raw = openRaw(g.port);
  raw.socket.write(request.slice(0, 5000));
  await new Promise((resolve) => setTimeout(resolve, 50));
  raw.socket.write(request.slice(5000));
  expect(await raw.closed).toMatch(/^HTTP\/1\.1 431 /);
});

test('a refusal before the body leaves the connection usable', async () => {
  const raw = openRaw(g.port);
  raw.socket.write(
    `POST /api/v1/ves/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 300000\r\n\r\n`,
  );
  await raw.until('AUTH_REQUIRED');
  for (let i = 0; i < 30; i++) raw.socket.write('x'.repeat(10_000));
  raw.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await raw.until('"healthy"');
  raw.socket.destroy();
});

test('a client that asks for the end of the connection gets it with the answer', async () => {
  const { text, closed } = await send('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  expect(text).toContain('"healthy"');
  expect(closed).toBe(true);
});

test('clients that leave at any moment do no harm', async () => {
  g.ingest.answer = (taken) => setTimeout(() => taken.reply(okReply('{"late":true}')), 30);
  const whole = `${POST}Content-Length: 40\r\n\r\n${JSON.stringify({ a: 'x'.repeat(32) })}`;
  for (let length = 1; length <= whole.length; length += 3) {
    const raw = openRaw(g.port);
    raw.socket.write(whole.slice(0, length));
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (length % 2) raw.socket.resetAndDestroy();
    else raw.socket.end();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  g.ingest.answer = (taken, bytes) => setImmediate(() => taken.reply(okReply(`{"bytes":${bytes.length}}`)));
});
