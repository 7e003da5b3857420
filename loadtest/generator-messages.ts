/** Between a load generator's process and the one that steers it. */
import type { RequestPlan } from './requests.js';
import type { LoadPlan, LoadResult, LoadSample } from './run-load.js';

export type GeneratorCommand =
  | { readonly type: 'prepare'; readonly plan: RequestPlan; readonly threads: number }
  | { readonly type: 'run'; readonly plan: LoadPlan };

/** A kept answer with the request it answers. */
export interface AnsweredSample extends LoadSample {
  readonly body: { readonly agentId: string; readonly events: unknown[] };
}

export type GeneratorReport =
  | { readonly type: 'prepared' }
  | { readonly type: 'phase'; readonly phase: 'begin' | 'end' }
  | { readonly type: 'result'; readonly result: LoadResult; readonly samples: readonly AnsweredSample[] }
  | { readonly type: 'failed'; readonly message: string };
