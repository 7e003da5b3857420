import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { IngestKind, IngestPort, IngestReply } from '../../workers/ingest-port.js';
import type { GrpcCallReport } from '../grpc/deps.js';
import type { Exchange, ExchangeOutcome } from '../http/exchange.js';

/** Upper bounds in seconds. */
const LATENCY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const COUNT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

/** A number the owner of the gateway wants to see on `/metrics`; the name gets the prefix `sequencer_`. */
export interface GatewayStat {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

/** One committed group: its events and the milliseconds its transaction took. */
export interface GroupSample {
  readonly events: number;
  readonly ms: number;
}

export interface GatewayMetrics {
  observeRequest(exchange: Exchange, outcome: ExchangeOutcome): void;
  /** @param seconds from the submission of a request to its answer */
  observeIngest(kind: IngestKind, result: IngestReply, seconds: number): void;
  observeGroup(group: GroupSample): void;
  observeCall(call: GrpcCallReport): void;
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
  const startedAt = performance.now();
  const counter = (name: string, help: string) => new Counter({ name: `sequencer_${name}`, help, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `sequencer_${name}`, help, buckets, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `sequencer_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  gauge(
    'uptime_seconds',
    'Seconds since this process began to serve',
    () => (performance.now() - startedAt) / 1000,
  );
  gauge(
    'ingest_inflight_bytes',
    'Bytes of request bodies in the ingest pipeline',
    () => ingest.inflightBytes,
  );
  gauge('ingest_inflight_requests', 'Requests in the ingest pipeline', () => ingest.inflightRequests);
  const ingested = counter('events_ingested', 'Events accepted');
  const rejected = counter('events_rejected', 'Events rejected');
  const sequenced = counter('events_sequenced', 'Events given a sequence number');
  const replayed = counter(
    'events_replayed',
    'Events that were stored already and answered with their first receipt',
  );
  const vesReceived = counter('ves_events_received', 'VES events in answered requests');
  const vesVerified = counter('ves_events_verified', 'VES events accepted: their signatures verified');
  const batch = histogram('request_events_per_batch', 'Events per ingest request', COUNT_BUCKETS);
  const ingestLatency = histogram('ingest_latency_seconds', 'From submission to answer', LATENCY_BUCKETS);
  const groupEvents = histogram('group_events', 'Events per committed group', COUNT_BUCKETS);
  const groupLatency = histogram('group_commit_latency_seconds', 'Transaction of a group', LATENCY_BUCKETS);
  const labelNames = ['method', 'path', 'status'] as const;
  const requests = new Counter({
    name: 'sequencer_http_requests_total',
    help: 'HTTP requests; status 0: the client left before the answer',
    labelNames,
    registers,
  });
  const requestLatency = new Histogram({
    name: 'sequencer_http_request_latency_seconds',
    help: 'From the head of a request to its answer',
    labelNames,
    buckets: LATENCY_BUCKETS,
    registers,
  });

  const callLabels = ['method', 'status'] as const;
  const calls = new Counter({
    name: 'sequencer_grpc_requests_total',
    help: 'gRPC calls by method and status code',
    labelNames: callLabels,
    registers,
  });
  const callLatency = new Histogram({
    name: 'sequencer_grpc_request_latency_seconds',
    help: 'From the beginning of a call to its end',
    labelNames: callLabels,
    buckets: LATENCY_BUCKETS,
    registers,
  });

  /** Series by method, path and status; paths are route templates, so there are few. */
  const series = new Map<string, { count: Counter.Internal; latency: Histogram.Internal<string> }>();
  const stats = new Map<string, Gauge>();

  function seriesOf(method: string, path: string, status: string) {
    const key = `${method} ${path} ${status}`;
    let found = series.get(key);
    if (found === undefined) {
      const labels = { method, path, status };
      found = { count: requests.labels(labels), latency: requestLatency.labels(labels) };
      series.set(key, found);
    }
    return found;
  }

  function updateStats(): void {
    for (const { name, help, value } of collectStats?.() ?? []) {
      let stat = stats.get(name);
      if (stat === undefined) {
        stat = new Gauge({ name: `sequencer_${name}`, help, registers });
        stats.set(name, stat);
      }
      stat.set(value);
    }
  }

  return {
    observeRequest(exchange, outcome) {
      const method = METHODS.has(exchange.head.method) ? exchange.head.method : 'other';
      const { count, latency } = seriesOf(
        method,
        exchange.route?.path ?? 'unmatched',
        String(outcome.status),
      );
      count.inc();
      latency.observe(outcome.durationMs / 1000);
    },
    observeIngest(kind, result, seconds) {
      ingestLatency.observe(seconds);
      if (!result.ok) return;
      const events = result.accepted + result.rejected + result.replayed;
      ingested.inc(result.accepted);
      sequenced.inc(result.accepted);
      rejected.inc(result.rejected);
      replayed.inc(result.replayed);
      batch.observe(events);
      if (kind !== 'ves') return;
      vesReceived.inc(events);
      vesVerified.inc(result.accepted);
    },
    observeCall({ method, status, durationMs }) {
      const labels = { method, status: String(status) };
      calls.inc(labels);
      callLatency.observe(labels, durationMs / 1000);
    },
    observeGroup({ events, ms }) {
      groupEvents.observe(events);
      groupLatency.observe(ms / 1000);
    },
    async render() {
      updateStats();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
