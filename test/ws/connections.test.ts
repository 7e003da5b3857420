import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createStreamClient } from '../../agent/stream-client.js';
import { encodeHello, encodePing, FRAME, SUBPROTOCOL } from '../../engine/wire/index.js';
import { call, createAgent, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { CLIENT_FRAMES, damage, seeded } from './frames.js';
import { openClient, openSocket, pushFrame, startProxy } from './support.js';

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    env: { WS_MAX_FRAME_BYTES: '65536', WS_TENANT_CONNECTIONS_MAX: '20', WS_IDLE_TIMEOUT_SECS: '8' },
  });
});

const hello = (over: Partial<Parameters<typeof encodeHello>[0]> = {}) =>
  encodeHello({
    versionMin: 1,
    versionMax: 1,
    authorization: `ApiKey ${service.adminKey}`,
    agent: undefined,
    ...over,
  });

async function apiKey(
  { tenantId, agentId }: TestAgent,
  grant: object = {},
): Promise<{ key: string; revoke(): Promise<unknown> }> {
  const path = `/api/v1/agents/${agentId}/api-keys`;
  const { body } = await call(service, 'POST', path, { body: { tenantId, ...grant } });
  return {
    key: body.apiKey,
    revoke: () => call(service, 'DELETE', `${path}/${body.keyHashPrefix}?tenant_id=${tenantId}`),
  };
}

const metric = async (name: string): Promise<number> => {
  const { text } = await call(service, 'GET', '/metrics');
  return Number(new RegExp(`^sequencer_${name} (.*)$`, 'm').exec(text)?.[1]);
};

afterEach(async () => {
  // Whatever was sent, the service still answers.
  expect((await call(service, 'GET', '/health', { key: null })).status).toBe(200);
});

describe('credentials', () => {
  test('come with the headers or with hello', async () => {
    const byHeader = await openSocket(service, { 'x-api-key': service.adminKey });
    byHeader.send(hello({ authorization: undefined }));
    const welcome = await byHeader.next(FRAME.welcome);
    expect(welcome).toMatchObject({ version: 1, frameBytesMax: 65536, eventsMax: 1000, heartbeatSecs: 4 });
    const byHello = await openSocket(service);
    byHello.send(hello());
    expect((await byHello.next(FRAME.welcome)).sessionId).not.toBe(welcome.sessionId);
    byHeader.close();
    byHello.close();
  });

  test('that are wrong end the upgrade with 401, or the connection with 4401', async () => {
    await expect(openSocket(service, { 'x-api-key': 'ss_wrong' })).rejects.toThrow('401');
    for (const authorization of ['ApiKey ss_wrong', undefined]) {
      const client = await openSocket(service);
      client.send(hello({ authorization }));
      const { code } = await client.next(FRAME.error, 0);
      expect(code).toBe(authorization === undefined ? 'AUTH_REQUIRED' : 'INVALID_API_KEY');
      expect(await client.closed).toEqual({ code: 4401, reason: code });
    }
  });

  test('that are revoked end their connections', async () => {
    const agent = await registerAgent(service);
    const { key, revoke } = await apiKey(agent);
    const client = await openClient(service, key);
    await revoke();
    expect(await client.closed).toMatchObject({ code: 4401 });
  });

  test('that may not write are refused push by push', async () => {
    const agent = await registerAgent(service);
    const { key } = await apiKey(agent, { readOnly: true });
    const client = await openClient(service, key);
    client.send(pushFrame(1, agent, [agent.event()]));
    expect(await client.next(FRAME.error, 1)).toMatchObject({ code: 'INSUFFICIENT_PERMISSIONS' });
    client.close();
  });
});

describe('rules of the frames', () => {
  test('the subprotocol has to be asked for', async () => {
    await expect(openSocket(service, {}, [])).rejects.toThrow('400');
    await expect(openSocket(service, {}, ['graphql-ws'])).rejects.toThrow('400');
    const client = await openSocket(service, {}, ['other', SUBPROTOCOL]);
    expect(client.socket.protocol).toBe(SUBPROTOCOL);
    client.close();
  });

  test('versions that do not meet end the connection with 4801', async () => {
    const client = await openSocket(service);
    client.send(hello({ versionMin: 2, versionMax: 9 }));
    expect(await client.closed).toMatchObject({ code: 4801 });
  });

  test.each([
    ['anything before hello', (): Uint8Array => encodePing(1)],
    ['a byte that is no frame', (): Uint8Array => Buffer.from([0xc1])],
    ['a frame of the service', (): Uint8Array => Buffer.from([0x92, 42, 1])],
    ['nothing', (): Uint8Array => new Uint8Array(0)],
  ])('%s ends the connection with 4400', async (_, frame) => {
    const client = await openSocket(service);
    client.send(frame());
    expect(await client.next(FRAME.error, 0)).toMatchObject({ code: 'INVALID_REQUEST_BODY' });
    expect(await client.closed).toMatchObject({ code: 4400 });
  });

  test('a push before hello is told so', async () => {
    const agent = createAgent();
    const client = await openSocket(service);
    client.send(pushFrame(1, agent, [agent.event()]));
    expect(await client.closed).toEqual({ code: 4400, reason: 'the first frame must be a hello' });
  });

  test('the reason of a close is the message of the error, as far as it fits', async () => {
    // [7, -1]: a ping with a negative id.
    const client = await openClient(service);
    client.send(Buffer.from([0x92, 7, 0xff]));
    const { message } = await client.next(FRAME.error, 0);
    const { reason } = await client.closed;
    expect(reason).toBe(message);
    expect(reason).toContain('’');
  });

  test('texts and oversized messages end the connection', async () => {
    const text = await openClient(service);
    text.socket.send('{"hello":1}');
    expect(await text.closed).toMatchObject({ code: 4400 });
    const large = await openClient(service);
    large.socket.on('error', () => {});
    large.send(new Uint8Array(65_537));
    expect([1006, 1009]).toContain((await large.closed).code);
  });

  test('hundreds of damaged frames, each on a socket of its own, end it or are answered', async () => {
    const random = seeded(99);
    for (let round = 0; round < 30; round++) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const client = await openClient(service);
          const { bytes } = CLIENT_FRAMES[random(CLIENT_FRAMES.length)]!;
          client.send(damage(bytes, random));
          client.send(encodePing(77));
          await Promise.race([client.next(FRAME.pong, 77), client.closed]);
          client.close();
          await client.closed;
        }),
      );
    }
  }, 60_000);
});

describe('limits of connections', () => {
  test('a tenant gets so many', async () => {
    const agent = await registerAgent(service);
    const { key } = await apiKey(agent);
    const clients = await Promise.all(Array.from({ length: 20 }, () => openClient(service, key)));
    const late = await openSocket(service);
    late.send(hello({ authorization: key }));
    expect(await late.next(FRAME.error, 0)).toMatchObject({ code: 'OVERLOADED' });
    await late.closed;
    clients[0]!.close();
    await clients[0]!.closed;
    const next = await openClient(service, key);
    for (const client of [next, ...clients]) client.close();
  });

  test('a client that leaves during the upgrade leaves nothing behind', async () => {
    for (let i = 0; i < 50; i++) {
      const socket = connect(service.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(
        `GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\nx-api-key: ss_unknown_${i}\r\n\r\n`,
        () => socket.destroy(),
      );
      await new Promise((resolve) => socket.on('close', resolve));
    }
    await expect.poll(() => metric('ws_connections'), { timeout: 10_000 }).toBe(0);
  });

  test('a peer that vanished without a word is dropped', async () => {
    const proxy = await startProxy(service.port);
    const client = await openClient({ port: proxy.port, adminKey: service.adminKey });
    expect(await metric('ws_connections')).toBe(1);
    proxy.stall();
    await expect.poll(() => metric('ws_connections'), { timeout: 25_000, interval: 500 }).toBe(0);
    client.socket.terminate();
    await proxy.close();
  }, 40_000);
});

test('a storm of reconnecting clients is served', async () => {
  const agent = await registerAgent(service);
  const proxy = await startProxy(service.port);
  const clients = Array.from({ length: 100 }, () =>
    createStreamClient({
      url: `http://127.0.0.1:${proxy.port}`,
      apiKey: service.adminKey,
      backoff: { firstMs: 5, maxMs: 50, random: Math.random },
    }),
  );
  // The administrator's connections count as one tenant's, of which 20 fit: the others wait for their turn.
  const storm = setInterval(() => proxy.cutAll(), 100);
  const results = await Promise.all(
    clients.map(async (client) => {
      const result = await client.push(agent.agentId, [agent.event().envelope], 'none');
      client.close();
      return [...result.numbers.values()][0] ?? 0;
    }),
  );
  clearInterval(storm);
  expect(results.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  await proxy.close();
}, 60_000);
