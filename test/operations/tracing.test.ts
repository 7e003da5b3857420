import { createServer, type Server } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTraceparent } from '../../gateway/telemetry/tracing.js';
import { call, push, registerAgent, streamQuery } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: { key: string; value: Record<string, unknown> }[];
}

/** A collector: takes what OTLP over HTTP sends in JSON. */
const received: { spans: Span[]; resources: string[]; headers: string[] } = {
  spans: [],
  resources: [],
  headers: [],
};
let collector: Server;
let service: TestService;

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
      received.headers.push(`${request.url} ${request.headers['x-collector-key']}`);
      for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
        received.resources.push(JSON.stringify(resource));
        for (const { spans } of scopeSpans) received.spans.push(...spans);
      }
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as { port: number };
  service = await startTestService({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=let%20me%20in',
      OTEL_SERVICE_NAME: 'orders',
      OTEL_SAMPLE_RATE: '0',
      GRPC_ENABLED: 'false',
    },
  });
}, 60_000);
afterAll(async () => {
  await service?.stop();
  collector?.close();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const traceparent = (flags: string) => ({ traceparent: `00-${TRACE}-${PARENT}-${flags}` });

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
}

test('a sampled ingest request is one trace over all threads, below the span of its client', async () => {
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event()], { headers: traceparent('00') }); // not sampled
  const { status } = await push(service, agent, [agent.event(), agent.event()], {
    headers: traceparent('01'),
  });
  expect(status).toBe(200);
  await call(service, 'GET', `/api/v1/ves/head?${streamQuery(agent)}`, { headers: traceparent('01') });
  await until(() => received.spans.length >= 7);

  const { spans } = received;
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  const named = (name: string) => spans.filter((span) => span.name === name);
  const [ingest] = named('POST /api/v1/ves/events/ingest');
  expect(named('POST /api/v1/ves/events/ingest')).toHaveLength(1);
  expect(ingest!.parentSpanId).toBe(PARENT);
  const [verify, sequence, commit, sign] = ['verify', 'sequence', 'commit', 'sign'].map(
    (name) => named(name)[0]!,
  );
  expect([verify, sequence, sign].map((span) => span!.parentSpanId)).toEqual(
    [1, 2, 3].map(() => ingest!.spanId),
  );
  expect(commit!.parentSpanId).toBe(sequence!.spanId);
  const [read] = named('GET /api/v1/ves/head');
  expect(named('database')[0]!.parentSpanId).toBe(read!.spanId);

  const begin = ({ startTimeUnixNano }: Span) => BigInt(startTimeUnixNano);
  const end = ({ endTimeUnixNano }: Span) => BigInt(endTimeUnixNano);
  const slack = 2_000_000n; // the threads' clocks
  expect(begin(verify!) + slack).toBeGreaterThanOrEqual(begin(ingest!));
  expect(begin(sequence!)).toBeGreaterThanOrEqual(end(verify!));
  expect(begin(commit!) + slack).toBeGreaterThanOrEqual(begin(sequence!));
  expect(end(commit!)).toBeGreaterThan(begin(commit!));
  expect(begin(sign!) + slack).toBeGreaterThanOrEqual(end(commit!));
  expect(end(ingest!) + slack).toBeGreaterThanOrEqual(end(sign!));

  expect(received.resources[0]).toContain('"orders"');
  expect(received.headers[0]).toBe('/v1/traces let me in');
});

test('nothing is traced that nobody wants traced', async () => {
  const before = received.spans.length;
  await call(service, 'GET', '/health');
  await call(service, 'GET', '/health', { headers: { traceparent: 'nonsense' } });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(received.spans.length).toBe(before);
});

test('a collector that is gone harms nothing', async () => {
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
  const agent = await registerAgent(service);
  for (let i = 0; i < 20; i++)
    expect((await push(service, agent, [agent.event()], { headers: traceparent('01') })).status).toBe(200);
  expect(await service.stop()).toBe(0);
});

test.each([
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', true],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00', false],
  ['cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later', true],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more', undefined],
  ['ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', undefined],
  ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', undefined],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01', undefined],
  ['00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', undefined],
  ['', undefined],
])('traceparent %s', (text, sampled) => {
  expect(parseTraceparent(text)?.sampled).toBe(sampled);
});
