/** Sums over all agents' reports. */
import type { AgentProgress } from './messages.js';

export interface Tally {
  accepted: number;
  replayed: number;
  refused: number;
  retries: number;
  readonly latenciesMs: number[];
  /** Store id -> highest head heard of. */
  readonly heads: Map<string, number>;
}

export const createTally = (): Tally => ({
  accepted: 0,
  replayed: 0,
  refused: 0,
  retries: 0,
  latenciesMs: [],
  heads: new Map(),
});

export function addProgress(tally: Tally, progress: AgentProgress): void {
  tally.accepted += progress.accepted;
  tally.replayed += progress.replayed;
  tally.refused += progress.refused;
  tally.retries += progress.retries;
  for (const ms of progress.latenciesMs) tally.latenciesMs.push(ms);
  for (const [store, head] of Object.entries(progress.heads))
    tally.heads.set(store, Math.max(tally.heads.get(store) ?? 0, head));
}

/** The value below which `percent` of the values lie (nearest rank); 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}
