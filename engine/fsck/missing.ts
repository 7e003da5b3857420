import { type FindingList, findingOf } from './finding.js';
import type { StreamRange } from './task.js';

/** Makes a function that reports runs of missing numbers and answers all of the numbers. L1. */
export function createMissingReport(table: string) {
  return (
    { tenant, store }: StreamRange,
    runs: readonly { readonly from: number; readonly to: number }[],
    findings: FindingList,
  ): number[] => {
    const numbers: number[] = [];
    for (const { from, to } of runs) {
      const one = from === to;
      const row = `sequence_number ${from}${one ? '' : `–${to}`}`;
      const message = one ? 'the event is missing' : 'these events are missing';
      findings.add(
        findingOf({ table, stream: { tenant, store }, row, position: from }, [
          { check: 'sequence', column: 'sequence_number', message },
        ]),
      );
      for (let number = from; number <= to; number++) numbers.push(number);
    }
    return numbers;
  };
}
