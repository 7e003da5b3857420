import type { Config } from '../../engine/config/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
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
    limits: {
      max_body_bytes: limits.bodyBytesMax,
      max_events_per_batch: limits.batchEventsMax,
      max_event_payload_bytes: limits.payloadBytesMax,
    },
    endpoints: {
      ingest: '/api/v1/ves/events/ingest',
      events: '/api/v1/ves/events',
      event: '/api/v1/ves/events/:event_id',
      head: '/api/v1/ves/head',
      entity: '/api/v1/ves/entities/:entity_type/:entity_id',
      agent_keys: '/api/v1/agents/keys',
      signing_keys: '/api/v1/agents/:agent_id/signing-keys',
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
