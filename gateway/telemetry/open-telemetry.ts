import type { Context, Span } from '@opentelemetry/api';
import type { Config } from '../../engine/config/index.js';
import { parseTraceparent, type SpanAttributes, type TraceSpan, type Tracing } from './tracing.js';

/** Spans waiting for the collector; more are dropped (L8). */
const QUEUE_SPANS_MAX = 8192;
const EXPORT_INTERVAL_MS = 1000;
const EXPORT_TIMEOUT_MS = 10_000;
const SHUTDOWN_TIMEOUT_MS = 2000;

/**
 * Starts the export of traces to a collector (OTLP over HTTP). The SDK is loaded here and nowhere else, and lives on the main thread
 * only: the hot threads report times, from which their spans are made.
 */
export async function startOpenTelemetry(
  settings: NonNullable<Config['tracing']>,
  resource: { readonly version: string; readonly instanceId: string },
): Promise<Tracing> {
  const [api, node, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({
    url: `${settings.endpoint}/v1/traces`,
    headers: Object.fromEntries(settings.headers.map(({ name, value }) => [name, value])),
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new node.NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': settings.serviceName,
      'service.version': resource.version,
      'service.instance.id': resource.instanceId,
    }),
    sampler: new node.ParentBasedSampler({ root: new node.TraceIdRatioBasedSampler(settings.sampleRate) }),
    spanProcessors: [
      new node.BatchSpanProcessor(exporter, {
        maxQueueSize: QUEUE_SPANS_MAX,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  provider.register();
  const tracer = provider.getTracer('stateset-sequencer', resource.version);
  const ACTIVE = api.createContextKey('stateset-sequencer request');

  const wrap = (span: Span, parent: Context): TraceSpan => {
    const context = api.trace.setSpan(parent, span);
    const handle: TraceSpan = {
      traceId: span.spanContext().traceId,
      child(name, startMs, endMs, attributes = {}) {
        const part = tracer.startSpan(name, { startTime: startMs, attributes: { ...attributes } }, context);
        part.end(Math.max(startMs, endMs));
        return wrap(part, context);
      },
      run: (work) => api.context.with(context.setValue(ACTIVE, handle), work),
      end(attributes: SpanAttributes, failed) {
        span.setAttributes({ ...attributes });
        if (failed) span.setStatus({ code: api.SpanStatusCode.ERROR });
        span.end();
      },
    };
    return handle;
  };

  function parentContext(traceparent: string): Context {
    const parent = parseTraceparent(traceparent);
    if (parent === undefined) return api.ROOT_CONTEXT;
    const { traceId, spanId, sampled } = parent;
    const traceFlags = sampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE;
    return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  }

  return {
    startRequest(name, traceparent, attributes) {
      const parent = parentContext(traceparent);
      const options = { kind: api.SpanKind.SERVER, attributes: { ...attributes } };
      const span = tracer.startSpan(name, options, parent);
      return span.isRecording() ? wrap(span, parent) : undefined;
    },
    active: () => api.context.active().getValue(ACTIVE) as TraceSpan | undefined,
    async shutdown() {
      // A collector that does not answer must not keep the service from stopping.
      const late = new Promise((resolve) => setTimeout(resolve, SHUTDOWN_TIMEOUT_MS).unref());
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      api.context.disable();
      api.trace.disable();
    },
  };
}
