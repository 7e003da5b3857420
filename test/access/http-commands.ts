/** Routes as commands: a whole request for each. */
import type { AccessRow } from '../../gateway/auth/access-table.js';
import { AGENT, STORE, TENANT } from '../gateway/support.js';
import { call } from '../support/agents.js';
import type { Headers, SignedPart } from './credentials.js';
import { LEGACY_EVENT, legacyEvent, SPARE_KEY, stream, type World } from './world.js';

const QUERY = `tenant_id=${TENANT}&store_id=${STORE}&agent_id=${AGENT}&sequence_number=1&live=false`;
const HASH = '00'.repeat(32);
const RANGE = { sequenceStart: 1, sequenceEnd: 1 };
/** Members that bodies of consumer groups have; those that do not need them ignore them. */
const GROUP = { consumer: 'one', deliveryIds: ['1.1'], start: 'head', sequenceNumbers: 'all' };

/** What the bodies of routes need beside tenant and store. */
const bodiesOf = ({ event, agent }: World): Readonly<Record<string, object>> => ({
  'POST /api/v1/ves/events/ingest': { agentId: AGENT, events: [event.envelope] },
  'POST /api/v1/events/ingest': { agent_id: AGENT, events: [legacyEvent] },
  'PUT /api/v1/ves/cursors/:agent_id': { sequenceNumber: 1 },
  'POST /api/v1/ves/commitments': RANGE,
  'POST /api/v1/commitments': RANGE,
  'POST /api/v1/ves/proofs/verify': { leafHash: HASH, merkleRoot: HASH, proofPath: [], leafIndex: 0 },
  'POST /api/v1/proofs/verify': { leafHash: HASH, eventsRoot: HASH, proofPath: [], leafIndex: 0 },
  'POST /v1/commitments/:batch_id/anchored': { chainTxHash: HASH, chainId: 1 },
  'POST /api/v1/agents/keys': {
    agentId: AGENT,
    keyId: 1,
    publicKey: `0x${Buffer.from(agent.publicKey).toString('hex')}`,
  },

  'POST /api/v1/agents/:agent_id/api-keys': { storeIds: [STORE] },
  'PUT /api/v1/agents/:agent_id/policy': {
    allowedEventTypes: ['*'],
    allowedEntityTypes: ['*'],
    requireBaseVersion: false,
  },
  'POST /api/v1/ves/consumer-groups': { name: 'group' },
});

/** What stands in a path, unless the route has it otherwise. */
const PARAMETERS: Readonly<Record<string, string>> = {
  tenant_id: TENANT,
  store_id: STORE,
  agent_id: AGENT,
  entity_type: 'order',
  entity_id: '1',
  sequence_number: '1',
  key_id: String(SPARE_KEY),
  key_prefix: '0'.repeat(16),
  name: 'group',
};

/** The request of a route. */
export function requestOf(row: AccessRow, world: World): SignedPart {
  const [method, template] = row.name.split(' ') as [string, string];
  const isVes = template.includes('/ves/') || template.includes('/log/');
  const parameters: Readonly<Record<string, string>> = {
    ...PARAMETERS,
    event_id: isVes ? world.event.envelope.event_id : LEGACY_EVENT,
    batch_id: isVes || template.startsWith('/v1/') ? world.batches.ves : world.batches.legacy,
  };
  const concrete = template
    .replace(/:([a-z_]+)/g, (_, name: string) => parameters[name]!)
    .replace('*', 'checkpoint');
  const more = template.endsWith('/consistency') ? '&from=0' : '';
  const path = row.compares.length === 0 ? concrete : `${concrete}?${QUERY}${more}`;
  if (method !== 'POST' && method !== 'PUT') return { method, path };
  const body = { ...stream, ...GROUP, ...bodiesOf(world)[row.name] };
  return {
    method,
    path,
    body: JSON.stringify(row.name === 'POST /api/v1/agents/register' ? { name: 'shop' } : body),
  };
}

/** What others' things are answered with. */
export const isHidden = (code: string | undefined): boolean =>
  code === 'BATCH_NOT_FOUND' || code === 'EVENT_NOT_FOUND';

/** What a request that was let in may meet all the same: what it is about is not there, or not any more. */
const SERVED = new Set(['REGISTRATION_DISABLED', 'RESOURCE_NOT_FOUND']);

export async function callHttp(world: World, request: SignedPart, headers: Headers): Promise<string> {
  const { method, path, body: sent } = request;
  const type = sent === undefined ? {} : { 'content-type': 'application/json' };
  const { status, body } = await call(world.service, method, path, {
    key: null,
    headers: { ...type, ...headers },
    ...(sent === undefined ? {} : { body: sent }),
  });
  const code: string | undefined = body?.code;
  if (status === 401) return `401 ${code}`;
  if (status === 403 && code === 'INSUFFICIENT_PERMISSIONS') return '403';
  if (status === 404 && isHidden(code)) return '404';
  if (status < 400 || SERVED.has(code!)) return 'in';
  return `${status} ${code}`;
}
