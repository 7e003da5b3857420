/** What an agent may write, set by an administrator of its tenant. An agent without a policy, or with one that is off, may write anything. */
export interface AgentPolicy {
  /** Rules; an event whose type fits none is refused. */
  readonly allowedEventTypes: readonly string[];
  readonly allowedEntityTypes: readonly string[];
  /** Whether every event must name the version that it builds on. */
  readonly requireBaseVersion: boolean;
  /** Most bytes of a payload in its canonical form; `null`: only the service's limit. */
  readonly maxPayloadBytes: number | null;
  /** Off: the policy is kept and does not count. */
  readonly enabled: boolean;
}

/** What a policy looks at. */
export interface PolicedEvent {
  readonly eventType: string;
  readonly entityType: string;
  readonly hasBaseVersion: boolean;
  /** Bytes of the canonical payload, or of the encrypted one. */
  readonly payloadBytes: number;
}

/** Most rules of each kind. */
export const POLICY_RULES_MAX = 128;

/** Whether a text can be a rule: a name, or the beginning of names with one `*` behind it; `*` alone fits everything. */
export const isPolicyRule = (text: string): boolean =>
  text !== '' && !text.includes('\0') && !text.slice(0, -1).includes('*');

/** Why the policy does not let an event pass; `undefined` if it does. */
export function policyViolation(policy: AgentPolicy, event: PolicedEvent): string | undefined {
  if (!policy.enabled) return undefined;
  const { eventType, entityType } = event;
  if (!fits(policy.allowedEventTypes, eventType)) return `event type ${eventType} is not allowed`;
  if (!fits(policy.allowedEntityTypes, entityType)) return `entity type ${entityType} is not allowed`;
  if (policy.requireBaseVersion && !event.hasBaseVersion) return 'base_version is required';
  const { maxPayloadBytes } = policy;
  if (maxPayloadBytes !== null && event.payloadBytes > maxPayloadBytes)
    return `payload of ${event.payloadBytes} bytes is larger than ${maxPayloadBytes}`;
  return undefined;
}

function fits(rules: readonly string[], name: string): boolean {
  for (const rule of rules)
    if (rule.endsWith('*') ? name.startsWith(rule.slice(0, -1)) : rule === name) return true;
  return false;
}
