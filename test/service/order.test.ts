/** The ingest pipeline with real threads and a real database: order of submission, one reply per request, limits. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../engine/config/index.js';
import { registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { publicKeyFromSeed } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import type { IngestReply, IngestRequest } from '../../workers/ingest-port.js';
import type { WorkerSetup } from '../../workers/messages.js';
import type { Pipeline, PipelineEvents } from '../../workers/pipeline.js';
import { createAgent, type TestAgent } from '../support/agents.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

type PipelineModule = { createPipeline(setup: WorkerSetup, events: PipelineEvents): Promise<Pipeline> };

let database: TestDatabase;
let sql: Sql;
let pipeline: Pipeline | undefined;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 2, applicationName: 'test' });
});
afterEach(async () => {
  await pipeline?.close();
  pipeline = undefined;
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** Threads run compiled code only, so the pipeline is the compiled one. */
async function startPipeline(env: Record<string, string>): Promise<Pipeline> {
  const url = new URL('../../dist/workers/pipeline.js', import.meta.url).href;
  const { createPipeline } = (await import(/* @vite-ignore */ url)) as PipelineModule;
  const seed = randomBytes(32);
  const publicKey = publicKeyFromSeed(seed);
  const identity = { id: randomUUID(), keyVersion: 0, seed, publicKey, retired: [] };
  const config = loadConfig({ DATA_DIR: '/nonexistent', ...env });
  pipeline = await createPipeline(
    { config, database: database.target, identity, instanceId: randomUUID() },
    {
      onStats: () => {},
      onLog: (_, message, details) => console.log(message, details),
      onFatal: (error) => {
        throw error;
      },
    },
  );
  return pipeline;
}

async function newAgent(): Promise<TestAgent> {
  const agent = createAgent();
  const { tenantId, agentId, keyId, publicKey } = agent;
  const rest = { validFrom: null, validTo: null, proofOfPossession: undefined };
  await registerAgentKey(sql, { tenantId, agentId, keyId, publicKey, ...rest });
  return agent;
}

const bodyOf = (agent: TestAgent, events: readonly { envelope: object }[]): Buffer =>
  Buffer.from(JSON.stringify({ agentId: agent.agentId, events: events.map(({ envelope }) => envelope) }));

type Submission = Partial<Omit<IngestRequest, 'reply'>> & { body: Uint8Array; lane: number };

/** Submits without waiting; `replies[i]` counts and keeps what came back for the i-th request. */
function submitAll(to: Pipeline, requests: readonly Submission[], from = 0, replies: IngestReply[][] = []) {
  requests.forEach((request, i) => {
    const mine: IngestReply[] = [];
    replies[from + i] = mine;
    const taken = to.submit({
      kind: 'ves',
      codec: 'json',
      scope: { tenant: null, stores: [], agent: null },
      deadlineMs: Date.now() + 20_000,
      receipts: 1,
      ...request,
      reply: (reply) => void mine.push(reply),
    });
    expect(taken).toBe('taken');
  });
  return replies;
}

const allAnswered = (replies: readonly IngestReply[][]) =>
  expect.poll(() => replies.filter((each) => each.length === 0).length, { timeout: 20_000 }).toBe(0);

const parsed = (reply: IngestReply | undefined) => {
  if (!reply?.ok) throw new Error(`not accepted: ${JSON.stringify(reply)}`);
  return JSON.parse(Buffer.from(reply.body).toString());
};

test.each([
  { VERIFY_THREADS: '1', PARTITIONS: '1' },
  { VERIFY_THREADS: '3', PARTITIONS: '2' },
  { VERIFY_THREADS: '2', PARTITIONS: '3', GROUP_MAX_EVENTS: '150' },
])('requests of one lane are sequenced in the order of submission: %o', async (env) => {
  const to = await startPipeline({ ...env, MAX_INFLIGHT_BYTES: '1GB' });
  const agent = await newAgent();
  const others = [await newAgent(), await newAgent(), await newAgent()];
  const requests: Submission[] = [];
  for (let i = 0; i < 150; i++) {
    // Costly requests before cheap ones: whoever does not keep order lets the cheap ones overtake.
    const count = i % 10 === 0 ? 30 : 1 + (i % 3);
    const payload = { i, text: 'x'.repeat(i % 10 === 0 ? 5000 : 10) };
    requests.push({
      lane: 1,
      body: bodyOf(
        agent,
        Array.from({ length: count }, () => agent.event({ payload })),
      ),
    });
    const other = others[i % 3]!;
    requests.push({ lane: 2 + (i % 3), body: bodyOf(other, [other.event({ payload })]) });
    if (i % 7 === 0) requests.push({ lane: 1, body: Buffer.from('{"broken') });
  }
  const replies: IngestReply[][] = [];
  for (let at = 0; at < requests.length; at += 40) {
    submitAll(to, requests.slice(at, at + 40), at, replies);
    if (at % 80 === 0) await new Promise((resolve) => setTimeout(resolve, at % 3));
  }
  await allAnswered(replies);

  const next = new Map<number, number>();
  for (const [i, { lane, body }] of requests.entries()) {
    expect(replies[i]!.length).toBe(1);
    if (body.length < 20) {
      expect(replies[i]![0]).toMatchObject({ ok: false, error: { code: 'INVALID_REQUEST_BODY' } });
      continue;
    }
    const { sequenceStart, sequenceEnd, eventsAccepted } = parsed(replies[i]![0]);
    expect(sequenceStart).toBe(next.get(lane) ?? 1);
    expect(sequenceEnd).toBe(sequenceStart + eventsAccepted - 1);
    next.set(lane, sequenceEnd + 1);
  }
  expect([to.inflightRequests, to.inflightBytes]).toEqual([0, 0]);
});

test('requests of many lanes all get exactly one reply', async () => {
  const to = await startPipeline({ VERIFY_THREADS: '2', PARTITIONS: '2' });
  const agents = await Promise.all(Array.from({ length: 8 }, newAgent));
  const replies: IngestReply[][] = [];
  const requests = Array.from({ length: 1500 }, (_, i): Submission => {
    const agent = agents[i % 8]!;
    if (i % 11 === 0) return { lane: i, body: Buffer.from('[]') };
    if (i % 13 === 0) return { lane: i, body: Buffer.alloc(0) };
    if (i % 17 === 0)
      return { lane: i, kind: 'legacy', body: Buffer.from(`{"agent_id":"${agent.agentId}","events":[]}`) };
    if (i % 19 === 0) return { lane: i, body: bodyOf(agent, [agent.event()]), deadlineMs: Date.now() - 1 };
    return { lane: i % 200, body: bodyOf(agent, [agent.event(), agent.event()]) };
  });
  for (let at = 0; at < requests.length; at += 100) {
    submitAll(to, requests.slice(at, at + 100), at, replies);
    await new Promise(setImmediate);
  }
  await allAnswered(replies);
  await to.close();
  pipeline = undefined;
  expect(replies.every((each) => each.length === 1)).toBe(true);
  const accepted = replies.reduce((sum, [reply]) => sum + (reply!.ok ? reply!.accepted : 0), 0);
  const [{ stored }] = (await sql`select count(*)::int as stored from ves_events
    where tenant_id = any(${agents.map((agent) => agent.tenantId)}::uuid[])`) as unknown as [
    { stored: number },
  ];
  expect(stored).toBe(accepted);
  // Too late before it was looked at: not stored, and said so.
  expect(replies[19 * 2]![0]).toMatchObject({ ok: false, error: { code: 'OVERLOADED' } });
  expect([to.inflightRequests, to.inflightBytes]).toEqual([0, 0]);
});

test('beyond the limits nothing is taken, and what was taken is answered', async () => {
  const to = await startPipeline({ MAX_INFLIGHT_REQUESTS: '3', MAX_INFLIGHT_BYTES: '1MB' });
  const agent = await newAgent();
  const replies: IngestReply[] = [];
  const submit = (body: Uint8Array) =>
    to.submit({
      kind: 'ves',
      codec: 'json',
      scope: { tenant: null, stores: [], agent: null },
      deadlineMs: Date.now() + 20_000,
      receipts: 1,
      lane: 1,
      body,
      reply: (reply) => void replies.push(reply),
    });
  const small = () => bodyOf(agent, [agent.event()]);
  expect([small(), small(), small(), small()].map(submit)).toEqual([
    'taken',
    'taken',
    'taken',
    'service_full',
  ]);
  await expect.poll(() => replies.length).toBe(3);
  const large = bodyOf(agent, [agent.event({ payload: 'x'.repeat(700_000) })]);
  expect([submit(large), submit(large), submit(small())]).toEqual(['taken', 'service_full', 'taken']);
  await expect.poll(() => replies.length).toBe(5);
  // One request is always taken, however large.
  const huge = bodyOf(
    agent,
    [1, 2].map(() => agent.event({ payload: 'x'.repeat(700_000) })),
  );
  expect([submit(huge), submit(small())]).toEqual(['taken', 'service_full']);
  await expect.poll(() => replies.length).toBe(6);
  expect(replies.every((reply) => reply.ok)).toBe(true);
  expect([to.inflightRequests, to.inflightBytes]).toEqual([0, 0]);
  const closing = to.close();
  expect(submit(small())).toBe('stopping');
  await closing;
  pipeline = undefined;
});
