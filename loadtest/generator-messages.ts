/** Between a load generator, a process or a thread, and the one that steers it. */
import type { RequestPlan } from './requests.js';
import type { LoadPlan, LoadResult, LoadSample } from './run-load.js';

export type GeneratorCommand =
  | { readonly type: 'prepare'; readonly plan: RequestPlan; readonly threads: number }
  /** Requests that are ready: whole messages, such as reads. */
  | { readonly type: 'take'; readonly requests: readonly Uint8Array[] }
  | { readonly type: 'run'; readonly plan: LoadPlan };

/** A kept answer with the request it answers. */
export interface AnsweredSample extends LoadSample {
  readonly body: { readonly agentId: string; readonly events: unknown[] };
}

/** What is needed to check events of a sampled request: ids, 16 bytes each, and signing hashes, 32 bytes each. */
export interface SampledEvents {
  readonly ids: Uint8Array;
  readonly hashes: Uint8Array;
  /** The answer, if it is text. */
  readonly text: string;
}

export type GeneratorReport =
  | { readonly type: 'prepared' }
  | { readonly type: 'phase'; readonly phase: 'begin' | 'end' }
  | ({ readonly type: 'result' } & GeneratorResult)
  | { readonly type: 'failed'; readonly message: string };

export interface GeneratorResult {
  readonly result: LoadResult;
  /** Of requests over HTTP. */
  readonly samples: readonly AnsweredSample[];
  readonly sampledEvents: readonly SampledEvents[];
}
