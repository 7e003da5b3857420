import type { Config } from '../../engine/config/index.js';
import { formatVerifierKey, NOTE_ED25519 } from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { originOf } from '../../engine/transparency/checkpoints.js';
import { answering } from '../http/exchange.js';
import { json } from '../http/reply.js';
import type { Route } from '../http/router.js';
import type { GatewayIdentity } from '../identity.js';

/** `/.well-known/ves-sequencer`: what a verifier and a client need to know of this server; public. */
export const wellKnownRoutes = (deps: {
  config: Config;
  identity: GatewayIdentity;
  version: string;
}): Route[] => {
  const { identity, version } = deps;
  const { limits } = deps.config;
  const { origin, publicLogs } = deps.config.transparency;
  const notaryOrigin = originOf(origin, { kind: 'notary' });
  const document = {
    sequencer_id: identity.id,
    version,
    public_keys: identity.keys.map((key) => ({
      key_version: key.keyVersion,
      algorithm: 'ed25519',
      public_key: encodeHex(key.publicKey),
      ...(key.validFrom === undefined ? {} : { valid_from: key.validFrom }),
      ...(key.validTo === undefined ? {} : { valid_to: key.validTo }),
    })),
    current_key_version: identity.keyVersion,
    ves_versions: [1, 2],
    log: {
      origin,
      notary_origin: notaryOrigin,
      public: publicLogs,
      verifier_keys: identity.keys.map((key) => formatVerifierKey(notaryOrigin, NOTE_ED25519, key.publicKey)),
    },
    limits: {
      max_body_bytes: limits.bodyBytesMax,
      max_events_per_batch: limits.batchEventsMax,
      max_event_payload_bytes: limits.payloadBytesMax,
    },
    endpoints: {
      ingest: '/api/v1/ves/events/ingest',
      events: '/api/v1/ves/events',
      stream: '/api/v1/ves/events/stream',
      event: '/api/v1/ves/events/:event_id',
      head: '/api/v1/ves/head',
      entity: '/api/v1/ves/entities/:entity_type/:entity_id',
      agent_keys: '/api/v1/agents/keys',
      signing_keys: '/api/v1/agents/:agent_id/signing-keys',
      commitments: '/api/v1/ves/commitments',
      commitment_proof: '/api/v1/ves/proofs/:sequence_number',
      log: '/log/:tenant_id/:store_id',
      notary_log: '/log/notary',
      log_inclusion: '/api/v1/log/inclusion',
      log_consistency: '/api/v1/log/consistency',
      log_checkpoint: '/api/v1/log/checkpoint',
      log_proof: '/api/v1/log/proof/:event_id',
      notary_proof: '/api/v1/log/notary/proof',
    },
  };
  return [
    {
      method: 'GET',
      path: '/.well-known/ves-sequencer',
      scope: 'public',
      handler: answering(() => json(document)),
    },
  ];
};
