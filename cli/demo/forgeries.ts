/** Events that must not get in: each takes a good one and breaks one thing. */
import { randomBytes } from 'node:crypto';
import { type EventDraft, signEvent } from '../../agent/sign-event.js';
import { encodeHex, type Sha256, type VesEnvelopeJson } from '../../engine/protocol/index.js';
import { type AgentKey, createAgentKey } from './agent-key.js';

export interface Forgery {
  readonly kind: string;
  readonly envelope: VesEnvelopeJson;
  /** How the rejection's reason must begin. */
  readonly refusedAs: string;
}

type Forge = (draft: EventDraft, key: AgentKey, sha256: Sha256) => Forgery;

const FORGERIES: readonly Forge[] = [
  (draft, key, sha256) => ({
    kind: 'a signature of random bytes',
    envelope: {
      ...signEvent(draft, key.sign, sha256).envelope,
      agent_signature: `0x${encodeHex(randomBytes(64))}`,
    },
    refusedAs: 'invalid_signature',
  }),
  (draft, _key, sha256) => ({
    kind: 'signed with a key nobody registered',
    envelope: signEvent(draft, createAgentKey().sign, sha256).envelope,
    refusedAs: 'invalid_signature',
  }),
  (draft, key, sha256) => ({
    kind: 'payload changed after signing',
    envelope: {
      ...signEvent(draft, key.sign, sha256).envelope,
      payload: { ...(draft.payload as object), amount: '1000000.00' },
    },
    refusedAs: 'invalid_payload_hash',
  }),
  (draft, key, sha256) => ({
    kind: 'entity changed after signing',
    envelope: { ...signEvent(draft, key.sign, sha256).envelope, entity_id: 'ord-of-somebody-else' },
    refusedAs: 'invalid_signature',
  }),
  (draft, key, sha256) => ({
    kind: 'under a key id the agent does not have',
    envelope: signEvent({ ...draft, keyId: draft.keyId + 1 }, key.sign, sha256).envelope,
    refusedAs: 'agent_key_invalid',
  }),
];

/** The `n`-th kind of forgery of `draft`. */
export function forge(n: number, draft: EventDraft, key: AgentKey, sha256: Sha256): Forgery {
  return FORGERIES[n % FORGERIES.length]!(draft, key, sha256);
}
