/** What a stream's subscribers with the same filter and format share: the latest chunks, and how far the stream has come. */
import type { EventChunk, EventFormat, StreamName } from './chunk.js';
import type { EventFilter } from './filter.js';

export interface FeedKey {
  readonly stream: StreamName;
  readonly filter: EventFilter;
  readonly format: EventFormat;
}

export interface Feed extends FeedKey {
  readonly id: number;
  readonly name: string;
  /** How long events are kept in memory at most, by the feed and for its subscribers, in milliseconds. */
  readonly keptMs: number;
  /** The last number known to be committed; undefined until the tail has begun. */
  readonly position: number | undefined;
  /** Moves the position without a chunk: what lies between has to be read from the database. */
  moveTo(position: number): void;
  append(chunk: EventChunk): void;
  /** The chunk that covers a number, if it is still there. */
  find(sequence: number): EventChunk | undefined;
  /** Lets go of what was kept for too long. @param now `performance.now()` */
  dropExpired(now: number): void;
}

/** Chunks kept for subscribers who are a moment behind; whoever is further behind reads from the database. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;
const KEPT_CHUNKS_MAX = 256;
/** What a chunk takes besides its bytes. */
const CHUNK_OVERHEAD_BYTES = 512;

const sizeOf = (chunk: EventChunk): number => chunk.bytes.length + CHUNK_OVERHEAD_BYTES + 12 * chunk.count;

/**
 * @param keptMs how long chunks are kept at most: where payloads can be erased, memory must not outlast the erasure
 */
export function createFeed(
  id: number,
  name: string,
  key: FeedKey,
  keptMs: number = Number.POSITIVE_INFINITY,
): Feed {
  const kept: EventChunk[] = [];
  /** When each of them came, in milliseconds of the process's clock. */
  const since: number[] = [];
  let bytes = 0;
  let position: number | undefined;

  function dropOldest(): void {
    bytes -= sizeOf(kept.shift()!);
    since.shift();
  }

  function dropExpired(now: number): void {
    while (since.length > 0 && now - since[0]! > keptMs) dropOldest();
  }

  return {
    ...key,
    id,
    name,
    keptMs,
    dropExpired,
    get position() {
      return position;
    },
    moveTo(to) {
      position = Math.max(position ?? 0, to);
    },
    append(chunk) {
      const now = performance.now();
      dropExpired(now);
      // A hole in front of it: what is kept no longer leads up to the head.
      if (kept.length > 0 && kept.at(-1)!.last + 1 !== chunk.first) {
        kept.length = 0;
        since.length = 0;
        bytes = 0;
      }
      kept.push(chunk);
      since.push(now);
      bytes += sizeOf(chunk);
      position = Math.max(position ?? 0, chunk.last);
      while (kept.length > 1 && (bytes > KEPT_BYTES_MAX || kept.length > KEPT_CHUNKS_MAX)) dropOldest();
    },
    find(sequence) {
      dropExpired(performance.now());
      if (kept.length === 0 || sequence < kept[0]!.first || sequence > kept.at(-1)!.last) return undefined;
      let low = 0;
      let high = kept.length - 1;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (kept[middle]!.last < sequence) low = middle + 1;
        else high = middle;
      }
      return kept[low];
    },
  };
}
