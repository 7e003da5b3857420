/**
 * Who may do what, over every protocol, in one table. Permissions are those that the servers enforce: HTTP's come from the routes
 * themselves, gRPC's and WebSocket's from the tables that these servers read. What else a command compares is written here, and
 * `test/access` holds routes, methods and frames against the running service, for every kind of credential.
 */
import {
  type Access,
  HEALTH_ACCESS,
  KEY_ACCESS,
  REFLECTION_ACCESS,
  SYNC_ACCESS,
  V1_ACCESS,
  V2_ACCESS,
} from '../grpc/access.js';
import type { Route, RouteScope } from '../http/router.js';
import { WS_ACCESS } from '../ws/access.js';

/** What of a request must be the credential's own. `agent`: its own agent, unless it administers. */
export type Subject = 'tenant' | 'store' | 'agent';

/** What is checked beyond permission and subjects. */
export type FurtherCheck =
  /** Only the operator, who belongs to no tenant. */
  | 'bootstrap'
  /** Permission to read, unless the operator published the log. */
  | 'read-unless-public'
  /** Either permission will do. */
  | 'read-or-admin'
  /** Others' things are answered like things that do not exist (L10). */
  | 'hidden'
  /** The same of stores; a tenant that is named and not the credential's own is refused. */
  | 'hidden-store'
  /** Compared by the ingest pipeline, with what is in the events. */
  | 'pipeline';

export interface AccessRow {
  readonly surface: 'http' | 'grpc' | 'ws';
  /** `GET /path`, `/package.Service/Method`, the same with `#message` for messages of a stream, or the name of a frame. */
  readonly name: string;
  readonly permission: RouteScope | Access | (typeof WS_ACCESS)[keyof typeof WS_ACCESS];
  readonly compares: readonly Subject[];
  readonly check: FurtherCheck | undefined;
}

type Rule = { readonly compares: readonly Subject[]; readonly check?: FurtherCheck };

const NOTHING: Rule = { compares: [] };
const TENANT: Rule = { compares: ['tenant'] };
const STREAM: Rule = { compares: ['tenant', 'store'] };
const STREAM_AND_AGENT: Rule = { compares: ['tenant', 'store', 'agent'] };
const CURSOR: Rule = { compares: ['tenant', 'store', 'agent'], check: 'read-or-admin' };
const AGENT: Rule = { compares: ['tenant', 'agent'] };
const INGEST: Rule = { compares: ['tenant', 'store', 'agent'], check: 'pipeline' };
const HIDDEN: Rule = { compares: ['tenant', 'store'], check: 'hidden' };
const HIDDEN_STORE: Rule = { compares: ['tenant', 'store'], check: 'hidden-store' };
const BOOTSTRAP: Rule = { compares: [], check: 'bootstrap' };
const PUBLISHED: Rule = { compares: ['tenant', 'store'], check: 'read-unless-public' };
const READER: Rule = { compares: [], check: 'read-or-admin' };

/** By method and path of the route table. */
const HTTP_RULES: Readonly<Record<string, Rule>> = {
  'POST /api/v1/ves/events/ingest': INGEST,
  'POST /api/v1/events/ingest': INGEST,
  'GET /api/v1/ves/events/stream': STREAM,
  'GET /api/v1/ves/events': STREAM,
  'GET /api/v1/ves/events/:event_id': HIDDEN_STORE,
  'GET /api/v1/ves/head': STREAM,
  'GET /api/v1/ves/entities/:entity_type/:entity_id': STREAM,
  'GET /api/v1/ves/cursors/:agent_id': CURSOR,
  'PUT /api/v1/ves/cursors/:agent_id': CURSOR,
  'GET /api/v1/ves/consumer-groups': STREAM,
  'GET /api/v1/ves/consumer-groups/:name': STREAM,
  'GET /api/v1/ves/consumer-groups/:name/parked': STREAM,
  'POST /api/v1/ves/consumer-groups': STREAM,
  'PUT /api/v1/ves/consumer-groups/:name': STREAM,
  'DELETE /api/v1/ves/consumer-groups/:name': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/pull': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/ack': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/nack': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/leave': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/seek': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/parked/replay': STREAM,
  'POST /api/v1/ves/consumer-groups/:name/parked/discard': STREAM,
  'GET /api/v1/events': STREAM,
  'GET /api/v1/head': STREAM,
  'GET /api/v1/entities/:entity_type/:entity_id': STREAM,
  'GET /api/v1/ves/commitments': STREAM,
  'POST /api/v1/ves/commitments': STREAM,
  'GET /api/v1/ves/commitments/:batch_id': HIDDEN,
  'GET /api/v1/ves/proofs/:sequence_number': STREAM,
  'POST /api/v1/ves/proofs/verify': READER,
  'GET /api/v1/commitments': STREAM,
  'POST /api/v1/commitments': STREAM,
  'GET /api/v1/commitments/:batch_id': HIDDEN,
  'GET /api/v1/proofs/:sequence_number': STREAM,
  'POST /api/v1/proofs/verify': READER,
  'GET /v1/commitments/pending': BOOTSTRAP,
  'POST /v1/commitments/:batch_id/anchored': BOOTSTRAP,
  'GET /api/v1/log/inclusion': STREAM,
  'GET /api/v1/log/consistency': STREAM,
  'GET /api/v1/log/checkpoint': STREAM,
  'GET /api/v1/log/proof/:event_id': HIDDEN_STORE,
  'GET /api/v1/log/notary/proof': STREAM,
  'GET /api/v1/log/notary/witnesses': NOTHING,
  'GET /log/notary/*': NOTHING,
  'GET /log/:tenant_id/:store_id/*': PUBLISHED,
  'POST /api/v1/agents/keys': TENANT,
  'GET /api/v1/agents/keys': TENANT,
  'DELETE /api/v1/agents/keys/:key_id': TENANT,
  'GET /api/v1/agents/:agent_id/signing-keys': TENANT,
  'POST /api/v1/agents/:agent_id/api-keys': STREAM_AND_AGENT,
  'GET /api/v1/agents/:agent_id/api-keys': AGENT,
  'DELETE /api/v1/agents/:agent_id/api-keys/:key_prefix': AGENT,
  'POST /api/v1/agents/register': NOTHING,
  'GET /api/v1/agents/:agent_id': AGENT,
  'GET /api/v1/agents/:agent_id/policy': TENANT,
  'PUT /api/v1/agents/:agent_id/policy': TENANT,
  'GET /api/v1/admin/audit': TENANT,
  'GET /api/v1/admin/overview': NOTHING,
  'GET /api/v1/admin/tenants': NOTHING,
  'GET /api/v1/admin/stores': NOTHING,
  'GET /api/v1/admin/agents': NOTHING,
  'GET /api/v1/limits': NOTHING,
  'GET /health': NOTHING,
  'GET /ready': NOTHING,
  'GET /health/detailed': NOTHING,
  'GET /metrics': NOTHING,
  'GET /.well-known/ves-sequencer': NOTHING,
  'GET /docs/errors': NOTHING,
  'GET /docs': NOTHING,
  'GET /openapi.json': NOTHING,
};

const V1_RULES: Record<keyof typeof V1_ACCESS, Rule> = {
  push: INGEST,
  pull: STREAM,
  getHead: STREAM,
  getInclusionProof: HIDDEN,
  getCommitment: HIDDEN,
  getEntityHistory: STREAM,
};

const V2_RULES: Record<keyof typeof V2_ACCESS, Rule> = {
  push: INGEST,
  pullEvents: STREAM,
  getSyncState: STREAM,
  getInclusionProof: STREAM,
  getCommitment: HIDDEN,
  getEntityHistory: STREAM,
  getHealth: NOTHING,
  streamEvents: STREAM,
  syncStream: NOTHING,
  subscribeEntity: STREAM,
};

const KEY_RULES: Record<keyof typeof KEY_ACCESS, Rule> = {
  registerAgentKey: TENANT,
  getAgentKeys: TENANT,
  revokeAgentKey: TENANT,
};

const HEALTH_RULES: Record<keyof typeof HEALTH_ACCESS, Rule> = { check: NOTHING, watch: NOTHING };
const REFLECTION_RULES: Record<keyof typeof REFLECTION_ACCESS, Rule> = { serverReflectionInfo: NOTHING };

/** Acknowledgements move the cursor of the credential's own agent, whichever that is. */
const SYNC_RULES: Record<keyof typeof SYNC_ACCESS, Rule> = {
  push: INGEST,
  pull: STREAM,
  ack: STREAM,
};

const WS_RULES: Record<keyof typeof WS_ACCESS, Rule> = {
  hello: NOTHING,
  push: INGEST,
  subscribe: STREAM_AND_AGENT,
  subscribeTenant: STREAM,
  ack: STREAM_AND_AGENT,
  unsubscribe: STREAM_AND_AGENT,
  ping: NOTHING,
};

/**
 * The whole table.
 *
 * @throws Error for a route without a row, and for a row without a route
 */
export function accessTable(routes: readonly Pick<Route, 'method' | 'path' | 'scope'>[]): AccessRow[] {
  const left = new Set(Object.keys(HTTP_RULES));
  const http = routes.map(({ method, path, scope }) => {
    const name = `${method} ${path}`;
    const rule = HTTP_RULES[name];
    if (rule === undefined) throw new Error(`${name} is missing in the table of access`);
    left.delete(name);
    return toRow('http', name, scope, rule);
  });
  if (left.size > 0)
    throw new Error(`the table of access knows routes that do not exist: ${[...left].join(', ')}`);
  return [
    ...http,
    ...methodRows('stateset.sequencer.v1.Sequencer', V1_ACCESS, V1_RULES),
    ...methodRows('stateset.sequencer.v2.Sequencer', V2_ACCESS, V2_RULES),
    ...Object.entries(SYNC_ACCESS).map(([message, permission]) =>
      toRow(
        'grpc',
        `/stateset.sequencer.v2.Sequencer/SyncStream#${message}`,
        permission,
        SYNC_RULES[message as keyof typeof SYNC_ACCESS],
      ),
    ),
    ...methodRows('stateset.sequencer.v2.KeyManagement', KEY_ACCESS, KEY_RULES),
    ...methodRows('grpc.health.v1.Health', HEALTH_ACCESS, HEALTH_RULES),
    ...methodRows('grpc.reflection.v1.ServerReflection', REFLECTION_ACCESS, REFLECTION_RULES),
    ...methodRows('grpc.reflection.v1alpha.ServerReflection', REFLECTION_ACCESS, REFLECTION_RULES),
    ...Object.entries(WS_ACCESS).map(([frame, permission]) =>
      toRow('ws', frame, permission, WS_RULES[frame as keyof typeof WS_ACCESS]),
    ),
  ];
}

const toRow = (
  surface: AccessRow['surface'],
  name: string,
  permission: AccessRow['permission'],
  rule: Rule,
): AccessRow => ({
  surface,
  name,
  permission,
  compares: rule.compares,
  check: rule.check,
});

const methodRows = <Method extends string>(
  service: string,
  access: Record<Method, Access>,
  rules: Record<Method, Rule>,
): AccessRow[] =>
  (Object.keys(access) as Method[]).map((method) =>
    toRow('grpc', `/${service}/${method[0]!.toUpperCase()}${method.slice(1)}`, access[method], rules[method]),
  );
