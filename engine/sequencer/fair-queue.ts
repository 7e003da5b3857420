/**
 * A queue in which owners take turns: deficit round robin (Shreedhar and Varghese, SIGCOMM 1995) in its surplus form. First come,
 * first served within an owner, which is what keeps the order of streams and connections; between owners, each turn is worth
 * the same. An item may overdraw its owner's turn; the owner sits out until that is made good. Every step around the ring gives
 * out a turn that is paid for by items taken, so an item costs O(1) steps per turn it is worth.
 */

/** The items of one owner, and its place in the ring. */
interface Line<T> {
  readonly owner: string;
  /** Taken ones are let go of at once: what they hold on to may be large. */
  readonly items: (T | undefined)[];
  /** Index of the first item that is left. */
  first: number;
  credit: number;
  next: Line<T>;
}

export interface FairQueue<T> {
  push(owner: string, item: T): void;
  /**
   * The item whose turn it is; it stays where it is.
   *
   * @param mayGo owners for whom it answers no are passed over
   */
  peek(mayGo?: (owner: string) => boolean): T | undefined;
  /** Takes what the last `peek` returned; nothing may happen between the two. */
  take(): T;
  /** Removes the items that are not to be kept and returns them. */
  discard(keep: (item: T) => boolean): T[];
  readonly size: number;
  /** Owners with items. */
  readonly owners: number;
}

/** Items taken from the front of a line before its array is cut. */
const TAKEN_MAX = 256;
const everybody = (): boolean => true;

/**
 * @param costOf what an item takes of its owner's turn
 * @param turn what an owner's turn is worth, in the same unit, more than 0
 */
export function createFairQueue<T>(costOf: (item: T) => number, turn: number): FairQueue<T> {
  const lines = new Map<string, Line<T>>();
  /** The line whose turn comes last; the one after it is next. */
  let last: Line<T> | undefined;
  let size = 0;

  function join(owner: string): Line<T> {
    // Whoever arrives has a whole turn, after everybody who is here.
    const line = { owner, items: [], first: 0, credit: turn } as unknown as Line<T>;
    line.next = last?.next ?? line;
    if (last !== undefined) last.next = line;
    last = line;
    lines.set(owner, line);
    return line;
  }

  /** Removes the line whose turn is next. */
  function leave(): void {
    const line = last!.next;
    lines.delete(line.owner);
    if (line === last) last = undefined;
    else last!.next = line.next;
  }

  return {
    push(owner, item) {
      (lines.get(owner) ?? join(owner)).items.push(item);
      size++;
    },
    peek(mayGo = everybody) {
      if (last === undefined) return undefined;
      for (let passed = 0; passed < lines.size; ) {
        const line: Line<T> = last!.next;
        if (!mayGo(line.owner)) passed++;
        else if (line.credit > 0) return line.items[line.first];
        else {
          line.credit += turn;
          passed = 0;
        }
        last = line;
      }
      return undefined;
    },
    take() {
      const line = last!.next;
      const item = line.items[line.first]!;
      line.items[line.first++] = undefined;
      line.credit -= costOf(item);
      size--;
      if (line.first === line.items.length) leave();
      else if (line.first >= TAKEN_MAX && line.first * 2 >= line.items.length) {
        line.items.splice(0, line.first);
        line.first = 0;
      }
      return item;
    },
    discard(keep) {
      const gone: T[] = [];
      const left: Line<T>[] = [];
      for (let line = last?.next; line !== undefined; line = line === last ? undefined : line.next) {
        const kept: T[] = [];
        for (let i = line.first; i < line.items.length; i++) {
          const item = line.items[i]!;
          (keep(item) ? kept : gone).push(item);
        }
        if (kept.length > 0) left.push({ ...line, items: kept });
      }
      lines.clear();
      last = undefined;
      size = 0;
      for (const { owner, items, credit } of left) {
        const line = join(owner);
        line.credit = credit;
        line.items.push(...items);
        size += items.length;
      }
      return gone;
    },
    get size() {
      return size;
    },
    get owners() {
      return lines.size;
    },
  };
}
