import { encodeHex, FIXED } from '../engine/protocol/index.js';
import { type AgentPolicyCache, type PolicyAgent, policyName } from './agent-policy-cache.js';
import type { RequestError } from './messages.js';
import type { PreparedRequest } from './request-context.js';

const UNAVAILABLE =
  'The agents’ policies cannot be read because the database is unavailable; nothing was stored';

/** Gives every request its agent's policy; where they cannot be read the requests fail: no policy is ever skipped for trouble. */
export async function findPolicies(
  policies: AgentPolicyCache,
  requests: (PreparedRequest | undefined)[],
  errors: RequestError[],
): Promise<void> {
  const agents = new Map<string, PolicyAgent>();
  const names = requests.map((request) => {
    const ids = request?.events[0]?.envelope;
    if (ids === undefined) return undefined;
    const hexAt = (offset: number) =>
      encodeHex(ids.fixed, ids.fixedOffset + offset, ids.fixedOffset + offset + 16);
    // All events of a request have the same tenant and agent; both layouts have them at the same places.
    const agent = { tenant: hexAt(FIXED.tenantId), agent: hexAt(FIXED.sourceAgentId) };
    const name = policyName(agent);
    agents.set(name, agent);
    return name;
  });
  const found = await policies.find(agents).catch(() => undefined);
  names.forEach((name, slot) => {
    if (name === undefined) return;
    if (found !== undefined) {
      requests[slot]!.policy = found.get(name);
      return;
    }
    requests[slot] = undefined;
    errors.push({ request: slot, code: 'SERVICE_UNAVAILABLE', message: UNAVAILABLE });
  });
}
