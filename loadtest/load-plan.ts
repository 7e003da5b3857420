/** What a load run is told and what it answers. */
import type { Acknowledgements } from './acknowledgements.js';
import type { LatencySummary } from './latency.js';
import type { Protocol } from './line.js';

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  /** Unset: http. */
  readonly protocol?: Protocol;
  /** For protocols that say once who they are; over HTTP it is in the requests. */
  readonly apiKey?: string;
  readonly connections: number;
  /** Requests under way on each connection; unset: 1. HTTP allows no more. */
  readonly window?: number;
  /** Events per request. */
  readonly batch: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Requests per second in open loop; undefined: closed loop. */
  readonly ratePerSec?: number;
  /** One answer in so many is kept for verification; 0: none. */
  readonly sampleEvery: number;
  /** Start over when the requests are used up: for reads, and for services that do not look at them. */
  readonly repeat?: boolean;
  /** `answers`: any good answer will do, as for reads. Unset: all events of the request have to be accepted. */
  readonly expect?: 'events' | 'answers';
  /** Report the number of every acknowledged event. */
  readonly keepAcknowledgements?: boolean;
}

/** An answer that was kept. */
export interface LoadSample {
  readonly block: number;
  readonly request: number;
  readonly text: string;
}

export interface LoadResult {
  /** Of the whole run, warm-up included: everything the service must have stored. */
  readonly acknowledgedRequests: number;
  readonly acknowledgedEvents: number;
  /** Requests that were not answered well, or not with all events accepted, and the first such answers. */
  readonly failures: number;
  readonly failureTexts: readonly string[];
  /** Failures by status and code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of the measured time: well answered requests, and their events and latencies. */
  readonly measuredMs: number;
  readonly measuredRequests: number;
  readonly measuredEvents: number;
  /** Events per second of each full second. */
  readonly eventsPerSecond: readonly number[];
  readonly cpuMicros: number;
  readonly latency: LatencySummary;
  /** The latencies, for adding up those of several generators. */
  readonly latencies: string;
  readonly samples: readonly LoadSample[];
  readonly acknowledgements?: Acknowledgements;
  /** The prepared requests ran out before the time was over. */
  readonly ranOut: boolean;
}
