/**
 * Agents' policies in a verify worker. Changes arrive over the channel of the agents' keys, under names of their own. Most agents have no
 * policy, so its absence is remembered like a policy.
 */
import { LRUCache } from 'lru-cache';
import { findAgentPolicies } from '../engine/access/agent-policies.js';
import type { AgentPolicy } from '../engine/access/agent-policy.js';
import type { Sql } from '../engine/store/connection.js';
import type { KeyCacheLimits } from './agent-key-cache.js';
import type { KeyCacheMessage } from './messages.js';

/** How long an entry lives while notifications may be missed. */
const TTL_UNTRUSTED_MS = 1_000;
/** Agents asked for in one query. */
const LOAD_MAX = 1_000;

/** Ids are 32 lower-case hex digits. */
export interface PolicyAgent {
  readonly tenant: string;
  readonly agent: string;
}

export interface AgentPolicyCache {
  /** The policies of these agents by name; agents without one are missing from the answer, which is the caller's own. */
  find(agents: ReadonlyMap<string, PolicyAgent>): Promise<ReadonlyMap<string, AgentPolicy>>;
  /** Handles a broadcast. */
  receive(message: KeyCacheMessage): void;
}

/** The cache's name of an agent, as notifications write it. */
export const policyName = ({ tenant, agent }: PolicyAgent): string => `policy/${tenant}/${agent}`;

type Entry = { readonly policy: AgentPolicy | undefined };

export function createAgentPolicyCache(sql: Sql, limits: KeyCacheLimits): AgentPolicyCache {
  const cache = new LRUCache<string, Entry>({ max: limits.max, ttl: limits.ttlMs, ttlAutopurge: false });
  let ttl = limits.ttlMs;
  /** Counts forgettings: what was read before one must not be stored after it. */
  let forgotten = 0;

  async function load(
    agents: readonly (readonly [string, PolicyAgent])[],
    found: Map<string, AgentPolicy>,
  ): Promise<void> {
    const before = forgotten;
    const rows = await findAgentPolicies(
      sql,
      agents.map(([, agent]) => agent),
    );
    for (const row of rows) found.set(policyName(row), row);
    if (before !== forgotten) return;
    for (const [name] of agents) cache.set(name, { policy: found.get(name) }, { ttl });
  }

  return {
    async find(agents) {
      const found = new Map<string, AgentPolicy>();
      const missing: [string, PolicyAgent][] = [];
      for (const [name, agent] of agents) {
        const entry = cache.get(name);
        if (entry === undefined) missing.push([name, agent]);
        else if (entry.policy !== undefined) found.set(name, entry.policy);
      }
      for (let i = 0; i < missing.length; i += LOAD_MAX) await load(missing.slice(i, i + LOAD_MAX), found);
      return found;
    },
    receive(message) {
      if (message.type === 'forget') {
        if (!message.key.startsWith('policy/')) return;
        forgotten++;
        cache.delete(message.key);
        return;
      }
      if (message.type === 'trust')
        ttl = message.trusted ? limits.ttlMs : Math.min(limits.ttlMs, TTL_UNTRUSTED_MS);
      forgotten++;
      cache.clear();
    },
  };
}
