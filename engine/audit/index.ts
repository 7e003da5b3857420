/** The log of administrative acts: append-only, chained by hashes, verifiable. */
export type { AuditFault, AuditVerdict } from '../store/audit-chain.js';
export {
  type AuditAction,
  type AuditActorType,
  type AuditEntry,
  type AuditRecord,
  auditJson,
} from '../store/audit-entry.js';
export type { AuditFilter } from '../store/audit-log.js';
export { type AuditLog, auditLine, createAuditLog } from './audit-log.js';
export { type LineVerdict, verifyAuditLines } from './verify-lines.js';
