/** The consumers' side of groups: pull, acknowledge, refuse, leave. */
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import type { GroupRow } from '../store/consumer-groups.js';
import { acknowledge, type HandedOut, type Handout, locate } from '../store/consumer-groups-deliveries.js';
import { removeMember, renewMember } from '../store/consumer-groups-members.js';
import { type Returned, returnAllOf, returnHandouts } from '../store/consumer-groups-returns.js';
import { openVesRows } from '../store/sealed-rows.js';
import type { InGroup } from './consumer-groups.js';
import { formatDeliveryId, parseDeliveryId } from './delivery-id.js';
import type {
  Acknowledged,
  ConsumerGroups,
  Delivery,
  GroupRef,
  Nacked,
  PullRequest,
  Refusal,
  Refused,
} from './group-types.js';
import { LEASE_MS, type Look, look } from './pull.js';
import { createWaitingRoom, type WaitForHead, waitForTime } from './wait.js';

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
  /** Opens payloads. */
  readonly sql: Sql;
  readonly inGroup: InGroup;
  readonly waitForHead: WaitForHead | undefined;
}

/** See the methods of {@link ConsumerGroups}. */
export function createDeliveries({
  sql,
  inGroup,
  waitForHead = waitForTime,
}: DeliveryDeps): Pick<ConsumerGroups, 'pull' | 'ack' | 'nack' | 'leave' | 'close'> {
  const room = createWaitingRoom(WAITERS_MAX);
  const nameOf = ({ tenantId, storeId, name }: GroupRef) => `${tenantId}/${storeId}/${name}`;

  /** Looks until there is something, or the time is over. Between two looks nothing is held but memory. */
  async function pull(ref: GroupRef, request: PullRequest): Promise<readonly Delivery[]> {
    const { consumer, max, waitMs, signal } = request;
    const start = performance.now();
    const left = (ms: number) => start + ms - performance.now();
    for (;;) {
      const seen = await inGroup(ref, (tx, group) => look(tx, group, consumer, max));
      if (seen.released) room.wake(nameOf(ref));
      if (seen.events.length > 0) return handOver(ref, request, seen);
      if (signal?.aborted || room.closed) return [];
      if (seen.more && left(Math.max(waitMs, READING_MS_MAX)) > 0) continue;
      const timeoutMs = Math.min(left(waitMs), LOOK_AGAIN_MS);
      if (timeoutMs <= 0) return [];
      // Where the stream was not looked at, more of it would be of no use: only time helps, or a call of this consumer.
      const wait = seen.head === undefined ? waitForTime : waitForHead;
      const after = Number(seen.head ?? 0n);
      await room.wait(
        nameOf(ref),
        consumer,
        (woken) => wait(ref, after, { timeoutMs, signal: woken }),
        signal,
      );
      if (signal?.aborted || room.closed) return [];
    }
  }

  /**
   * A caller that has gone cannot acknowledge: others need not wait for the timeout. Neither can one who is not told the events, and that
   * their payloads cannot be opened is not the consumers' failure: it counts no attempt, and parks nothing.
   */
  async function handOver(
    ref: GroupRef,
    { consumer, signal }: PullRequest,
    { events }: Look,
  ): Promise<Delivery[]> {
    const giveBack = () =>
      inGroup(ref, (tx, group) =>
        returnHandouts(tx, group, consumer, events, { counted: false, park: false, delayMs: 0, reason: '' }),
      );
    if (signal?.aborted) {
      await giveBack();
      return [];
    }
    try {
      return (await openVesRows(sql, ref.tenantId, events)).map(toDelivery);
    } catch (error) {
      await giveBack().catch(() => {}); // then they time out
      throw error;
    }
  }

  /** What a consumer settles or gives back makes room for what it waits for. */
  const settling = async <Result>(ref: GroupRef, consumer: string, work: Parameters<InGroup>[1]) => {
    const result = await inGroup(ref, async (tx, group) => {
      await renewMember(tx, group, consumer, LEASE_MS);
      return work(tx, group);
    });
    room.wake(nameOf(ref), consumer);
    return result as Result;
  };

  return {
    pull,
    ack: (ref, consumer, deliveryIds) =>
      settling<Acknowledged>(ref, consumer, async (tx, group) => {
        const handouts = deliveryIds.map(toHandout);
        const settled = new Set(await acknowledge(tx, group, consumer, handouts));
        return { acknowledged: settled.size, refused: await explain(tx, group, handouts, settled) };
      }),
    nack: (ref, consumer, { deliveryIds, ...manner }) =>
      settling<Nacked>(ref, consumer, async (tx, group) => {
        const handouts = deliveryIds.map(toHandout);
        const given = await returnHandouts(tx, group, consumer, handouts, { counted: true, ...manner });
        const of = (outcome: Returned['outcome']) => given.filter((each) => each.outcome === outcome);
        const named = [...of('returned'), ...of('parked')].map((each) => each.sequence);
        return {
          returned: of('returned').length,
          parked: of('parked').length,
          withdrawn: of('withdrawn').map(formatDeliveryId),
          refused: await explain(tx, group, handouts, new Set(named)),
        };
      }),
    leave: async (ref, consumer) => {
      await inGroup(ref, async (tx, group) => {
        await returnAllOf(tx, group, consumer);
        await removeMember(tx, group, consumer);
      });
      room.wake(nameOf(ref));
    },
    close: room.close,
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
