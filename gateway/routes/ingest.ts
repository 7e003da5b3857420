import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import type { IngestKind, IngestPort, IngestReply } from '../../workers/ingest-port.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS } from '../../workers/messages.js';
import type { Exchange } from '../http/exchange.js';
import { jsonText } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { parseQuery } from '../input/parse.js';
import { refusedIngest } from '../limits/refused-ingest.js';
import type { GatewayMetrics } from '../metrics/metrics.js';
import { addIngestSpans } from '../telemetry/tracing.js';

/** How long before a request's own deadline the pipeline has to give it up, so that the better answer wins. */
const DEADLINE_MARGIN_MS = 100;

/** Answer to a request that is still somewhere in the pipeline when its time is up. */
const TIMEOUT_MESSAGE =
  'The outcome is unknown: the events may or may not have been stored. Sending the same events again is safe ' +
  '(stored ones answer their first receipt), or ask GET /api/v1/ves/events/:event_id';
const LEGACY_TIMEOUT_MESSAGE =
  'The outcome is unknown: the events may or may not have been stored. Sending the same events again is safe: ' +
  'stored ones are answered as duplicates';

export interface IngestDeps {
  readonly ingest: IngestPort;
  readonly metrics: GatewayMetrics;
}

/** `POST …/ingest` of both streams. The body goes to the pipeline unread; it knows the rules, the gateway the credentials. */
export const ingestRoutes = (deps: IngestDeps): Route[] => [
  {
    method: 'POST',
    path: '/api/v1/ves/events/ingest',
    scope: 'write',
    body: 'ingest',
    handler: submitTo(deps, 'ves', TIMEOUT_MESSAGE),
  },
  {
    method: 'POST',
    path: '/api/v1/events/ingest',
    scope: 'write',
    body: 'ingest',
    handler: submitTo(deps, 'legacy', LEGACY_TIMEOUT_MESSAGE),
  },
];

function submitTo({ ingest, metrics }: IngestDeps, kind: IngestKind, timeoutMessage: string) {
  return (exchange: Exchange): void => {
    exchange.timeoutMessage = timeoutMessage;
    const receipts = receiptsOf(exchange);
    const { span } = exchange;
    const submittedAt = performance.now();
    const admission = ingest.submit({
      kind,
      codec: 'json',
      scope: exchange.auth.ingestScope,
      body: exchange.body,
      deadlineMs: exchange.deadlineMs - DEADLINE_MARGIN_MS,
      receipts,
      lane: exchange.serial,
      onTimings: span && ((timings) => addIngestSpans(span, timings)),
      reply(result) {
        metrics.observeIngest(kind, result, (performance.now() - submittedAt) / 1000);
        answer(exchange, result);
      },
    });
    if (admission !== 'taken') exchange.fail(refusedIngest(admission));
  };
}

/** `?receipt=`: which receipts the answer carries; both unless asked otherwise. Legacy events have none. */
export const ReceiptQuery = z.object({
  receipt: z.enum(['event', 'group', 'both'], { error: 'one of event, group, both' }).default('both'),
});
const RECEIPTS = {
  event: EVENT_RECEIPTS,
  group: GROUP_RECEIPTS,
  both: EVENT_RECEIPTS + GROUP_RECEIPTS,
};

const receiptsOf = (exchange: Exchange): number =>
  exchange.head.query === '' ? RECEIPTS.both : RECEIPTS[parseQuery(ReceiptQuery, exchange).receipt];

function answer(exchange: Exchange, result: IngestReply): void {
  if (result.ok) {
    exchange.reply(jsonText(result.body));
  } else {
    const { code, message, details } = result.error;
    exchange.fail(new ServiceError(code, message, { details }));
  }
}
