import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { call, push, readHead, registerAgent, streamQuery } from '../support/agents.js';
import { startTestService } from '../support/service.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const env = { GRPC_ENABLED: 'false' };

describe('SIGTERM', () => {
  test('under load: everything acknowledged is stored, streams end with a cursor, the exit code is 0', async () => {
    const service = await startTestService({ env });
    const agents = await Promise.all([1, 2, 3, 4].map(() => registerAgent(service)));
    const [reader] = agents;
    const stream = await fetch(`${service.url}/api/v1/ves/events/stream?${streamQuery(reader!)}`, {
      headers: { authorization: `ApiKey ${service.adminKey}`, accept: 'application/x-ndjson' },
    });
    expect(stream.status).toBe(200);
    const streamed = stream.text().catch((error: Error) => `cut: ${error.message}`);
    const socket = new WebSocket(`ws://127.0.0.1:${service.port}/ws`, 'ves.v1.msgpack', {
      headers: { authorization: `ApiKey ${service.adminKey}` },
    });
    socket.on('error', () => {});
    const socketClosed = new Promise((resolve) => socket.on('close', resolve));

    const acknowledged = new Map(agents.map((agent) => [agent, 0]));
    let refused = 0;
    let stopping = false;
    const work = agents.map(async (agent) => {
      for (;;) {
        try {
          const { status, body } = await push(service, agent, [agent.event(), agent.event()]);
          if (status === 200) acknowledged.set(agent, body.sequenceEnd ?? 0);
          else {
            expect([status, (body as never as { code: string }).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
            refused++;
            return;
          }
        } catch {
          expect(stopping).toBe(true); // the listening socket is closed
          return;
        }
      }
    });
    await pause(700);
    stopping = true;
    const begun = performance.now();
    const code = await service.stop();
    expect(code).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_000);
    await Promise.all(work);
    await socketClosed;
    const lines = (await streamed).trim().split('\n');
    expect(lines.at(-1)).toContain('SERVICE_UNAVAILABLE'); // an end that says why, not a cut
    expect(refused).toBeLessThanOrEqual(agents.length);

    const again = await service.restart();
    for (const agent of agents) {
      expect(acknowledged.get(agent)).toBeGreaterThan(0);
      expect(await readHead(again, agent)).toBeGreaterThanOrEqual(acknowledged.get(agent)!);
    }
    expect(await again.stop()).toBe(0);
  }, 60_000);

  test('a request that never ends is given up at the deadline', async () => {
    const service = await startTestService({
      env: { ...env, SHUTDOWN_TIMEOUT_SECS: '1', BODY_TIMEOUT_SECS: '60' },
    });
    const socket = connect(service.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `POST /api/v1/ves/events/ingest HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: ApiKey ${service.adminKey}\r\ncontent-length: 100\r\n\r\n{`,
    );
    await pause(200);
    const begun = performance.now();
    expect(await service.stop()).toBe(1);
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(service.logs()).toContain('stopping took too long');
    socket.destroy();
  }, 30_000);

  test('twice ends the process at once', async () => {
    const service = await startTestService({ env: { ...env, BODY_TIMEOUT_SECS: '60' } });
    const socket = connect(service.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `POST /api/v1/ves/events/ingest HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: ApiKey ${service.adminKey}\r\ncontent-length: 100\r\n\r\n{`,
    );
    await pause(200);
    service.signal('SIGTERM');
    await pause(300);
    // Whoever is connected already is told that the service stops.
    const begun = performance.now();
    service.signal('SIGTERM');
    expect(await service.exited).not.toBeNull();
    expect(performance.now() - begun).toBeLessThan(1000);
    socket.destroy();
  }, 30_000);
});

test('SIGHUP does not end the service', async () => {
  const service = await startTestService({ env });
  service.signal('SIGHUP');
  await pause(200);
  expect((await call(service, 'GET', '/health')).status).toBe(200);
  expect(await service.stop()).toBe(0);
});
