import { expect, test } from 'vitest';
import { call, push, registerAgent } from '../support/agents.js';
import { startTestService } from '../support/service.js';
import { startWitness } from '../transparency/witness-server.js';

test('a witness that fails is asked through a circuit breaker, which operators see', async () => {
  const witness = await startWitness('witness.example/w', []);
  witness.lie = () => ({ status: 500, text: 'out of order' });
  const service = await startTestService({
    env: {
      GRPC_ENABLED: 'false',
      NOTARY_INTERVAL_SECS: '1',
      LOG_WITNESSES: `${witness.vkey} ${witness.url}`,
      LOG_WITNESS_QUORUM: '0',
    },
  });
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event()]); // the notary has something to say
  const breakers = async () => {
    const { body } = await call(service, 'GET', '/health/detailed');
    return body.components.circuit_breakers ?? [];
  };
  for (let i = 0; i < 100 && (await breakers())[0]?.failures === undefined; i++)
    await new Promise((resolve) => setTimeout(resolve, 200));
  for (let i = 0; i < 100 && (await breakers())[0]?.failures === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await breakers()).toEqual([
    {
      name: 'witness witness.example/w',
      state: 'closed',
      successes: 0,
      failures: expect.any(Number),
      rejected: 0,
    },
  ]);
  expect((await breakers())[0].failures).toBeGreaterThan(0);
  const { text } = await call(service, 'GET', '/metrics');
  expect(text).toContain('sequencer_circuit_breaker_state{circuit="witness witness.example/w"} 0');
  expect(await service.stop()).toBe(0);
  await witness.close();
}, 60_000);
