/** Agents' policies where they count: in the verify workers of a running service. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, createAgent, push, registerKey, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const setPolicy = (agent: TestAgent, policy: object) =>
  call(service, 'PUT', `/api/v1/agents/${agent.agentId}/policy`, {
    body: {
      tenantId: agent.tenantId,
      allowedEventTypes: ['*'],
      allowedEntityTypes: ['*'],
      requireBaseVersion: false,
      ...policy,
    },
  });

/** Reasons of one event's rejection; none: it was accepted. Waits for a changed policy to arrive. */
async function eventually(attempt: () => Promise<string[]>, wanted: string[]): Promise<void> {
  const deadline = Date.now() + 2000;
  let found = await attempt();
  while (JSON.stringify(found) !== JSON.stringify(wanted) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    found = await attempt();
  }
  expect(found).toEqual(wanted);
}

test('are enforced after the signature, within a second of being set, and lifted as fast', async () => {
  const agent = createAgent();
  await registerKey(service, agent);
  const reasons = async (event = agent.event()) => {
    const { body } = await push(service, agent, [event]);
    return (body.rejections ?? []).map((each) => each.reason);
  };
  const first = agent.event();
  expect(await reasons(first)).toEqual([]);

  const type = first.envelope.event_type;
  await setPolicy(agent, { allowedEventTypes: ['nothing.*'] });
  await eventually(() => reasons(), [`policy_violation: event type ${type} is not allowed`]);
  // What is stored already answers its first receipt: a policy does not reach back.
  expect(await reasons(first)).toEqual([]);
  const forged = agent.event();
  const bad = { ...forged, envelope: { ...forged.envelope, agent_signature: `0x${'00'.repeat(64)}` } };
  expect(await reasons(bad)).toEqual(['invalid_signature']);

  await setPolicy(agent, { maxPayloadBytes: 1 });
  await eventually(
    async () => (await reasons()).map((reason) => reason.replace(/\d+ bytes/, 'n bytes')),
    ['policy_violation: payload of n bytes is larger than 1'],
  );
  await setPolicy(agent, { allowedEventTypes: [`${type.slice(0, 3)}*`] });
  await eventually(() => reasons(), []);
  await setPolicy(agent, { allowedEntityTypes: [], enabled: false });
  await eventually(() => reasons(), []);
});

test('hold on the older stream as well', async () => {
  const agent = createAgent();
  await setPolicy(agent, { allowedEventTypes: ['order.*'] });
  const send = async () => {
    const { body } = await call(service, 'POST', '/api/v1/events/ingest', {
      body: {
        agent_id: agent.agentId,
        events: [
          {
            event_id: crypto.randomUUID(),
            tenant_id: agent.tenantId,
            store_id: agent.storeId,
            entity_type: 'order',
            entity_id: '1',
            event_type: 'payment.made',
            payload: {},
            payload_hash: '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
            created_at: '2026-01-31T12:00:00Z',
            source_agent: agent.agentId,
          },
        ],
      },
    });
    return body;
  };
  await eventually(
    async () => (await send()).rejections.map((each: { message: string }) => each.message),
    ['policy_violation: event type payment.made is not allowed'],
  );
});
