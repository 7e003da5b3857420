/** What the host sees: see ../wasm-exports.ts. */
import { prepare } from './base';
import { KEY_TABLES, RECORDS, STAGING, VERDICTS } from './memory';
import { BATCH_MAX, KEY_TABLE_BYTES, RECORD_BYTES, STAGING_BYTES } from './shape';

export { hashBegin, hashEnd, hashPiece } from './hash-record';
export { buildKeyTable, importKey } from './key';
export { verifyBatch } from './verify';
export { prepare };

export function recordsAddress(): usize {
  return RECORDS;
}
export function recordBytes(): usize {
  return RECORD_BYTES;
}
export function batchMax(): usize {
  return BATCH_MAX;
}
export function verdictsAddress(): usize {
  return VERDICTS;
}
export function stagingAddress(): usize {
  return STAGING;
}
export function stagingBytes(): usize {
  return STAGING_BYTES;
}
export function keyTablesAddress(): usize {
  return KEY_TABLES;
}
export function keyTableBytes(): usize {
  return KEY_TABLE_BYTES;
}
