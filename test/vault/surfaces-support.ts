/** A service that encrypts, with clients of all its interfaces, and live readers that stay connected. */
import { createHash, randomUUID } from 'node:crypto';
import { Client, credentials } from '@grpc/grpc-js';
import { createStreamClient, type StreamClient } from '../../agent/stream-client.js';
import { canonicalLegacyJson } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { envelopeOf } from '../../engine/wire/index.js';
import { v2 } from '../../engine/wire-proto/index.js';
import { createTestClient, type TestClient } from '../grpc/support.js';
import { type Json, streamQuery, type TestAgent } from '../support/agents.js';
import type { TestService } from '../support/service.js';
import { ENTITY, type Place, type Shown, shownJson, shownLines, shownProto } from './readers.js';

/** A gRPC client of a running service. */
export function grpcOf(service: TestService): TestClient {
  const ready = service
    .logs()
    .split('\n')
    .find((line) => line.includes('"msg":"ready"'))!;
  const client = new Client(`127.0.0.1:${JSON.parse(ready).grpc_port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  return createTestClient(client, service.adminKey);
}

/** A legacy event of the tests' entity. */
export const legacyEvent = (agent: TestAgent, payload: unknown) => ({
  event_id: randomUUID(),
  tenant_id: agent.tenantId,
  store_id: agent.storeId,
  source_agent: agent.agentId,
  entity_type: ENTITY.type,
  entity_id: ENTITY.id,
  event_type: 'order.created',
  payload,
  payload_hash: createHash('sha256')
    .update(canonicalLegacyJson(JSON.stringify(payload)))
    .digest('hex'),
  created_at: new Date().toISOString(),
});

export interface LiveReader {
  readonly name: string;
  shown(): Shown;
}

/** Readers that follow a stream from its beginning over every interface. */
export function followAll(service: TestService, grpc: TestClient, place: Place) {
  const controller = new AbortController();
  const line = (accept: string): LiveReader => {
    let text = '';
    void (async () => {
      const response = await fetch(`${service.url}/api/v1/ves/events/stream?${streamQuery(place)}`, {
        headers: { authorization: `ApiKey ${service.adminKey}`, accept },
        signal: controller.signal,
      });
      const decoder = new TextDecoder();
      for await (const piece of response.body!) text += decoder.decode(piece, { stream: true });
      text += '\nended';
    })().catch(() => {});
    return { name: accept, shown: () => shownLines(text.slice(0, text.lastIndexOf('\n') + 1)) };
  };
  const socket: StreamClient = createStreamClient({ url: service.url, apiKey: service.adminKey });
  const records: (readonly [number, unknown])[] = [];
  void (async () => {
    for await (const record of socket.subscribe({ ...place, after: 0 }))
      records.push(shownJson(envelopeOf(record, place.tenantId)));
  })().catch(() => {});
  const stream = grpc.stream(v2.Sequencer.method.streamEvents, { ...place, includeHistory: true });
  const readers: LiveReader[] = [
    line('application/x-ndjson'),
    line('text/event-stream'),
    { name: 'WebSocket', shown: () => records },
    { name: 'gRPC', shown: () => stream.messages.map(shownProto) },
  ];
  return {
    readers,
    close() {
      controller.abort();
      socket.close();
      stream.cancel();
    },
  };
}

/** All that the database stores about payloads: every text and byte string of every table, searched for a marker. */
export async function findClearText(sql: Sql, marker: string): Promise<string[]> {
  const columns = await sql<{ table: string; column: string; type: string }[]>`
    select c.table_name as "table", c.column_name as "column", c.data_type as type
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where table_schema = 'public' and t.table_type = 'BASE TABLE'
      and c.data_type in ('text', 'bytea', 'jsonb', 'json', 'character varying')`;
  const found: string[] = [];
  for (const { table, column, type } of columns as Json[]) {
    const text = type === 'bytea' ? `encode("${column}", 'escape')` : `"${column}"::text`;
    const [row] = await sql.unsafe(
      `select count(*)::int as hits from "${table}" where strpos(${text}, $1) > 0`,
      [marker],
    );
    if (row!.hits > 0) found.push(`${table}.${column}`);
  }
  return found;
}
