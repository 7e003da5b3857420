/**
 * Ownership of a partition. A lease makes one process the usual writer of a partition; it is never needed for correctness:
 * every group checks the epoch in its own transaction and locks the counters of its streams. Each take-over raises the
 * epoch and writes a recovery record.
 */
import type { Sql } from './connection.js';

export interface PartitionRef {
  readonly partitions: number;
  readonly partition: number;
  /** This process, a UUID made at start. */
  readonly ownerId: string;
  readonly leaseMs: number;
}

/** What the group transaction compares with: the epoch it was told, as owner or as guest of a live owner. */
export interface Lease {
  readonly epoch: bigint;
  readonly owned: boolean;
}

interface LeaseRow {
  epoch: bigint;
  owner_id: string;
  last_group: bigint;
  released: boolean;
  live: boolean;
}

/**
 * Takes the partition over when nobody else holds a live lease, else joins as a guest. Waits for a group in flight.
 *
 * @param sql one reserved connection outside of a transaction; after a failure it must not be used any more. The driver's own
 * `begin` would roll back on a connection that is closed already, which throws outside of any promise.
 */
export async function acquireLease(sql: Sql, ref: PartitionRef): Promise<Lease> {
  const { partitions, partition, ownerId, leaseMs } = ref;
  await sql.unsafe('begin');
  const lease = await take();
  await sql.unsafe('commit');
  return lease;

  async function take(): Promise<Lease> {
    // Serialises two processes that start on an empty table; the row lock below does it afterwards.
    await sql`insert into partition_leases (partition_count, partition, epoch, owner_id, lease_until)
      values (${partitions}, ${partition}, 0, ${ownerId}, '-infinity') on conflict do nothing`;
    const [row] = await sql<LeaseRow[]>`
      select epoch, owner_id, last_group, lease_until = '-infinity' as released, lease_until > now() as live
      from partition_leases where partition_count = ${partitions} and partition = ${partition} for update`;
    if (!row) throw new Error('partition_leases: the row just inserted is gone');
    if (row.live && row.owner_id !== ownerId) return { epoch: row.epoch, owned: false };
    const epoch = row.epoch + 1n;
    await sql`update partition_leases
      set epoch = ${epoch}, owner_id = ${ownerId}, lease_until = now() + ${leaseMs} * interval '1 millisecond'
      where partition_count = ${partitions} and partition = ${partition}`;
    const first = row.epoch === 0n;
    const orderly = first || row.released;
    const reason = first
      ? 'first owner'
      : row.released
        ? 'previous owner released the partition'
        : 'lease of the previous owner ran out';
    // A previous owner without an orderly end had at most one group in flight: the one after the last committed.
    const discarded = orderly ? null : row.last_group + 1n;
    await sql`insert into partition_recoveries (partition_count, partition, generation, previous_generation, owner_id,
        previous_owner_id, last_committed_group, recovery_point, discarded_from, discarded_to, reason)
      values (${partitions}, ${partition}, ${epoch}, ${row.epoch}, ${ownerId}, ${first ? null : row.owner_id},
        ${row.last_group}, ${row.last_group}, ${discarded}, ${discarded}, ${reason})`;
    return { epoch, owned: true };
  }
}

/** Extends the lease of an idle owner; a busy one extends it with every group. */
export async function renewLease(sql: Sql, ref: PartitionRef, lease: Lease): Promise<void> {
  await sql`update partition_leases set lease_until = now() + ${ref.leaseMs} * interval '1 millisecond'
    where partition_count = ${ref.partitions} and partition = ${ref.partition} and epoch = ${lease.epoch}
      and owner_id = ${ref.ownerId}`;
}

/** Gives the partition up in good order. */
export async function releaseLease(sql: Sql, ref: PartitionRef, lease: Lease): Promise<void> {
  await sql`update partition_leases set lease_until = '-infinity'
    where partition_count = ${ref.partitions} and partition = ${ref.partition} and epoch = ${lease.epoch}
      and owner_id = ${ref.ownerId}`;
}
