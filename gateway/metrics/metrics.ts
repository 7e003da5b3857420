import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ErrorCode } from '../../engine/errors/index.js';
import type { IngestKind, IngestPort, IngestReply } from '../../workers/ingest-port.js';
import type { VerifyStats } from '../../workers/messages.js';
import type { GrpcCallReport } from '../grpc/deps.js';
import type { Exchange, ExchangeOutcome } from '../http/exchange.js';
import { createFamilies, type Labels } from './families.js';
import { createQuickHistogram } from './quick-histogram.js';
import { createStatWriter, type GatewayStat } from './stats.js';

export type { GatewayStat } from './stats.js';

/** Upper bounds in seconds. */
const LATENCY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const LATENCY_BUCKETS_MS = LATENCY_BUCKETS.map((seconds) => seconds * 1000);
const COUNT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const QUEUE_BUCKETS = [0, ...COUNT_BUCKETS, 20_000, 50_000];
const BYTE_BUCKETS = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

/** Without `version=`, which nothing needs: https://prometheus.io/docs/instrumenting/content_negotiation/ */
const CONTENT_TYPE = 'text/plain; charset=utf-8';

/** What error codes mean for the counters of errors. */
const ERROR_COUNTERS: Partial<Record<ErrorCode, 'database' | 'validation' | 'auth'>> = {
  DATABASE_ERROR: 'database',
  INVALID_REQUEST_BODY: 'validation',
  MISSING_REQUIRED_FIELD: 'validation',
  INVALID_FIELD_VALUE: 'validation',
  PAYLOAD_TOO_LARGE: 'validation',
  BATCH_TOO_LARGE: 'validation',
  AUTH_REQUIRED: 'auth',
  INVALID_API_KEY: 'auth',
  INVALID_TOKEN: 'auth',
  TOKEN_EXPIRED: 'auth',
  INSUFFICIENT_PERMISSIONS: 'auth',
};

/** One committed group: its events, the milliseconds its transaction took, and the events that still wait in its partition. */
export interface GroupSample {
  readonly events: number;
  readonly ms: number;
  readonly queued?: number;
}

/** What is timed besides requests. */
export type Timed = 'commit' | 'proof';

export interface GatewayMetrics {
  observeRequest(exchange: Exchange, outcome: ExchangeOutcome): void;
  /** @param seconds from the submission of a request to its answer */
  observeIngest(kind: IngestKind, result: IngestReply, seconds: number): void;
  observeGroup(group: GroupSample): void;
  /** What a verify worker did since its last report. */
  observeVerify(stats: VerifyStats, worker: number): void;
  observeCall(call: GrpcCallReport): void;
  /** A statement or transaction of the pool for reads and administration ended. */
  observeQuery(seconds: number, failed: boolean): void;
  /** A connection of that pool was got. */
  observeAcquisition(ms: number): void;
  /** A request passed its rate limit, or did not. */
  observeRate(allowed: boolean): void;
  /** A commitment was made, or a proof. */
  observeWork(what: Timed, seconds: number): void;
  /** Adds to a counter of a capability. Label names must always be the same for one name. */
  count(name: string, help: string, labels?: Labels, by?: number): void;
  /** Prometheus text exposition. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** Everything measured, in a registry of its own. */
export function createMetrics(
  ingest: IngestPort,
  collectStats?: () => readonly GatewayStat[],
): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'sequencer_' });
  const families = createFamilies(registry);
  const writeStats = createStatWriter(registry);
  const startedAt = performance.now();
  const counter = (name: string, help: string) => new Counter({ name: `sequencer_${name}`, help, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    createQuickHistogram(registry, name, help, buckets);
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `sequencer_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  const uptimeSecs = () => (performance.now() - startedAt) / 1000;
  gauge('uptime_seconds', 'Seconds since this process began to serve', uptimeSecs);
  gauge(
    'ingest_inflight_bytes',
    'Bytes of request bodies in the ingest pipeline',
    () => ingest.inflightBytes,
  );
  gauge('ingest_inflight_requests', 'Requests in the ingest pipeline', () => ingest.inflightRequests);

  const ingested = [
    counter('events_ingested', 'Events accepted'),
    counter('events_ingested_total', 'Events accepted'),
    counter('events_sequenced', 'Events given a sequence number'),
  ];
  const rejected = counter('events_rejected', 'Events rejected');
  const replayed = counter(
    'events_replayed',
    'Events that were stored already and answered with their first receipt',
  );
  const rejectedFor = families.counter('events_rejected_by_reason', 'Events rejected, by reason', ['reason']);
  const vesReceived = counter('ves_events_received', 'VES events in answered requests');
  const vesVerified = counter('ves_events_verified', 'VES events accepted: their signatures verified');
  const batchesReceived = counter('batches_received', 'Ingest requests taken');
  const batchesProcessed = counter('batches_processed', 'Ingest requests answered with their events decided');
  const batch = histogram('request_events_per_batch', 'Events per ingest request', COUNT_BUCKETS);
  const ingestLatency = histogram('ingest_latency_seconds', 'From submission to answer', LATENCY_BUCKETS);
  const ingestLatencyMs = histogram('ingest_latency_ms', 'From submission to answer', LATENCY_BUCKETS_MS);
  const verifyTime = histogram(
    'verify_seconds',
    'Parsing, hashing and verifying a bundle of requests',
    LATENCY_BUCKETS,
  );
  const verifiedEvents = counter('verify_events', 'Events that the verify workers looked at');
  const signatureChecks = families.counter(
    'signature_checks',
    'Signatures of events checked: by the engine with a table of the key, without one, or by libsodium',
    ['how'],
  );
  const signatureCrossChecks = counter(
    'signature_cross_checks',
    'Signatures checked a second time by OpenSSL',
  );
  const signatureFaults = counter(
    'signature_engine_faults',
    'Verify workers that gave the signature engine up because it failed or was contradicted',
  );
  /** By worker. */
  const tableBytes = new Map<number, number>();
  gauge('signature_table_bytes', 'Memory of the signature engine for tables of keys', () =>
    [...tableBytes.values()].reduce((sum, bytes) => sum + bytes, 0),
  );
  const sequenceLatency = histogram(
    'sequence_latency_seconds',
    'From handing a bundle to its partitions to their last decision',
    LATENCY_BUCKETS,
  );
  const groupEvents = histogram('group_events', 'Events per committed group', COUNT_BUCKETS);
  const groupLatency = histogram('group_commit_latency_seconds', 'Transaction of a group', LATENCY_BUCKETS);
  const queueDepth = histogram(
    'partition_queue_depth',
    'Events waiting in a partition when a group was committed',
    QUEUE_BUCKETS,
  );

  const work: Record<Timed, { observe(value: number): void }> = {
    commit: histogram('commit_latency_seconds', 'Making a commitment', LATENCY_BUCKETS),
    proof: histogram('proof_latency_seconds', 'Making a proof', LATENCY_BUCKETS),
  };
  const queryLatency = histogram(
    'db_query_latency_seconds',
    'Statements and transactions of the pool, waiting for a connection included',
    LATENCY_BUCKETS,
  );
  const acquisition = histogram(
    'pool_acquisition_latency_ms',
    'Waiting for a connection of the pool',
    LATENCY_BUCKETS_MS,
  );
  const errors = {
    database: counter('errors_database', 'Requests that failed on the database'),
    validation: counter('errors_validation', 'Requests refused for what they say'),
    auth: counter('errors_auth', 'Requests refused for their credentials'),
    signature: counter('errors_signature', 'Events rejected for their signature'),
  };
  const rates = {
    allowed: counter('ratelimit_allowed', 'Requests within the limit of their credentials'),
    rejected: counter('ratelimit_rejected', 'Requests beyond it'),
  };
  const requestBytes = histogram(
    'request_body_size_bytes',
    'Announced bodies of HTTP requests',
    BYTE_BUCKETS,
  );
  const responseBytes = histogram('http_response_size_bytes', 'Bodies of HTTP answers', BYTE_BUCKETS);

  const requestLabels = ['method', 'path', 'status'];
  const countRequest = families.counter(
    'http_requests_total',
    'HTTP requests; status 0: the client left before the answer',
    requestLabels,
  );
  const timeRequest = families.histogram(
    'http_request_latency_seconds',
    'From the head of a request to its answer',
    requestLabels,
    LATENCY_BUCKETS,
  );
  const callLabels = ['method', 'status'];
  const countCall = families.counter(
    'grpc_requests_total',
    'gRPC calls by method and status code',
    callLabels,
  );
  const timeCall = families.histogram(
    'grpc_request_latency_seconds',
    'From the beginning of a call to its end',
    callLabels,
    LATENCY_BUCKETS,
  );
  const countMessages = families.counter('grpc_stream_messages', 'Messages of gRPC streams', [
    'method',
    'direction',
  ]);
  /** Counters of capabilities, by name. */
  const counters = new Map<string, (labels: Labels, by?: number) => void>();

  return {
    observeRequest({ head, route }, { status, durationMs, errorCode, bytes }) {
      const labels = {
        method: METHODS.has(head.method) ? head.method : 'other',
        path: route?.path ?? 'unmatched',
        status: String(status),
      };
      countRequest(labels);
      timeRequest(labels, durationMs / 1000);
      if (head.contentLength !== undefined) requestBytes.observe(head.contentLength);
      if (bytes !== undefined) responseBytes.observe(bytes);
      const kind = errorCode === undefined ? undefined : ERROR_COUNTERS[errorCode];
      if (kind !== undefined) errors[kind].inc();
    },
    observeIngest(kind, result, seconds) {
      ingestLatency.observe(seconds);
      ingestLatencyMs.observe(seconds * 1000);
      batchesReceived.inc();
      if (!result.ok) return;
      const events = result.accepted + result.rejected + result.replayed;
      batchesProcessed.inc();
      for (const each of ingested) each.inc(result.accepted);
      rejected.inc(result.rejected);
      replayed.inc(result.replayed);
      batch.observe(events);
      if (kind !== 'ves') return;
      vesReceived.inc(events);
      vesVerified.inc(result.accepted);
    },
    observeGroup({ events, ms, queued }) {
      groupEvents.observe(events);
      groupLatency.observe(ms / 1000);
      if (queued !== undefined) queueDepth.observe(queued);
    },
    observeVerify({ events, bundles, rejections, signatures }, worker) {
      verifiedEvents.inc(events);
      for (const how of ['warm', 'cold', 'native'] as const)
        if (signatures[how] > 0) signatureChecks({ how }, signatures[how]);
      signatureCrossChecks.inc(signatures.crossChecks);
      if (signatures.fault !== undefined) signatureFaults.inc();
      tableBytes.set(worker, signatures.tableBytes);
      for (const { verifyMs, sequenceMs } of bundles) {
        verifyTime.observe(verifyMs / 1000);
        if (sequenceMs > 0) sequenceLatency.observe(sequenceMs / 1000);
      }
      for (const [reason, count] of Object.entries(rejections)) {
        rejectedFor({ reason }, count);
        if (reason === 'invalid_signature') errors.signature.inc(count);
      }
    },
    observeCall({ method, status, durationMs, messagesIn = 0, messagesOut = 0 }) {
      const labels = { method, status: String(status) };
      countCall(labels);
      timeCall(labels, durationMs / 1000);
      if (messagesIn > 0) countMessages({ method, direction: 'in' }, messagesIn);
      if (messagesOut > 0) countMessages({ method, direction: 'out' }, messagesOut);
    },
    observeQuery: (seconds) => queryLatency.observe(seconds),
    observeAcquisition: (ms) => acquisition.observe(ms),
    observeRate: (allowed) => rates[allowed ? 'allowed' : 'rejected'].inc(),
    observeWork: (what, seconds) => work[what].observe(seconds),
    count(name, help, labels = {}, by = 1) {
      let add = counters.get(name);
      if (add === undefined) {
        add = families.counter(name, help, Object.keys(labels));
        counters.set(name, add);
      }
      add(labels, by);
    },
    async render() {
      writeStats(collectStats?.() ?? []);
      return registry.metrics();
    },
    contentType: CONTENT_TYPE,
  };
}
