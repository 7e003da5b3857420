/** Walks the chain of audit records and judges each link. */
import { encodeHex, equalBytes } from '../protocol/index.js';
import { type AuditEntry, auditHash } from './audit-entry.js';
import { type AuditHead, listAudit, readAuditHead } from './audit-log.js';
import type { Statements } from './commitment-rows.js';

const PAGE = 1000;

/** Something wrong with the chain. */
export interface AuditFault {
  readonly table: 'audit_log' | 'audit_log_head';
  /** Of the record; of the last one, for the row that says where the chain ends. */
  readonly sequence: number;
  readonly column: string;
  readonly message: string;
}

export interface AuditVerdict {
  /** Records that were read. */
  readonly records: number;
  /** Of the last record, `Uint8Array(32)`. */
  readonly head: Uint8Array;
  readonly faults: readonly AuditFault[];
}

/**
 * Re-derives every hash. It says whether the records are those that were written, one after the other; whether the whole chain was
 * written anew shows only against a head that somebody kept elsewhere.
 *
 * @param faultsMax faults that are told
 */
export async function verifyAuditChain(
  sql: Statements,
  faultsMax: number,
  onProgress: (records: number) => void = () => {},
): Promise<AuditVerdict> {
  const faults: AuditFault[] = [];
  const tell = (sequence: bigint | number, column: string, message: string) => {
    if (faults.length < faultsMax)
      faults.push({ table: 'audit_log', sequence: Number(sequence), column, message });
  };
  // Read before the records: what is appended meanwhile is not missed, only not looked at.
  const head = await readAuditHead(sql);
  let before: Link = { sequence: 0n, hash: new Uint8Array(32), micros: 0n };
  let end: Link | undefined = head?.sequence === 0n ? before : undefined;
  let records = 0;
  for (;;) {
    const page = await listAudit(sql, {}, { order: 'asc', after: before.sequence, limit: PAGE });
    for (const entry of page) {
      for (const [column, message] of faultsOf(entry, before)) tell(entry.sequence, column, message);
      before = entry;
      records++;
      if (head?.sequence === entry.sequence) end = entry;
    }
    onProgress(records);
    if (page.length < PAGE) break;
  }
  const wrongEnd = endFault(head, end, before);
  if (wrongEnd !== undefined)
    faults.push({ table: 'audit_log_head', sequence: Number(before.sequence), ...wrongEnd });
  return { records, head: before.hash, faults };
}

type Link = Pick<AuditEntry, 'sequence' | 'hash' | 'micros'>;

/** What is wrong with the row that says where the chain ends. It also tells when the last records were cut off. */
function endFault(
  head: AuditHead | undefined,
  end: Link | undefined,
  last: Link,
): Pick<AuditFault, 'column' | 'message'> | undefined {
  if (head === undefined) return { column: '*', message: 'the row that says where the chain ends is gone' };
  if (end === undefined)
    return {
      column: 'sequence',
      message: `the chain ended at ${head.sequence}, and the last record is ${last.sequence}`,
    };
  if (!equalBytes(head.hash, end.hash))
    return { column: 'sequence or hash', message: `hash is not that of record ${head.sequence}` };
  // Before the first record there is no time that could be compared.
  if (end.sequence > 0n && head.micros !== end.micros)
    return { column: 'timestamp', message: `timestamp is not that of record ${head.sequence}` };
  return undefined;
}

/** Everything that the hash covers, and the hash. */
const HASHED =
  'hash, id, timestamp, action, actor, actor_type, tenant_id, resource_type, resource_id, request_id, ip_address, user_agent, details, success or error_message';

/** What is wrong with a record behind the one before it. */
function* faultsOf(entry: AuditEntry, before: Link): Generator<[column: string, message: string]> {
  if (entry.sequence !== before.sequence + 1n)
    yield ['sequence', `the record before it is ${before.sequence}: records are missing`];
  if (!equalBytes(entry.prevHash, before.hash))
    yield ['prev_hash', 'prev_hash is not the hash of the record before it'];
  if (entry.micros < before.micros) yield ['timestamp', 'it is older than the record before it'];
  const expected = hashOrUndefined(entry);
  if (expected === undefined) yield ['details', 'details is not JSON'];
  else if (!equalBytes(entry.hash, expected)) yield [HASHED, `the record hashes to ${encodeHex(expected)}`];
}

function hashOrUndefined(entry: AuditEntry): Uint8Array | undefined {
  try {
    return auditHash(entry, entry.prevHash);
  } catch {
    return undefined;
  }
}
