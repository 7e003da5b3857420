/**
 * The notary: a log over the checkpoints of all streams, so that one witnessed checkpoint vouches for the whole service.
 *
 * 1. `notarise` appends an entry for each stream that has grown. Notaries of several processes do not wait for each other: they build
 *    on the edge they read, and the database takes what still fits (a compare-and-swap). The new root is recorded by the same statement.
 * 2. `issueCheckpoint` signs the recorded root of the log's end and stores the note.
 *
 * L5 is decided in the first step, where one of two racing notaries loses and starts over, and by the primary key of the recorded roots:
 * whoever signs, signs what is recorded. So all sizes ever signed lie on one history, and each has one root.
 */
import type { Sha256Into } from '../log/index.js';
import type { Sql } from '../store/connection.js';
import { type LogSigner, originOf } from './checkpoints.js';
import { createIssueCheckpoint } from './issue-checkpoint.js';
import type { LogService } from './log-service.js';
import { createNotarise } from './notarise.js';
import { createProveStream } from './prove-stream.js';
import { createPublishedCheckpoints, type PublishedCheckpoints } from './published.js';
import { NO_WITNESSES, type WitnessPolicy } from './witness-policy.js';

export interface Notary {
  readonly notarise: ReturnType<typeof createNotarise>;
  readonly issueCheckpoint: ReturnType<typeof createIssueCheckpoint>;
  readonly proveStream: ReturnType<typeof createProveStream>;
  /** The notary's checkpoints as they are given out. */
  readonly published: PublishedCheckpoints;
}

/** @param deps `origin` is the configured base of all origins; `policy` unset: no witnesses; `now` a clock in milliseconds */
export function createNotary(deps: {
  sql: Sql;
  sha256: Sha256Into;
  logs: LogService;
  origin: string;
  signer: LogSigner;
  policy?: WitnessPolicy;
  now?: () => number;
}): Notary {
  const { sql, policy = NO_WITNESSES } = deps;
  const origin = originOf(deps.origin, { kind: 'notary' });
  const published = createPublishedCheckpoints({ sql, origin, policy });
  return {
    notarise: createNotarise(deps),
    issueCheckpoint: createIssueCheckpoint({ ...deps, published }),
    proveStream: createProveStream({ ...deps, published }),
    published,
  };
}
