import { add, type Counts } from './counts.js';
import type { Finding } from './finding.js';
import { type Collector, createCollector } from './report.js';
import type { TaskResult } from './task.js';

/** Everything that tasks and the coordinator found out so far. */
export interface Results {
  add(result: Omit<TaskResult, 'parts'>): void;
  readonly findings: { add(finding: Finding): void };
  /** Counts what is wrong only because of something that was reported. */
  addConsequences(count: number): void;
  /** Labels of streams whose counter is wrong. */
  readonly wrongCounters: Set<string>;
  readonly collector: Collector;
  readonly counts: Counts;
  readonly consequences: number;
}

export function createResults(): Results {
  const collector = createCollector();
  const counts: Counts = {};
  let consequences = 0;
  return {
    wrongCounters: new Set(),
    collector,
    counts,
    add({ findings, total, counts: counted }) {
      for (const finding of findings) collector.add(finding);
      collector.addUntold(total - findings.length);
      for (const [name, rows] of Object.entries(counted)) add(counts, name, rows);
    },
    findings: collector,
    addConsequences(count) {
      consequences += count;
    },
    get consequences() {
      return consequences;
    },
  };
}
