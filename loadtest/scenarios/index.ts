import type { ScenarioName } from '../options.js';
import type { LoadRow } from '../report.js';
import type { Session } from '../session.js';
import { runCatchUp } from './catch-up.js';
import { runCommitments } from './commitments.js';
import { runIdle } from './idle.js';
import { runIngest } from './ingest.js';
import { runQueries } from './queries.js';
import { runStreams } from './streams.js';

/** What a scenario measured. */
export interface ScenarioResult {
  readonly rows: readonly LoadRow[];
  readonly figures?: Readonly<Record<string, number>>;
  /** What is wrong with what was heard, if anything is. */
  readonly faults?: readonly string[];
}

export type Scenario = (session: Session) => Promise<ScenarioResult>;

/** By name. */
export const SCENARIO: Readonly<Record<ScenarioName, Scenario>> = {
  ingest: runIngest,
  queries: runQueries,
  commitments: runCommitments,
  streams: runStreams,
  'catch-up': runCatchUp,
  idle: runIdle,
};
