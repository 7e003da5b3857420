/** Pages read from the database, for subscribers who are behind: bounded in number, tried again when the database fails. */
import { ServiceError } from '../errors/index.js';
import type { EventChunk } from './chunk.js';
import type { PageRequest, TailAnswer, TailPort } from './tail-messages.js';

export interface Pager {
  /** Reads a page. `done` is called once, later, with the chunk or with what went wrong; not after `cancel`. */
  read(request: PageRequest, done: (result: EventChunk | ServiceError) => void): PageTicket;
  answer(answer: Extract<TailAnswer, { type: 'page' | 'page-failed' }>): void;
  readonly pagesRead: number;
  /** Counts the bytes of pages that subscribers hold; negative when they let go of them. */
  hold(bytes: number): void;
  /** Subscribers hold as much as they may together: who cannot pass a page on should let go of it, and read it again later. */
  readonly full: boolean;
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
  done: ((result: EventChunk | ServiceError) => void) | undefined;
  attempts: number;
}

export function createPager(tail: Pick<TailPort, 'post'>): Pager {
  const reading = new Map<number, Job>();
  /** First come, first served: whoever reads a long way takes its turn page by page. */
  const waiting: Job[] = [];
  let pageIds = 0;
  let pagesRead = 0;
  let held = 0;

  function next(): void {
    while (reading.size < READING_MAX) {
      const job = waiting.shift();
      if (job === undefined) return;
      if (job.done === undefined) continue;
      const page = ++pageIds;
      reading.set(page, job);
      tail.post({ type: 'page', page, ...job.request });
    }
  }

  function failed(job: Job, error: ServiceError): void {
    const retryable = error.code === 'SERVICE_UNAVAILABLE' || error.code === 'DATABASE_ERROR';
    if (!retryable || ++job.attempts >= ATTEMPTS_MAX) {
      job.done?.(error);
      return;
    }
    const pause = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** job.attempts);
    setTimeout(() => {
      waiting.push(job);
      next();
    }, pause).unref();
  }

  return {
    read(request, done) {
      const job: Job = { request, done, attempts: 0 };
      waiting.push(job);
      next();
      return {
        cancel() {
          job.done = undefined;
        },
      };
    },
    answer(answer) {
      const job = reading.get(answer.page);
      if (job === undefined) return;
      reading.delete(answer.page);
      if (answer.type === 'page') {
        pagesRead++;
        job.done?.(answer.chunk);
      } else failed(job, new ServiceError(answer.code, answer.message));
      next();
    },
    hold(bytes) {
      held += bytes;
    },
    get full() {
      return held > HELD_BYTES_MAX;
    },
    get pagesRead() {
      return pagesRead;
    },
  };
}
