/**
 * Associated data of SSE1 records: SHA-256 over a label and the columns that identify the row. Ids are 16 bytes, texts go in as u32 length
 * and UTF-8, numbers in network order.
 */
import { createHash } from 'node:crypto';

const LABEL = {
  event: 'STATESET_PAYLOAD_ATREST_AAD_V1',
  validity: 'STATESET_VES_VALIDITY_PROOF_ATREST_AAD_V1',
  compliance: 'STATESET_VES_COMPLIANCE_PROOF_ATREST_AAD_V1',
} as const;

type Id = Uint8Array;

/** A legacy event's payload. */
export const eventAad = (event: {
  readonly tenant: Id;
  readonly store: Id;
  readonly event: Id;
  readonly sequence: bigint;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
}): Buffer =>
  digest(LABEL.event, [
    ...[event.tenant, event.store, event.event],
    u64(event.sequence),
    ...[event.entityType, event.entityId, event.eventType].flatMap(text),
  ]);

/** The same from the texts as they are bound (engine/store/payload-binding.ts); `ids` is tenant ‖ store ‖ event. */
export const eventAadOf = (ids: Uint8Array, sequence: bigint, bound: Uint8Array): Buffer =>
  digest(LABEL.event, [ids, u64(sequence), bound]);

/** A validity proof's bytes. */
export const validityProofAad = (proof: {
  readonly tenant: Id;
  readonly store: Id;
  readonly batch: Id;
  readonly proof: Id;
  readonly proofVersion: number;
  readonly proofType: string;
  readonly proofHash: Uint8Array;
}): Buffer =>
  digest(LABEL.validity, [
    ...[proof.tenant, proof.store, proof.batch, proof.proof],
    u32(proof.proofVersion),
    ...text(proof.proofType),
    proof.proofHash,
  ]);

/** A compliance proof's bytes. */
export const complianceProofAad = (proof: {
  readonly tenant: Id;
  readonly store: Id;
  readonly event: Id;
  readonly proof: Id;
  readonly policyHash: Uint8Array;
  readonly proofVersion: number;
  readonly proofType: string;
  readonly proofHash: Uint8Array;
}): Buffer =>
  digest(LABEL.compliance, [
    ...[proof.tenant, proof.store, proof.event, proof.proof, proof.policyHash],
    u32(proof.proofVersion),
    ...text(proof.proofType),
    proof.proofHash,
  ]);

function digest(label: string, parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(label);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function text(value: string): Uint8Array[] {
  const bytes = Buffer.from(value, 'utf8');
  return [u32(bytes.length), bytes];
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
