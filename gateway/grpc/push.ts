/** Pushes of both packages, on the same way as those of HTTP: the bytes go to the pipeline unread. */
import { ServiceError } from '../../engine/errors/index.js';
import type { IngestKind } from '../../workers/ingest-port.js';
import { refusedIngest } from '../limits/refused-ingest.js';
import { addIngestSpans } from '../telemetry/tracing.js';
import type { GrpcDeps } from './deps.js';
import type { Call, UnaryRpc } from './rpc.js';

/** How long before a call's own deadline the pipeline has to give it up, so that the better answer wins. */
const DEADLINE_MARGIN_MS = 100;

/** Hands a push to the pipeline. @throws ServiceError (rejects) */
export function submitPush(
  { ingest, metrics, config }: GrpcDeps,
  kind: IngestKind,
  body: Uint8Array,
  call: Call,
): Promise<Uint8Array> {
  const { span } = call;
  const latest = Date.now() + config.grpc.requestTimeoutMs;
  return new Promise((resolve, reject) => {
    const submittedAt = performance.now();
    const admission = ingest.submit({
      kind,
      codec: 'proto',
      scope: call.auth.ingestScope,
      body,
      deadlineMs: Math.min(latest, call.deadlineMs) - DEADLINE_MARGIN_MS,
      receipts: 0,
      lane: call.lane,
      onTimings: span && ((timings) => addIngestSpans(span, timings)),
      reply(result) {
        metrics.observeIngest(kind, result, (performance.now() - submittedAt) / 1000);
        if (result.ok) resolve(result.body);
        else {
          const { code, message, details } = result.error;
          reject(new ServiceError(code, message, { details }));
        }
      },
    });
    if (admission !== 'taken') reject(refusedIngest(admission));
  });
}

export const pushRpc = (deps: GrpcDeps, kind: IngestKind): UnaryRpc => ({
  kind: 'unary',
  answer: (request, call) => submitPush(deps, kind, request, call),
});
