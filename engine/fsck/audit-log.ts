/** The log of administrative acts: its chain of hashes, and the row that says where it ends. */
import { verifyAuditChain } from '../store/audit-chain.js';
import { add, type Counts } from './counts.js';
import { type FindingList, findingOf } from './finding.js';
import type { Session } from './session.js';

const TOLD_MAX = 1000;

export async function checkAuditLog(session: Session, findings: FindingList, counts: Counts): Promise<void> {
  const verdict = await session.run((sql) => verifyAuditChain(sql, TOLD_MAX));
  add(counts, 'audit_log', verdict.records);
  for (const { table, sequence, column, message } of verdict.faults) {
    const row = table === 'audit_log' ? `sequence ${sequence}` : 'the row';
    const place = { table, stream: null, row, position: sequence };
    findings.add(findingOf(place, [{ check: 'audit-chain', column, message }]));
  }
}
