/** What the service promised during a run: which event got which number. Kept small, because it is kept for every event. */

/**
 * Runs of consecutive numbers, one behind the other in columns. Run `i` is of `counts[i]` events of store `stores[i]`, numbered from
 * `firsts[i]`; their ids, 16 bytes each, follow in `ids` on those of the run before.
 */
export interface Acknowledgements {
  readonly runs: number;
  readonly stores: Uint16Array;
  readonly firsts: Float64Array;
  readonly counts: Uint32Array;
  readonly ids: Uint8Array;
}

export interface AcknowledgementLog {
  /** @param ids 16 bytes per event, in the order of their numbers */
  add(store: number, first: number, ids: Uint8Array): void;
  finish(): Acknowledgements;
}

export const ID_BYTES = 16;

export function createAcknowledgementLog(): AcknowledgementLog {
  let runs = 0;
  let stores = new Uint16Array(1024);
  let firsts = new Float64Array(1024);
  let counts = new Uint32Array(1024);
  let ids = new Uint8Array(64 * 1024);
  let idsEnd = 0;

  function grow(): void {
    const more = <T extends Uint16Array | Float64Array | Uint32Array>(old: T, larger: T): T => {
      larger.set(old);
      return larger;
    };
    stores = more(stores, new Uint16Array(runs * 2));
    firsts = more(firsts, new Float64Array(runs * 2));
    counts = more(counts, new Uint32Array(runs * 2));
  }

  return {
    add(store, first, more) {
      if (runs === stores.length) grow();
      if (idsEnd + more.length > ids.length) {
        const larger = new Uint8Array(Math.max(ids.length * 2, idsEnd + more.length));
        larger.set(ids.subarray(0, idsEnd));
        ids = larger;
      }
      stores[runs] = store;
      firsts[runs] = first;
      counts[runs] = more.length / ID_BYTES;
      ids.set(more, idsEnd);
      idsEnd += more.length;
      runs++;
    },
    finish: () => ({
      runs,
      stores: stores.slice(0, runs),
      firsts: firsts.slice(0, runs),
      counts: counts.slice(0, runs),
      ids: ids.slice(0, idsEnd),
    }),
  };
}

/** Events in all of them. */
export const acknowledgedEvents = (all: readonly Acknowledgements[]): number =>
  all.reduce((sum, { ids }) => sum + ids.length / ID_BYTES, 0);

/** Calls `visit` for every run: its store, first number, and ids. */
export function forEachRun(
  { runs, stores, firsts, counts, ids }: Acknowledgements,
  visit: (store: number, first: number, ids: Uint8Array) => void,
): void {
  let at = 0;
  for (let run = 0; run < runs; run++) {
    const end = at + counts[run]! * ID_BYTES;
    visit(stores[run]!, firsts[run]!, ids.subarray(at, end));
    at = end;
  }
}
