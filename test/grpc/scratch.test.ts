import { test } from 'vitest';
import { toBinary } from '@bufbuild/protobuf';
import { v2 } from '../../engine/wire-proto/index.js';
import { createAgent } from '../support/agents.js';
import { envelopeMessage, pushMessage } from './messages.js';
import { createVesProtoReader } from '../../workers/prepare-proto.js';
import { prepareVesJson } from '../../workers/prepare-json.js';
test('cost', () => {
  const agent = createAgent();
  const events = Array.from({ length: 100 }, () => agent.event({ payload: { orderId: 'o-123456', amount: 12.5, items: [{ sku: 'abc', n: 2 }, { sku: 'def', n: 3 }], note: 'hello there' } }));
  const body = Buffer.from(toBinary(v2.PushRequestSchema, pushMessage(agent, events.map((e) => envelopeMessage(e)))));
  const json = Buffer.from(JSON.stringify({ agentId: agent.agentId, events: events.map((e) => e.envelope) }));
  const limits = { batchEventsMax: 1000, payloadBytesMax: 1 << 20 };
  const scope = { tenant: null, stores: [], agent: null };
  const read = createVesProtoReader(limits);
  const arrival = { slot: 0, body, scope, deadlineMs: 0, receipts: 0, codec: 'proto' as const };
  const r = read(arrival);
  console.log(r.events.length, r.proto!.malformed);
  for (const [name, run] of [['proto', () => read(arrival)], ['json', () => prepareVesJson({ ...arrival, body: json, codec: 'json' }, limits, false)]] as const) {
    for (let i = 0; i < 300; i++) run();
    const t = process.cpuUsage(); 
    for (let i = 0; i < 1000; i++) run();
    const u = process.cpuUsage(t);
    console.log(name, (u.user + u.system) / 1000 / 100, 'us per event', body.length, json.length);
  }
});
