/** A thread that checks the receipts of some ledgers. */
import { parentPort, workerData } from 'node:worker_threads';
import { checkReceipts } from './check-receipts.js';
import { readLedger } from './ledger.js';

export interface CheckTask {
  readonly ledgerFiles: readonly string[];
  readonly tenantId: string;
  readonly keys: ReadonlyMap<number, string>;
}

export interface CheckResult {
  readonly checked: number;
  readonly faults: readonly string[];
}

const task = workerData as CheckTask;
let checked = 0;
const faults: string[] = [];
for (const file of task.ledgerFiles) {
  const entries = readLedger(file);
  checked += entries.length;
  faults.push(...checkReceipts(entries, task.tenantId, task.keys));
}
parentPort!.postMessage({ checked, faults } satisfies CheckResult);
