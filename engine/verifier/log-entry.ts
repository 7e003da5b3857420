import {
  DOMAIN,
  equalBytes,
  formatUuid,
  readU64,
  VES_LEAF_BYTES,
  VES_LEAF_SEQUENCE_OFFSET,
} from '../protocol/index.js';

/** A stream's log entry taken apart: which event stands where. The event's id is inside the signing hash only. */
export interface LogEntry {
  readonly tenantId: string;
  readonly storeId: string;
  readonly sequence: bigint;
  readonly signingHash: Uint8Array;
  readonly agentSignature: Uint8Array;
}

/** Reads the 147 bytes of a log entry; `undefined` for anything else. */
export function readLogEntry(bytes: Uint8Array): LogEntry | undefined {
  const label = DOMAIN.leaf.length;
  if (bytes.length !== VES_LEAF_BYTES || !equalBytes(bytes.subarray(0, label), DOMAIN.leaf)) return undefined;
  const hashAt = VES_LEAF_SEQUENCE_OFFSET + 8;
  return {
    tenantId: formatUuid(bytes, label),
    storeId: formatUuid(bytes, label + 16),
    sequence: readU64(bytes, VES_LEAF_SEQUENCE_OFFSET),
    signingHash: bytes.slice(hashAt, hashAt + 32),
    agentSignature: bytes.slice(hashAt + 32),
  };
}

/** The stream that an origin names in its last two parts; `undefined` for the notary's and for other logs. */
export function streamOfOrigin(origin: string): { tenantId: string; storeId: string } | undefined {
  const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
  const [, tenantId, storeId] = new RegExp(`/(${uuid})/(${uuid})$`).exec(origin) ?? [];
  return tenantId === undefined || storeId === undefined ? undefined : { tenantId, storeId };
}
