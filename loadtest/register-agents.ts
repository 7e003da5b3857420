import { createSequencerClient } from '../agent/client.js';
import { LOAD_KEY_ID, type Population, publicKeyOf } from './event-source.js';

/** Registers the agents' keys, which needs an administrator's API key. */
export async function registerAgents(
  { url, apiKey }: { url: string; apiKey: string },
  { tenantId, agents }: Population,
): Promise<void> {
  const client = createSequencerClient({ url, apiKey });
  for (const agent of agents)
    await client.registerKey({
      ...{ tenantId, agentId: agent.agentId, keyId: LOAD_KEY_ID },
      publicKey: publicKeyOf(agent),
    });
}
