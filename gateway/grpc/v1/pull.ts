import { ENTITY_ID_BYTES_MAX, ENTITY_TYPE_BYTES_MAX } from '../../../engine/protocol/index.js';
import { type LegacyEventRow, readLegacyEvents } from '../../../engine/store/legacy-events.js';
import { v1 } from '../../../engine/wire-proto/index.js';
import type { GrpcDeps } from '../deps.js';
import { type Call, serverStream, writeMessage } from '../rpc.js';
import { followedStream, optionalText, sequenceOf } from '../values.js';
import { sequencedEvent } from './messages.js';

const PAGE_EVENTS_MAX = 1000;
const WAIT_MS_DEFAULT = 30_000;
const WAIT_MS_MAX = 300_000;
/** A page's message ends before the event that would bring its payloads to more than this: clients take 4 MiB unless told otherwise. */
const PAGE_BYTES_MAX = 3 * 1024 * 1024;

/** Pages to the head of a legacy stream; then, if asked to, whatever comes within the wait. */
export const pullRpc = ({ sql, hub }: GrpcDeps) =>
  serverStream(v1.PullRequestSchema, async (request, call, out) => {
    const stream = followedStream(call, request);
    const wanted = matcherOf(request);
    const size = Math.min(Math.max(request.batchSize, 1), PAGE_EVENTS_MAX);
    const waitMs = Math.min(request.waitTimeoutMs || WAIT_MS_DEFAULT, WAIT_MS_MAX);
    let next = BigInt(Math.max(1, sequenceOf(request.fromSequence, 'from_sequence')));
    for (let first = true; !call.signal.aborted; first = false) {
      const page = await readLegacyEvents(sql, stream, next, next + BigInt(size) - 1n);
      const events = cutPage(page.events);
      const last = events.at(-1)?.sequence;
      const drained = last === undefined || last >= page.head;
      if (last !== undefined) next = last + 1n;
      if (first || last !== undefined) {
        out.write(
          writeMessage(v1.PullResponseSchema, {
            events: events.filter(wanted).map((event) => sequencedEvent(event, stream)),
            // Behind the head, also for a caller who asked for a number that is far beyond it.
            nextSequence: drained && (last === undefined || last <= page.head) ? page.head + 1n : next,
            hasMore: !drained,
            headSequence: page.head,
          }),
        );
        await out.drained();
      }
      if (!drained) continue;
      if (!request.waitForNew || !(await newer(call, Number(page.head)))) return;
    }

    /** Whether there is something behind `head`, or will be within the wait. */
    async function newer({ signal }: Call, head: number): Promise<boolean> {
      return (await hub.waitForHead('legacy', stream, head, { timeoutMs: waitMs, signal })) > head;
    }
  });

function matcherOf(request: v1.PullRequest): (event: LegacyEventRow) => boolean {
  const type = optionalText(request.entityTypeFilter, 'entity_type_filter', ENTITY_TYPE_BYTES_MAX);
  const id = optionalText(request.entityIdFilter, 'entity_id_filter', ENTITY_ID_BYTES_MAX);
  return (event) =>
    (type === undefined || event.entityType === type) && (id === undefined || event.entityId === id);
}

function cutPage(events: readonly LegacyEventRow[]): readonly LegacyEventRow[] {
  let bytes = 0;
  const end = events.findIndex((event, i) => {
    bytes += Buffer.byteLength(event.payload);
    return i > 0 && bytes > PAGE_BYTES_MAX;
  });
  return end === -1 ? events : events.slice(0, end);
}
