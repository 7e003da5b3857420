import { ServiceError } from '../errors/index.js';
import { type AuditVerdict, verifyAuditChain } from '../store/audit-chain.js';
import { type AuditEntry, type AuditRecord, auditJson } from '../store/audit-entry.js';
import { type AuditFilter, appendAudit, findAuditSequence, listAudit } from '../store/audit-log.js';
import type { Sql, TransactionSql } from '../store/connection.js';

/** Records of administrative acts. */
export interface AuditLog {
  /** Adds a record in the transaction of the act; last, because the chain's end stays locked until that transaction ends. */
  append(tx: TransactionSql, record: AuditRecord): Promise<AuditEntry>;
  /** Adds a record of something that is no change of the database, in a transaction of its own. */
  note(record: AuditRecord): Promise<AuditEntry>;
  /**
   * A page, newest first.
   *
   * @param cursor id of the last record of the page before
   * @throws ServiceError INVALID_FIELD_VALUE when there is no such record, or none the filter's tenant may see
   */
  list(
    filter: AuditFilter,
    page: { readonly limit: number; readonly cursor?: string | undefined; readonly order?: 'asc' | 'desc' },
  ): Promise<AuditEntry[]>;
  verify(faultsMax: number, onProgress?: (records: number) => void): Promise<AuditVerdict>;
}

export function createAuditLog({ sql }: { readonly sql: Sql }): AuditLog {
  return {
    append: (tx, record) => appendAudit(tx, record),
    note: (record) => sql.begin((tx) => appendAudit(tx, record)) as Promise<AuditEntry>,
    async list(filter, { limit, cursor, order = 'desc' }) {
      const after = cursor === undefined ? undefined : await findAuditSequence(sql, cursor, filter.tenantId);
      if (cursor !== undefined && after === undefined)
        throw new ServiceError(
          'INVALID_FIELD_VALUE',
          'cursor must be the next_cursor of a page of the same query',
        );
      return listAudit(sql, filter, { limit, order, after });
    },
    verify: (faultsMax, onProgress) => verifyAuditChain(sql, faultsMax, onProgress),
  };
}

/** A record with its hashes as lower-case hex: a line of an export. */
export const auditLine = (entry: AuditEntry) => ({
  ...auditJson(entry),
  prev_hash: Buffer.from(entry.prevHash).toString('hex'),
  hash: Buffer.from(entry.hash).toString('hex'),
});
