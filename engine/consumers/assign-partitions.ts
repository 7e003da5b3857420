/**
 * Which partitions a consumer has after a call. Pure, and a function of what is stored: every process decides alike.
 *
 *   free    nobody's, or its owner's lease has ended and nothing of it is in flight
 *   mine    this consumer's; beyond the fair share it is given back when idle, and runs dry (nothing new is handed out) when busy
 *   theirs  anybody else's: not touched, so an entity's events are never in flight at two consumers
 *
 * The fair share is partitions / consumers, rounded up. Consumers beyond the number of partitions stand by.
 */

/** A partition as it is stored. */
export interface PartitionState {
  readonly partition: number;
  readonly consumer: string | null;
  readonly expired: boolean;
  readonly inFlight: number;
}

/** What a consumer does with partitions. */
export interface Assignment {
  /** Its partitions from now on: its lease on them is renewed. */
  readonly hold: readonly number[];
  /** Those of them whose events it gets; the others run dry. */
  readonly serve: readonly number[];
  /** Its partitions until now, anybody's from now on. */
  readonly release: readonly number[];
}

/** @param members live consumers of the group, this one included */
export function assignPartitions(
  partitions: readonly PartitionState[],
  members: number,
  consumer: string,
): Assignment {
  const share = Math.ceil(partitions.length / Math.max(1, members));
  const mine = partitions.filter((each) => each.consumer === consumer);
  const surplus = mine.length - share;
  if (surplus <= 0) {
    const free = partitions.filter((each) => isFree(each) && each.consumer !== consumer);
    const hold = [...mine, ...free.slice(0, -surplus)].map(numberOf);
    return { hold, serve: hold, release: [] };
  }
  // Busy ones are kept before idle ones: what is idle can change hands at once.
  const kept = [...mine].sort((a, b) => Number(b.inFlight > 0) - Number(a.inFlight > 0));
  const leaving = kept.slice(share);
  const serve = kept.slice(0, share).map(numberOf);
  const dry = leaving.filter((each) => each.inFlight > 0).map(numberOf);
  return {
    hold: [...serve, ...dry],
    serve,
    release: leaving.filter((each) => each.inFlight === 0).map(numberOf),
  };
}

/** Whether a consumer may take the partition without asking its owner. */
export const isFree = ({ consumer, expired, inFlight }: PartitionState): boolean =>
  consumer === null || (expired && inFlight === 0);

const numberOf = ({ partition }: PartitionState): number => partition;
