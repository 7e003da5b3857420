/** Verifies an exported audit log without its database. */
import { decodeHex, encodeHex } from '../protocol/index.js';
import { auditJsonHash } from '../store/audit-entry.js';

export interface LineVerdict {
  readonly records: number;
  /** Hash of the last record, hex; of the first one's predecessor when there are none. */
  readonly head: string;
  /** What is wrong first, with the line it is in; unset: nothing. */
  readonly fault?: { readonly line: number; readonly message: string };
}

/** Checks lines of NDJSON in the order of the chain. A file may begin anywhere in the chain; then its first `prev_hash` is believed. */
export async function verifyAuditLines(
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<LineVerdict> {
  let before: { sequence: number; hash: string } | undefined;
  let records = 0;
  let line = 0;
  const stop = (message: string): LineVerdict => ({
    records,
    head: before?.hash ?? '0'.repeat(64),
    fault: { line, message },
  });
  for await (const text of lines) {
    line++;
    if (text.trim() === '') continue;
    const record = readRecord(text);
    if (record === undefined) return stop('the line is not an audit record');
    const { prev_hash, hash, ...content } = record;
    if (before !== undefined && record.sequence !== before.sequence + 1)
      return stop(`record ${record.sequence} follows ${before.sequence}: records are missing`);
    if (before === undefined && record.sequence === 1 && prev_hash !== '0'.repeat(64))
      return stop('the first record has a predecessor');
    if (before !== undefined && prev_hash !== before.hash)
      return stop('prev_hash is not the hash of the record before it');
    if (hashOf(content, prev_hash) !== hash) return stop('the record does not hash to its hash');
    before = { sequence: record.sequence, hash };
    records++;
  }
  return { records, head: before?.hash ?? '0'.repeat(64) };
}

type Line = { sequence: number; prev_hash: string; hash: string };

function readRecord(text: string): Line | undefined {
  try {
    const value = JSON.parse(text) as Partial<Line> | null;
    const isHash = (hash: unknown) => typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash);
    const fits = typeof value?.sequence === 'number' && isHash(value.prev_hash) && isHash(value.hash);
    return fits ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(content: object, prevHash: string): string | undefined {
  try {
    return encodeHex(auditJsonHash(content, decodeHex(prevHash, 32)!));
  } catch {
    return undefined; // a text that canonical JSON cannot hold was never written
  }
}
