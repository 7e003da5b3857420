import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import {
  canonicalize,
  checkVesEnvelope,
  equalBytes,
  eventSigningHash,
  FIXED,
  parseVesEnvelope,
  payloadPlainHash,
  utf8Length,
  type VesEnvelopeJson,
  verifyStrict,
} from '../../engine/protocol/index.js';
import { openRawConnection } from '../../loadtest/connection.js';
import { createEventSource, createPopulation, publicKeyOf } from '../../loadtest/event-source.js';
import { bodyOf, buildRequests } from '../../loadtest/requests.js';
import { type LoadPlan, runLoad } from '../../loadtest/run-load.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A real server; `answer` gets the body and calls back with the answer's body. */
async function serve(
  answer: (body: string, reply: (text: string, status?: number) => void) => void,
): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      answer(Buffer.concat(chunks).toString(), (text, status = 200) => {
        response.writeHead(status, { 'content-length': Buffer.byteLength(text) });
        response.end(text);
      }),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const population = createPopulation('test', 3, 2);
const mix = { payloadBytes: 400, entities: 50, seed: 1 };
const plan = (requests: number, batch: number) => ({
  population,
  mix,
  path: '/ingest',
  host: 'localhost',
  apiKey: 'key',
  requests,
  batch,
});
const reply = (accepted: number) =>
  `{"batchId":"00000000-0000-4000-8000-000000000000","eventsAccepted":${accepted},"eventsRejected":0}`;

describe('events for load', () => {
  test('are what an agent would send: rules, hash and signature hold, the payload has its size', () => {
    const next = createEventSource(population, mix);
    for (let i = 0; i < 6; i++) {
      const agent = i % 2;
      const parsed = parseVesEnvelope(JSON.parse(next(agent, i % 3)));
      if (!parsed.ok) throw new Error(parsed.message);
      const { envelope } = parsed;
      const canonical = canonicalize(envelope.payload);
      expect(utf8Length(canonical)).toBe(400);
      expect(checkVesEnvelope(envelope)).toBeUndefined();
      const hash = envelope.fixed.subarray(FIXED.payloadPlainHash, FIXED.payloadPlainHash + 32);
      expect(equalBytes(payloadPlainHash(canonical), hash)).toBe(true);
      const signature = envelope.fixed.subarray(FIXED.agentSignature, FIXED.agentSignature + 64);
      expect(
        verifyStrict(signature, eventSigningHash(envelope), publicKeyOf(population.agents[agent]!)),
      ).toBe(true);
    }
  });

  test('are packed into requests of one agent and one stream each, all ids different', () => {
    const block = buildRequests(plan(12, 5));
    const ids = new Set<string>();
    const pairs = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const { agentId, events } = bodyOf(block, i);
      for (const event of events as VesEnvelopeJson[]) {
        expect(event.source_agent_id).toBe(agentId);
        expect(event.store_id).toBe((events[0] as VesEnvelopeJson).store_id);
        ids.add(event.event_id);
      }
      pairs.add(`${agentId} ${(events[0] as VesEnvelopeJson).store_id}`);
    }
    expect(ids.size).toBe(60);
    expect(pairs.size).toBe(6);
  });
});

describe('the raw connection', () => {
  test('reads answers that arrive in pieces or are larger than its buffer', async () => {
    const large = 'x'.repeat(300_000);
    const port = await serve((body, answer) => answer(body === 'large' ? large : 'small'));
    const answers: { status: number; length: number }[] = [];
    let arrived = () => {};
    const connection = await openRawConnection({
      host: '127.0.0.1',
      port,
      onAnswer(status, body) {
        answers.push({ status, length: body.length });
        arrived();
      },
      onBroken: (reason) => {
        throw new Error(reason);
      },
    });
    for (const body of ['large', 'little', 'large']) {
      const done = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      connection.send(
        Buffer.from(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
      );
      await done;
    }
    connection.close();
    expect(answers).toEqual([
      { status: 200, length: 300_000 },
      { status: 200, length: 5 },
      { status: 200, length: 300_000 },
    ]);
  });
});

describe('a load run', () => {
  const load = (port: number, more: Partial<LoadPlan>): LoadPlan => ({
    host: '127.0.0.1',
    port,
    connections: 4,
    batch: 5,
    warmupMs: 50,
    measureMs: 400,
    sampleEvery: 10,
    ...more,
  });

  test('in closed loop counts what was acknowledged, and nothing else', async () => {
    let served = 0;
    const port = await serve((_body, answer) => {
      served++;
      setTimeout(() => answer(reply(5)), 2);
    });
    const result = await runLoad(load(port, {}), [buildRequests(plan(2000, 5))]);
    expect(result.failures).toBe(0);
    expect(result.acknowledgedRequests).toBe(served);
    expect(result.acknowledgedEvents).toBe(5 * served);
    expect(result.measuredEvents).toBeLessThanOrEqual(result.acknowledgedEvents);
    expect(result.latency.p50).toBeGreaterThan(1500);
    expect(result.samples.length).toBeGreaterThan(0);
  });

  test('takes an answer for a failure when not every event was accepted', async () => {
    let served = 0;
    const port = await serve((_body, answer) => (++served % 2 === 0 ? answer(reply(4)) : answer('{}', 503)));
    const result = await runLoad(load(port, {}), [buildRequests(plan(30, 5))]);
    expect(result).toMatchObject({ acknowledgedRequests: 0, failures: 30, ranOut: true });
  });

  test('in open loop charges a stall to everyone who would have waited', async () => {
    // One pause of 150 ms: a closed loop would count it once per connection.
    let stalledUntil = 0;
    const startedAt = performance.now();
    const port = await serve((_body, answer) => {
      if (stalledUntil === 0 && performance.now() - startedAt > 150) stalledUntil = performance.now() + 150;
      setTimeout(() => answer(reply(5)), Math.max(0, stalledUntil - performance.now()));
    });
    const result = await runLoad(load(port, { ratePerSec: 200 }), [buildRequests(plan(200, 5))]);
    expect(result.failures).toBe(0);
    // Due every 5 ms: of about 80 requests some 30 were due while nothing was answered.
    expect(result.latency.p50).toBeLessThan(60_000);
    expect(result.latency.p90).toBeGreaterThan(60_000);
  });
});
