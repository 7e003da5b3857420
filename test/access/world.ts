/** The service with something in it of everything that commands are about: an event, its commitment, a group, keys. */
import { createServer } from 'node:net';
import type { SignedEvent } from '../../agent/sign-event.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { AGENT, STORE, TENANT } from '../gateway/support.js';
import { call, createAgent, push, registerKey, type TestAgent } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';
import { startTestService, type TestService } from '../support/service.js';
import { TOKEN_SECRET } from './credentials.js';

export const stream = { tenantId: TENANT, storeId: STORE };
export const LEGACY_EVENT = 'eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee';
/** A key of the agent that may be revoked, and one that may be registered. */
export const SPARE_KEY = 2;
export const NEW_KEY = 3;

export interface World {
  readonly service: TestService;
  readonly sql: Sql;
  readonly grpcPort: number;
  readonly agent: TestAgent;
  /** Number 1 of the stream. */
  readonly event: SignedEvent;
  /** Commitments that hold the first event of either stream. */
  readonly batches: { readonly ves: string; readonly legacy: string };
  close(): Promise<void>;
}

/** The only event of the older stream. */
export const legacyEvent = {
  event_id: LEGACY_EVENT,
  tenant_id: TENANT,
  store_id: STORE,
  entity_type: 'order',
  entity_id: '1',
  event_type: 'order.created',
  payload: {},
  payload_hash: '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  created_at: '2026-01-31T12:00:00Z',
  source_agent: AGENT,
};

export async function startWorld(): Promise<World> {
  const database = await createTestDatabase();
  const grpcPort = await freePort();
  const service = await startTestService({
    database: database.target,
    env: { JWT_SECRET: TOKEN_SECRET, GRPC_ENABLED: 'true', GRPC_PORT: String(grpcPort) },
  });
  const sql = connectDatabase(database.target, { max: 2, applicationName: 'access-test' });
  const post = async (path: string, body: object) => {
    const answer = await call(service, 'POST', path, { body });
    if (answer.status >= 300) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
    return answer.body;
  };

  const agent = createAgent({ ...stream, agentId: AGENT });
  await registerKey(service, agent);
  await registerKey(service, createAgent({ ...stream, agentId: AGENT, keyId: SPARE_KEY }));
  const event = agent.event({ entityType: 'order', entityId: '1' });
  const { body } = await push(service, agent, [event]);
  if (body.headSequence !== 1) throw new Error(JSON.stringify(body));
  await post('/api/v1/events/ingest', { agent_id: AGENT, events: [legacyEvent] });
  const range = { ...stream, sequenceStart: 1, sequenceEnd: 1 };
  const batches = {
    ves: (await post('/api/v1/ves/commitments', range)).batch_id,
    legacy: (await post('/api/v1/commitments', range)).batch_id,
  };
  await post('/api/v1/ves/consumer-groups', { ...stream, name: 'group' });
  return {
    service,
    sql,
    grpcPort,
    agent,
    event,
    batches,
    async close() {
      await service.stop();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
