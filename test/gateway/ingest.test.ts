import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  AGENT,
  BOOTSTRAP_KEY,
  okReply,
  openRaw,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
  type TestIngest,
} from './support.js';

const VES = '/api/v1/ves/events/ingest';
const LEGACY = '/api/v1/events/ingest';

describe('ingest', () => {
  let g: TestGateway;
  let answer: TestIngest['answer'];
  beforeAll(async () => {
    g = await startTestGateway({ env: { REQUEST_TIMEOUT_SECS: '1' } });
    answer = g.ingest.answer;
  });
  afterAll(() => g.close());
  afterEach(() => {
    g.ingest.taken.length = 0;
    g.ingest.answer = answer;
    g.ingest.refuse = undefined;
  });

  test('hands the body and the scope of the credential to the pipeline and answers its bytes', async () => {
    const key = await g.apiKey({ storeIds: [STORE], agentId: AGENT });
    g.ingest.answer = (taken) => taken.reply(okReply('{"headSequence":7,"é":1}'));
    const before = Date.now();
    const reply = await g.call('POST', VES, { key, body: { events: [] } });
    expect([reply.status, reply.text]).toEqual([200, '{"headSequence":7,"é":1}']);
    await g.call('POST', LEGACY, { body: {} });
    const [ves, legacy] = g.ingest.taken;
    expect(ves).toMatchObject({
      kind: 'ves',
      codec: 'json',
      scope: {
        tenant: TENANT.replaceAll('-', ''),
        stores: [STORE.replaceAll('-', '')],
        agent: AGENT.replaceAll('-', ''),
      },
    });
    expect(ves?.bytes.toString()).toBe('{"events":[]}');
    expect(ves?.deadlineMs).toBeGreaterThan(before);
    expect(ves?.deadlineMs).toBeLessThanOrEqual(Date.now() + 1000);
    expect(legacy).toMatchObject({ kind: 'legacy', scope: { tenant: null, stores: [], agent: null } });
  });

  test('needs the write permission, whatever the body', async () => {
    const key = await g.apiKey({ canWrite: false, canAdmin: true });
    for (const path of [VES, LEGACY])
      for (let i = 0; i < 2; i++) {
        const reply = await g.call('POST', path, { key, raw: 'not even JSON' });
        expect([reply.status, reply.body.message]).toEqual([403, 'Write permission required']);
      }
    const raw = openRaw(g.port);
    raw.socket.write(
      `POST ${VES} HTTP/1.1\r\nHost: x\r\nx-api-key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n`,
    );
    expect(await raw.until('Write permission required')).toMatch(/^HTTP\/1\.1 403/); // before the body
    raw.socket.destroy();
    expect(g.ingest.taken.length).toBe(0);
  });

  test('over the limits of the pipeline is answered 503 and nothing is taken', async () => {
    g.ingest.refuse = 'service_full';
    const reply = await g.call('POST', VES, { body: {} });
    expect([reply.status, reply.body.code, reply.headers['retry-after']]).toEqual([503, 'OVERLOADED', '1']);
    expect(reply.body.error.retry_after).toBe(1);
    expect(reply.body.error.details).toEqual({ limit_of: 'service' });
  });

  test('tells a tenant that has its part from a house that is full, and both from the end of the service', async () => {
    g.ingest.refuse = 'tenant_full';
    const share = await g.call('POST', VES, { body: {} });
    expect([share.status, share.body.code]).toEqual([503, 'OVERLOADED']);
    expect(share.body.error).toMatchObject({
      message: expect.stringMatching(/^This tenant .* others still have some/),
      details: { limit_of: 'tenant' },
    });
    g.ingest.refuse = 'stopping';
    const last = await g.call('POST', VES, { body: {} });
    expect([last.status, last.body.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  });

  test('passes on how the pipeline refuses a request', async () => {
    g.ingest.answer = (taken) =>
      taken.reply({
        ok: false,
        error: { code: 'BATCH_TOO_LARGE', message: 'too many', details: { limit: 1000 } },
      });
    const tooMany = await g.call('POST', VES, { body: {} });
    expect([tooMany.status, tooMany.body.error.details]).toEqual([413, { limit: 1000 }]);
    g.ingest.answer = (taken) =>
      taken.reply({ ok: false, error: { code: 'SERVICE_UNAVAILABLE', message: 'later' } });
    expect((await g.call('POST', VES, { body: {} })).headers['retry-after']).toBe('5');
  });

  test('that takes too long is answered 504 with what that means; a later answer is dropped', async () => {
    let late: (() => void) | undefined;
    g.ingest.answer = (taken) => {
      late = () => taken.reply(okReply('{"late":true}'));
    };
    const raw = openRaw(g.port);
    raw.socket.write(
      `POST ${VES} HTTP/1.1\r\nHost: x\r\nx-api-key: ${BOOTSTRAP_KEY}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    const text = await raw.until('outcome');
    expect(text).toMatch(/^HTTP\/1\.1 504 /);
    expect(text).toContain('The outcome is unknown');
    expect(text).toContain('Sending the same events again is safe');
    expect(text).toContain('GET /api/v1/ves/events/:event_id');
    late?.();
    await sleep(30);
    expect(raw.received()).not.toContain('late');
    // The connection goes on.
    g.ingest.answer = answer;
    raw.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
    await raw.until('healthy');
    raw.socket.destroy();
  });

  test('of a client that left is dropped', async () => {
    let late: (() => void) | undefined;
    g.ingest.answer = (taken) => {
      late = () => taken.reply(okReply('{}'));
    };
    const raw = openRaw(g.port);
    raw.socket.write(
      `POST ${VES} HTTP/1.1\r\nHost: x\r\nx-api-key: ${BOOTSTRAP_KEY}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    while (late === undefined) await sleep(5);
    raw.socket.destroy();
    await sleep(30);
    late();
    expect((await g.call('GET', '/health')).status).toBe(200);
  });

  test('is measured', async () => {
    g.ingest.answer = (taken) => taken.reply({ ...okReply('{}'), accepted: 3, rejected: 2, replayed: 1 });
    const value = async (name: string) => {
      const { text } = await g.call('GET', '/metrics');
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
    };
    const names = [
      'events_ingested',
      'events_sequenced',
      'events_rejected',
      'ves_events_received',
      'ves_events_verified',
    ];
    const before = await Promise.all(names.map((name) => value(`sequencer_${name}`)));
    await g.call('POST', VES, { body: {} });
    const after = await Promise.all(names.map((name) => value(`sequencer_${name}`)));
    expect(after.map((each, i) => each - before[i]!)).toEqual([3, 3, 2, 6, 3]);
  });
});

test('draining finishes what is in flight and takes nothing more', async () => {
  const g = await startTestGateway();
  const post = `POST ${VES} HTTP/1.1\r\nHost: x\r\nx-api-key: ${BOOTSTRAP_KEY}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  let finish: (() => void) | undefined;
  g.ingest.answer = (taken) => {
    finish = () => taken.reply(okReply('{"done":true}'));
  };
  const busy = openRaw(g.port);
  const idle = openRaw(g.port);
  idle.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.until('healthy');
  busy.socket.write(post);
  while (finish === undefined) await sleep(5);

  let drained = false;
  const draining = g.gateway.drain().then(() => {
    drained = true;
  });
  await expect(fetch(`http://127.0.0.1:${g.port}/health`)).rejects.toThrow();
  idle.socket.write(post);
  expect(await idle.closed).toMatch(/HTTP\/1\.1 503 [\s\S]*SERVICE_UNAVAILABLE/);
  await sleep(50);
  expect(drained).toBe(false);
  finish();
  expect(await busy.closed).toContain('{"done":true}');
  await draining;
  await g.close();
});
