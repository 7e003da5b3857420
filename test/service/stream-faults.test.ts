/** A hundred subscribers while the service is killed and comes back, and while another process writes: each one's log is the database's. */
import { afterEach, expect, test } from 'vitest';
import { createStreamClient, type StreamClient } from '../../agent/stream-client.js';
import { findFreePort } from '../../loadtest/service-process.js';
import { push, readStream, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

const SUBSCRIBERS = 100;
const CLIENTS = 10;

const clients: StreamClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** Follows a stream as `count` subscribers on a few connections; answers what each of them hears. */
function followAll(service: TestService, agent: TestAgent, count: number): string[][] {
  const { tenantId, storeId } = agent;
  const own = Array.from({ length: CLIENTS }, () =>
    createStreamClient({
      url: service.url,
      apiKey: service.adminKey,
      backoff: { firstMs: 50, maxMs: 500, random: Math.random },
    }),
  );
  clients.push(...own);
  return Array.from({ length: count }, (_, i) => {
    const heard: string[] = [];
    const subscription = own[i % CLIENTS]!.subscribe({ tenantId, storeId, after: 0 });
    void (async () => {
      for await (const { sequence, eventId } of subscription) heard.push(`${sequence} ${eventId}`);
    })().catch((error) => heard.push(String(error)));
    return heard;
  });
}

const events = (agent: TestAgent, count: number) => Array.from({ length: count }, () => agent.event({}));

async function logOf(service: TestService, agent: TestAgent): Promise<string[]> {
  const stored = await readStream(service, agent);
  return stored.map((each) => {
    const envelope =
      'envelope' in each ? (each.envelope as { sequence_number: number; event_id: string }) : each;
    return `${(envelope as { sequence_number: number }).sequence_number} ${envelope.event_id}`;
  });
}

/** Pushes until the service answers, with the same events. */
async function pushUntilTaken(at: () => TestService, agent: TestAgent, count: number): Promise<void> {
  const batch = events(agent, count);
  for (;;) {
    const answer = await push(at(), agent, batch).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('kill -9 under a hundred subscribers: after the restart each hears everything once, in order', async () => {
  let service = await startTestService({ env: { PORT: String(await findFreePort()) } });
  const agent = await registerAgent(service);
  const heard = followAll(service, agent, SUBSCRIBERS);
  let writing = true;
  const writer = (async () => {
    while (writing) await pushUntilTaken(() => service, agent, 7);
  })();
  for (let crash = 0; crash < 2; crash++) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await service.kill9();
    service = await service.restart();
  }
  await new Promise((resolve) => setTimeout(resolve, 1500));
  writing = false;
  await writer;
  const log = await logOf(service, agent);
  expect(log.length).toBeGreaterThan(50);
  for (const each of heard) {
    await expect.poll(() => each.length, { timeout: 20_000 }).toBe(log.length);
    expect(each).toEqual(log);
  }
}, 120_000);

test('while two processes write to one stream, the subscribers of both hear one order', async () => {
  const first = await startTestService();
  if (first.database === 'embedded') throw new Error('the services share a test database');
  const second = await startTestService({ database: first.database, dataDir: first.dataDir });
  const agent = await registerAgent(first);
  const heard = [...followAll(first, agent, 30), ...followAll(second, agent, 30)];
  await Promise.all(
    [first, second].map(async (service) => {
      for (let i = 0; i < 60; i++) await push(service, agent, events(agent, 1 + (i % 9)));
    }),
  );
  const log = await logOf(first, agent);
  for (const each of heard) {
    await expect.poll(() => each.length, { timeout: 20_000 }).toBe(log.length);
    expect(each).toEqual(log);
  }
}, 120_000);
