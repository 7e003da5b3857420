/** Credentials of answers that go on: whoever may not read any more does not go on reading. */
import { SignJWT } from 'jose';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { createSigner } from '../access/signer.js';
import { call, type Json, push, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

const SECRET = 'a-secret-that-only-this-test-knows-0123456789';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ env: { STREAM_HEARTBEAT_SECS: '1', JWT_SECRET: SECRET } });
});

const open = new Set<AbortController>();
afterEach(() => {
  for (const controller of open) controller.abort();
  open.clear();
});

const pathOf = ({ tenantId, storeId }: TestAgent): string =>
  `/api/v1/ves/events/stream?tenant_id=${tenantId}&store_id=${storeId}`;

/** Follows a stream; answers its lines, and when it has ended. */
async function follow(agent: TestAgent, headers: Record<string, string>) {
  const controller = new AbortController();
  open.add(controller);
  const response = await fetch(service.url + pathOf(agent), { headers, signal: controller.signal });
  expect(response.status).toBe(200);
  const lines: Json[] = [];
  const read = async () => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      const parts = (rest + decoder.decode(piece, { stream: true })).split('\n');
      rest = parts.pop()!;
      for (const part of parts) if (part !== '') lines.push(JSON.parse(part));
    }
  };
  return { lines, ended: read().catch(() => {}) };
}

async function apiKey({ tenantId, agentId }: TestAgent) {
  const path = `/api/v1/agents/${agentId}/api-keys`;
  const { body } = await call(service, 'POST', path, { body: { tenantId } });
  return {
    key: body.apiKey as string,
    revoke: () => call(service, 'DELETE', `${path}/${body.keyHashPrefix}?tenant_id=${tenantId}`),
  };
}

const signed = (signer: ReturnType<typeof createSigner>, agent: TestAgent) =>
  signer.headersOf({ method: 'GET', path: pathOf(agent), host: new URL(service.url).host });

test('a stream ends with its place when its API key is revoked; others go on', async () => {
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event(), agent.event()]);
  const [going, kept] = [await apiKey(agent), await apiKey(agent)];
  const gone = await follow(agent, { 'x-api-key': going.key });
  const stays = await follow(agent, { 'x-api-key': kept.key });
  await expect.poll(() => gone.lines.length).toBeGreaterThanOrEqual(3);
  await going.revoke();
  await gone.ended;
  expect(gone.lines.at(-1)).toMatchObject({ error: { code: 'INVALID_API_KEY' }, cursor: 2 });
  await push(service, agent, [agent.event()]);
  await expect.poll(() => stays.lines.filter((line) => line.envelope).length).toBe(3);
  expect(gone.lines.filter((line) => line.envelope)).toHaveLength(2);
}, 30_000);

test('a stream ends when its token does', async () => {
  const agent = await registerAgent(service);
  const now = Math.floor(Date.now() / 1000);
  const token = await new SignJWT({ perms: 'read' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('stateset-sequencer')
    .setAudience('stateset-api')
    .setSubject(agent.tenantId)
    .setJti(agent.agentId)
    .setIssuedAt(now - 120)
    .setNotBefore(now - 120)
    .setExpirationTime(now - 57) // of the leeway of a minute, three seconds are left
    .sign(new TextEncoder().encode(SECRET));
  const follower = await follow(agent, { authorization: `Bearer ${token}` });
  await follower.ended;
  expect(follower.lines.at(-1)).toMatchObject({ error: { code: 'TOKEN_EXPIRED' }, cursor: 0 });
}, 30_000);

test('a signed request’s stream goes on as long as the key that signed it', async () => {
  const agent = await registerAgent(service);
  const signer = createSigner({ tenantId: agent.tenantId, agentId: agent.agentId, keyId: 7 });
  const { status } = await call(service, 'POST', '/api/v1/agents/keys', {
    body: {
      tenantId: agent.tenantId,
      agentId: agent.agentId,
      keyId: 7,
      publicKey: `0x${signer.publicKey.toString('hex')}`,
    },
  });
  expect(status).toBe(200);
  const follower = await follow(agent, signed(signer, agent));
  // Beyond the first look at the credentials: the signature itself would not be accepted a second time.
  await new Promise((resolve) => setTimeout(resolve, 6500));
  await push(service, agent, [agent.event()]);
  await expect.poll(() => follower.lines.filter((line) => line.envelope).length).toBe(1);
  const path = `/api/v1/agents/keys/7?agent_id=${agent.agentId}&tenant_id=${agent.tenantId}`;
  expect((await call(service, 'DELETE', path)).status).toBe(200);
  await follower.ended;
  expect(follower.lines.at(-1)).toMatchObject({ error: { code: 'INVALID_REQUEST_SIGNATURE' }, cursor: 1 });
}, 40_000);
