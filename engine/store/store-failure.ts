/** What a failed transaction means for the events in it. */

import type { StoreFailure } from '../sequencer/index.js';
import postgres from './driver/index.js';

/** SQLSTATE classes that blame the data: integrity (23) and data exceptions (22). */
const REFUSED = /^(22|23)/;
/** The server or the network ended the session: 08 connection exception, 57P0x shutdown and friends. */
const SESSION_ENDED = /^(08|57P0)/;

/**
 * Classifies an error of the driver. `commitSent`: the COMMIT may have reached the server, so a session that ends without
 * an answer leaves the outcome open; an error *answer* always means that the transaction was rolled back.
 */
export function storeFailure(error: unknown, commitSent: boolean): StoreFailure {
  const code = error instanceof postgres.PostgresError ? error.code : '';
  // FATAL and PANIC end the session as well, whatever their code: a server that panics over its WAL may have kept it.
  const answered = code !== '' && !SESSION_ENDED.test(code) && severityOf(error) === 'ERROR';
  const outcome = answered
    ? REFUSED.test(code)
      ? 'refused'
      : 'unavailable'
    : commitSent
      ? 'lost'
      : 'unavailable';
  const reason = error instanceof Error ? error.message : String(error);
  return Object.assign(
    new Error(`group ${outcome}${code && ` (SQLSTATE ${code})`}: ${reason}`, { cause: error }),
    { outcome } as const,
  );
}

/** The untranslated severity of an error answer. */
function severityOf(error: unknown): string | undefined {
  return (error as { severity?: string }).severity;
}

/** Rejects when `promise` takes longer than `ms`; the caller then throws the connection away. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer from the database within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
