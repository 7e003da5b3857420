import type { Sql } from '../store/connection.js';
import type { GroupRow } from '../store/consumer-groups.js';
import { liveMembers, readPartitions } from '../store/consumer-groups-members.js';
import { countGroup } from '../store/consumer-groups-state.js';
import { isFree } from './assign-partitions.js';
import type { GroupState } from './group-types.js';
import { LEASE_MS } from './pull.js';

/** How a group stands. Its parts are read one after the other, while the group may go on. */
export async function readGroupState(sql: Sql, group: GroupRow): Promise<GroupState> {
  const counts = await countGroup(sql, group);
  const partitions = await readPartitions(sql, group, LEASE_MS);
  const { head, waiting, inFlight, parked, lowest } = counts;
  const unread = head > group.readSequence ? head - group.readSequence : 0n;
  return {
    group,
    head,
    settledSequence: lowest === null ? group.readSequence : lowest - 1n,
    lag: unread + waiting + inFlight,
    waiting,
    inFlight,
    parked,
    consumers: await liveMembers(sql, group),
    partitions: partitions.map((each) => ({
      partition: each.partition,
      consumer: isFree(each) ? null : each.consumer,
      leaseUntil: isFree(each) ? null : each.leaseUntil,
      inFlight: each.inFlight,
    })),
  };
}
