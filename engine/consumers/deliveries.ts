/** The consumers' side of groups: pull, acknowledge, refuse. */
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import type { GroupRow } from '../store/consumer-groups.js';
import { acknowledge, type HandedOut, type Handout, locate } from '../store/consumer-groups-deliveries.js';
import { seeMember } from '../store/consumer-groups-members.js';
import { returnHandouts } from '../store/consumer-groups-returns.js';
import type { InGroup } from './consumer-groups.js';
import { formatDeliveryId, parseDeliveryId } from './delivery-id.js';
import type { ConsumerGroups, Delivery, GroupRef, PullRequest, Refusal, Refused } from './group-types.js';
import { LEASE_MS, type Look, look } from './pull.js';
import { createWaiters, type WaitForHead, waitForTime } from './wait.js';

/** A waiting consumer looks after redeliveries and its share of partitions this often. */
const LOOK_AGAIN_MS = 1000;
/** How long a pull that does not wait may go on reading a stream of which nothing passes the filter. */
const READING_MS_MAX = 1000;
/** Most consumers that wait in this process. */
const WAITERS_MAX = 10_000;

const REFUSALS = { queued: 'lost', parked: 'parked', settled: 'settled' } as const satisfies Record<
  string,
  Refusal
>;

export interface DeliveryDeps {
  readonly sql: Sql;
  readonly inGroup: InGroup;
  readonly waitForHead: WaitForHead | undefined;
}

/** See the methods of {@link ConsumerGroups}. */
export function createDeliveries({
  inGroup,
  waitForHead = waitForTime,
}: DeliveryDeps): Pick<ConsumerGroups, 'pull' | 'ack' | 'nack' | 'close'> {
  const closing = new AbortController();
  const waiters = createWaiters(WAITERS_MAX);

  /** Looks until there is something, or the time is over. Between two looks nothing is held but memory. */
  async function pull(ref: GroupRef, request: PullRequest): Promise<readonly Delivery[]> {
    const { consumer, max, waitMs } = request;
    const signal = request.signal ? AbortSignal.any([request.signal, closing.signal]) : closing.signal;
    const start = performance.now();
    const left = (ms: number) => start + ms - performance.now();
    for (;;) {
      const seen = await inGroup(ref, (tx, group) => look(tx, group, consumer, max));
      if (seen.events.length > 0) return handOver(ref, request, seen);
      if (signal.aborted) return [];
      if (seen.more && left(Math.max(waitMs, READING_MS_MAX)) > 0) continue;
      const timeoutMs = Math.min(left(waitMs), LOOK_AGAIN_MS);
      if (timeoutMs <= 0) return [];
      // Where the stream was not looked at, more of it would be of no use: only time helps.
      const wait = seen.head === undefined ? waitForTime : waitForHead;
      await wait(ref, Number(seen.head ?? 0n), { timeoutMs, signal });
      if (signal.aborted) return [];
    }
  }

  /** A caller that has gone cannot acknowledge: others need not wait for the timeout. */
  async function handOver(
    ref: GroupRef,
    { consumer, signal }: PullRequest,
    { events }: Look,
  ): Promise<Delivery[]> {
    if (!signal?.aborted) return events.map(toDelivery);
    await inGroup(ref, (tx, group) =>
      returnHandouts(tx, group, consumer, events, { counted: false, park: false, delayMs: 0, reason: '' }),
    );
    return [];
  }

  return {
    pull: (ref, request) => waiters.run(() => pull(ref, request)),
    ack: (ref, consumer, deliveryIds) =>
      inGroup(ref, async (tx, group) => {
        const handouts = deliveryIds.map(toHandout);
        await seeMember(tx, group, consumer, LEASE_MS);
        const settled = new Set(await acknowledge(tx, group, consumer, handouts));
        return { acknowledged: settled.size, refused: await explain(tx, group, handouts, settled) };
      }),
    nack: (ref, consumer, { deliveryIds, ...manner }) =>
      inGroup(ref, async (tx, group) => {
        const handouts = deliveryIds.map(toHandout);
        await seeMember(tx, group, consumer, LEASE_MS);
        const given = await returnHandouts(tx, group, consumer, handouts, { counted: true, ...manner });
        const named = new Set(given.filter((each) => each.outcome !== 'withdrawn').map((each) => each.sequence));
        return {
          returned: given.filter((each) => each.outcome === 'returned').length,
          parked: given.filter((each) => each.outcome === 'parked').length,
          withdrawn: given.filter((each) => each.outcome === 'withdrawn').map(formatDeliveryId),
          refused: await explain(tx, group, handouts, named),
        };
      }),
    close: () => closing.abort(),
  };
}

const toDelivery = (event: HandedOut): Delivery => ({
  deliveryId: formatDeliveryId(event),
  sequence: event.sequence,
  attempt: event.attempt,
  deadlineAt: event.deadlineAt,
  event,
});

function toHandout(deliveryId: string): Handout {
  const ref = parseDeliveryId(deliveryId);
  if (ref !== undefined) return ref;
  throw new ServiceError(
    'INVALID_FIELD_VALUE',
    'delivery ids must be those of a pull, such as 1042.77; they are not made by clients',
  );
}

/** What became of the hand-outs that were not settled now. */
async function explain(
  tx: Parameters<typeof locate>[0],
  group: GroupRow,
  handouts: readonly Handout[],
  settled: ReadonlySet<bigint>,
): Promise<Refused[]> {
  const others = handouts.filter((each) => !settled.has(each.sequence));
  if (others.length === 0) return [];
  const places = await locate(tx, group, [...new Set(others.map((each) => each.sequence))]);
  return others.map((each) => ({
    deliveryId: formatDeliveryId(each),
    why: REFUSALS[places.get(each.sequence)!],
  }));
}
