import type { Sql } from '../../engine/store/connection.js';
import type { EventTable } from '../../engine/store/sealed-tuples.js';
import { type ReencryptReport, reencryptEvents, type Vault } from '../../engine/vault/index.js';

export interface ReencryptFlags {
  readonly tenantId?: string;
  readonly storeId?: string;
  readonly batchSize: number;
  readonly limit?: number;
  readonly dryRun: boolean;
  readonly force: boolean;
}

const PROGRESS_MS = 1000;

/** Runs the job and prints what it did. The exit code is 1 when rows could not be done, 130 when it was interrupted. */
export async function reencrypt(
  sql: Sql,
  vault: Vault,
  table: EventTable,
  flags: ReencryptFlags,
  actor: string,
): Promise<void> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  // Once: a second Ctrl-C ends the process at once, and the batch is rolled back.
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  let told = performance.now();
  const onProgress = (report: ReencryptReport) => {
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    process.stderr.write(`${report.scanned} events looked at, ${report.reencrypted} re-encrypted\n`);
  };
  try {
    const report = await reencryptEvents(sql, vault, {
      ...{ table, actor, onProgress, signal: interruption.signal },
      ...{ tenant: flags.tenantId, store: flags.storeId, limit: flags.limit },
      ...{ batchSize: flags.batchSize, dryRun: flags.dryRun, force: flags.force },
    });
    process.stdout.write(format(report, flags));
    if (report.faulty > 0) process.exitCode = 1;
    else if (interruption.signal.aborted) process.exitCode = 130;
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

function format(report: ReencryptReport, { dryRun }: ReencryptFlags): string {
  const lines = [
    `streams         ${report.streams}`,
    `looked at       ${report.scanned}`,
    `${dryRun ? 'to re-encrypt   ' : 're-encrypted    '}${report.reencrypted}`,
    `current already ${report.current}`,
    `erased          ${report.erased}`,
    `not done        ${report.faulty}`,
    ...report.faults.map((fault) => `  ${fault}`),
    report.complete ? 'all of them were looked at' : 'there is more: run it again',
  ];
  return `${lines.join('\n')}\n`;
}
