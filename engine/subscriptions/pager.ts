/** Pages read from the database, for subscribers who are behind: bounded in number, tried again when the database fails. */
import { ServiceError } from '../errors/index.js';
import { createFairQueue } from '../sequencer/index.js';
import type { EventChunk } from './chunk.js';
import type { PageRequest, TailAnswer, TailPort } from './tail-messages.js';

export interface Pager {
  /** Reads a page when it is its turn. */
  read(request: PageRequest, reader: PageReader): PageTicket;
  answer(answer: Extract<TailAnswer, { type: 'page' | 'page-failed' }>): void;
  readonly pagesRead: number;
  /** Counts the bytes of pages that subscribers hold; negative when they let go of them. */
  hold(bytes: number): void;
  /** Subscribers hold as much as they may together: who cannot pass a page on should let go of it, and read it again later. */
  readonly full: boolean;
  /** Nobody waits for a page, and there is room to hold some: reading for those who may not need it yet takes nothing from others. */
  readonly spare: boolean;
}

/** Who wants a page. */
export interface PageReader {
  /** Called once, later, with the chunk or with what went wrong; not after `cancel`. */
  done(result: EventChunk | ServiceError): void;
  /** Asked when it is the page's turn and others wait: whoever could not pass it on would only keep them waiting. */
  wanted(): boolean;
  /** It was not wanted, and is not read. */
  dropped(): void;
}

export interface PageTicket {
  cancel(): void;
}

/** Pages being read at once: they share few connections, and each may hold some megabytes. */
const READING_MAX = 8;
const HELD_BYTES_MAX = 64 * 1024 * 1024;
const ATTEMPTS_MAX = 8;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5000;

interface Job {
  readonly request: PageRequest;
  /** Unset: cancelled. */
  reader: PageReader | undefined;
  attempts: number;
}

export function createPager(tail: Pick<TailPort, 'post'>): Pager {
  const reading = new Map<number, Job>();
  /** Tenants take turns (L10); within one, whoever reads a long way takes its turn page by page. */
  const waiting = createFairQueue<Job>(() => 1, 1);
  let pageIds = 0;
  let pagesRead = 0;
  let held = 0;

  function enqueue(job: Job): void {
    waiting.push(job.request.stream.tenantId, job);
    next();
  }

  function next(): void {
    while (reading.size < READING_MAX) {
      const job = waiting.peek();
      if (job === undefined) return;
      waiting.take();
      if (job.reader === undefined) continue;
      if (!job.reader.wanted() && waiting.size > 0) {
        job.reader.dropped();
        continue;
      }
      const page = ++pageIds;
      reading.set(page, job);
      tail.post({ type: 'page', page, ...job.request });
    }
  }

  function failed(job: Job, error: ServiceError): void {
    const retryable = error.code === 'SERVICE_UNAVAILABLE' || error.code === 'DATABASE_ERROR';
    if (!retryable || ++job.attempts >= ATTEMPTS_MAX) {
      job.reader?.done(error);
      return;
    }
    const pause = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** job.attempts);
    setTimeout(() => {
      enqueue(job);
    }, pause).unref();
  }

  return {
    read(request, reader) {
      const job: Job = { request, reader, attempts: 0 };
      enqueue(job);
      return {
        cancel() {
          job.reader = undefined;
        },
      };
    },
    answer(answer) {
      const job = reading.get(answer.page);
      if (job === undefined) return;
      reading.delete(answer.page);
      if (answer.type === 'page') {
        pagesRead++;
        job.reader?.done(answer.chunk);
      } else failed(job, new ServiceError(answer.code, answer.message));
      next();
    },
    hold(bytes) {
      held += bytes;
    },
    get full() {
      return held > HELD_BYTES_MAX;
    },
    get spare() {
      return waiting.size === 0 && reading.size < READING_MAX && held < HELD_BYTES_MAX / 2;
    },
    get pagesRead() {
      return pagesRead;
    },
  };
}
