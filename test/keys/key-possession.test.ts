/** REQUIRE_KEY_POP: nobody registers a key without proof that the agent holds it. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, createAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ env: { REQUIRE_KEY_POP: 'true' } });
});
afterAll(() => service.stop());

test('a key without proof is refused, one with a proof is taken, one with a wrong proof is not', async () => {
  const agent = createAgent();
  const body = {
    tenantId: agent.tenantId,
    agentId: agent.agentId,
    keyId: agent.keyId,
    publicKey: `0x${Buffer.from(agent.publicKey).toString('hex')}`,
  };
  const register = (more: object) =>
    call(service, 'POST', '/api/v1/agents/keys', { body: { ...body, ...more } });
  const challenge = createHash('sha256').update('VES_POP_V1').update(agent.publicKey).digest();
  const proof = Buffer.from(agent.sign(challenge));

  const without = await register({});
  expect([without.status, without.body.code]).toEqual([400, 'MISSING_REQUIRED_FIELD']);
  const wrong = await register({ proofOfPossession: `0x${'00'.repeat(64)}` });
  expect(wrong.body.code).toBe('SIGNATURE_VERIFICATION_FAILED');
  expect((await register({ proofOfPossession: `0x${proof.toString('hex')}` })).status).toBe(200);
});
