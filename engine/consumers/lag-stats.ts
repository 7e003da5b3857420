import { measureCursorLag } from '../store/agent-cursors.js';
import type { Sql } from '../store/connection.js';
import { measureGroupLag } from '../store/consumer-groups-state.js';
import type { ConsumerStat } from './group-types.js';

export interface LagStatsDeps {
  readonly sql: Sql;
  /** A cursor or group with a greater lag counts as behind. Unset: 1000 events. */
  readonly behindBy?: number;
  /** The database is asked at most this often. Unset: 15 s. */
  readonly everyMs?: number;
}

/** How far readers are behind, without a label per reader: their number is the tenants' choice. */
export interface LagStats {
  /** What was measured last; starts the next measurement when that was long ago. Empty before the first one has ended. */
  collectStats(): readonly ConsumerStat[];
  /** Measures now. */
  measure(): Promise<readonly ConsumerStat[]>;
}

export function createLagStats({ sql, behindBy = 1000, everyMs = 15_000 }: LagStatsDeps): LagStats {
  let latest: readonly ConsumerStat[] = [];
  let measuredAt = Number.NEGATIVE_INFINITY;

  const measure = async () => {
    measuredAt = performance.now();
    const [cursors, groups] = await Promise.all([
      measureCursorLag(sql, behindBy),
      measureGroupLag(sql, behindBy),
    ]);
    const stat = (name: string, help: string, value: number): ConsumerStat => ({ name, help, value });
    latest = [
      stat('cursors', 'Durable cursors of agents', cursors.cursors),
      stat('cursors_behind', `Cursors more than ${behindBy} events behind their stream`, cursors.behind),
      stat('cursor_lag_max', 'Greatest distance of a cursor from the head of its stream', cursors.lagMax),
      stat('consumer_groups', 'Consumer groups', groups.groups),
      stat('consumer_groups_behind', `Groups with more than ${behindBy} events to go`, groups.behind),
      stat('consumer_group_lag_max', 'Most events a group has to go', groups.lagMax),
      stat('consumer_group_in_flight', 'Deliveries in the hands of consumers', groups.inFlight),
      stat('consumer_group_parked', 'Events that groups gave up on', groups.parked),
    ];
    return latest;
  };

  return {
    measure,
    collectStats() {
      if (performance.now() - measuredAt >= everyMs) measure().catch(() => {}); // the numbers stay as old as they are
      return latest;
    },
  };
}
