/**
 * One stream as the tail follows it: which numbers have been passed on, and where the next ones come from. Groups committed in this
 * process arrive with their rows, in any order; what is missing between them (groups of other processes, groups whose commit
 * was in doubt) is read from the database. Every number is passed on once, in order (L7).
 *
 * Pure but for its ports: whoever owns it performs the reads it asks for.
 */
import type { CommittedPiece } from './tail-messages.js';

export interface TailStreamPorts {
  /** Passes committed rows on. The pieces of successive calls follow on each other. */
  emit(piece: CommittedPiece): void;
  /** Reads and passes on `from..to` by calling {@link TailStream.filled} as far as it got; `to` may not be stored yet. */
  fill(from: number, to: number): void;
}

export interface TailStream {
  /** The last number passed on; undefined until `begin`. */
  readonly position: number | undefined;
  /** The stream's head, read after its groups were being listened for. */
  begin(head: number): void;
  /** A group of this process. */
  committed(piece: CommittedPiece): void;
  /** Somebody says that the head is at least this. */
  hint(head: number): void;
  /** The read that was asked for has passed on everything up to `last`; nothing beyond it is stored. */
  filled(last: number): void;
}

/** Groups that wait for a gap to be filled; when there are more, all of them are read from the database instead. */
const WAITING_MAX = 64;

export function createTailStream({ emit, fill }: TailStreamPorts): TailStream {
  let position: number | undefined;
  let hinted = 0;
  /** Where the read under way ends; 0: there is none. */
  let fillingTo = 0;
  /** By first number. */
  const waiting = new Map<number, CommittedPiece>();

  /** Passes on what follows on directly, then asks for what is missing. */
  function advance(): void {
    if (position === undefined || fillingTo > 0) return;
    for (let next = waiting.get(position + 1); next; next = waiting.get(position + 1)) {
      waiting.delete(next.first);
      position = next.last;
      emit(next);
    }
    let until = hinted;
    for (const [first, { last }] of waiting) {
      if (last <= position) waiting.delete(first);
      else until = Math.max(until, first <= position ? last : first - 1);
    }
    if (until <= position) return;
    fillingTo = until;
    fill(position + 1, until);
  }

  return {
    get position() {
      return position;
    },
    begin(head) {
      position ??= head;
      advance();
    },
    committed(piece) {
      if (position !== undefined && piece.last <= position) return;
      if (waiting.size >= WAITING_MAX) {
        for (const { last } of waiting.values()) hinted = Math.max(hinted, last);
        waiting.clear();
      }
      waiting.set(piece.first, piece);
      advance();
    },
    hint(head) {
      hinted = Math.max(hinted, head);
      advance();
    },
    filled(last) {
      position = Math.max(position ?? 0, last);
      // A hint may be wrong: what is not stored is not waited for, unless somebody said so meanwhile.
      if (last < fillingTo && hinted <= fillingTo) hinted = position;
      fillingTo = 0;
      advance();
    },
  };
}
