/** What an agent writes down of every acknowledged event: one JSON line each, in a file of its own. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { ReceiptJson } from '../../engine/protocol/index.js';

export interface LedgerEntry {
  readonly storeId: string;
  readonly eventId: string;
  /** What the agent signed, computed by itself; 64 hex digits. */
  readonly signingHash: string;
  /** Digest of the envelope it sent; 64 hex digits. */
  readonly digest: string;
  readonly receipt: ReceiptJson;
}

export function appendLedger(file: string, entries: readonly LedgerEntry[]): void {
  if (entries.length > 0) appendFileSync(file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

export function readLedger(file: string): LedgerEntry[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LedgerEntry);
}
