/** One look of a consumer into its group: sweep, partitions, hand-out, reading ahead, in one transaction. */
import { ServiceError } from '../errors/index.js';
import type { TransactionSql } from '../store/connection.js';
import type { GroupRow } from '../store/consumer-groups.js';
import { countQueued, type HandedOut, handOut, readAhead } from '../store/consumer-groups-deliveries.js';
import {
  forgetMembers,
  leasePartitions,
  liveMembers,
  type PartitionRow,
  readPartitions,
  seeMember,
} from '../store/consumer-groups-members.js';
import { returnExpired } from '../store/consumer-groups-returns.js';
import { type Assignment, assignPartitions } from './assign-partitions.js';

/** How long a partition stays with a consumer that does not call and has nothing of it in flight. */
export const LEASE_MS = 10_000;
/** Most events a group has in its queue: one slow consumer holds the others up after so many, and not before. */
export const QUEUE_EVENTS_MAX = 10_000;
/** Most consumers of a group. */
export const MEMBERS_MAX = 1000;
/** One step of reading ahead. */
const SCAN_EVENTS_MAX = 5000;
const FOUND_EVENTS_MAX = 1000;
/** Most steps in one transaction: it holds the group's lock. */
const STEPS_MAX = 4;

/** What a look found. */
export interface Look {
  readonly events: readonly HandedOut[];
  /** The stream's head as of the look; undefined: the stream was not looked at. */
  readonly head: bigint | undefined;
  /** More of the stream could be read at once. */
  readonly more: boolean;
  /** Partitions were given up: others may be waiting for them. */
  readonly released: boolean;
}

/** The caller holds the group's lock. */
export async function look(
  tx: TransactionSql,
  group: GroupRow,
  consumer: string,
  max: number,
): Promise<Look> {
  const [, , , members, partitions] = await Promise.all([
    returnExpired(tx, group),
    forgetMembers(tx, group),
    seeMember(tx, group, consumer, LEASE_MS),
    liveMembers(tx, group),
    readPartitions(tx, group, LEASE_MS),
  ]);
  if (members.length > MEMBERS_MAX)
    throw new ServiceError(
      'QUOTA_EXCEEDED',
      `A group has at most ${MEMBERS_MAX} consumers: use a name per worker, not per call`,
    );
  const { serve, release } = await takePartitions(tx, group, consumer, partitions, members.length);
  const inFlight = partitions.reduce(
    (sum, each) => sum + (each.consumer === consumer ? each.inFlight : 0),
    0,
  );
  const wanted = Math.min(max, group.maxInFlight - inFlight);
  const released = release.length > 0;
  if (serve.length === 0 || wanted <= 0) return { events: [], head: undefined, more: false, released };
  return { ...(await fill(tx, group, { consumer, partitions: serve }, wanted)), released };
}

/** Hands out, reading ahead as long as it is not enough. */
async function fill(
  tx: TransactionSql,
  group: GroupRow,
  to: { readonly consumer: string; readonly partitions: readonly number[] },
  wanted: number,
): Promise<Omit<Look, 'released'>> {
  const waiting = await handOut(tx, group, { ...to, max: wanted });
  if (waiting.length >= wanted) return { events: waiting, head: undefined, more: false };
  let room = QUEUE_EVENTS_MAX - (await countQueued(tx, group, QUEUE_EVENTS_MAX));
  // Not all that is read is for this consumer.
  let missing = (wanted - waiting.length) * Math.ceil(group.partitions / to.partitions.length);
  let head: bigint | undefined;
  let found = 0;
  let more = false;
  for (let step = 0; step < STEPS_MAX && room > 0 && missing > 0; step++) {
    const read = await readAhead(tx, group, {
      scanMax: SCAN_EVENTS_MAX,
      foundMax: Math.min(room, missing, FOUND_EVENTS_MAX),
    });
    head = read.head;
    found += read.found;
    room -= read.found;
    missing -= read.found;
    more = read.readSequence < read.head && room > 0;
    if (read.readSequence >= read.head) break;
  }
  if (found === 0) return { events: waiting, head, more };
  const fresh = await handOut(tx, group, { ...to, max: wanted - waiting.length });
  return { events: [...waiting, ...fresh], head, more };
}

async function takePartitions(
  tx: TransactionSql,
  group: GroupRow,
  consumer: string,
  partitions: readonly PartitionRow[],
  members: number,
): Promise<Assignment> {
  const assignment = assignPartitions(partitions, members, consumer);
  const { hold, release } = assignment;
  const held = new Set(hold);
  // A lease is renewed when a third of it has gone, so that calls in quick succession do not write.
  const stale = partitions.some(
    (each) => held.has(each.partition) && (each.consumer !== consumer || each.aging),
  );
  if (stale || release.length > 0)
    await leasePartitions(tx, group, consumer, { hold: stale ? hold : [], release, leaseMs: LEASE_MS });
  return assignment;
}
