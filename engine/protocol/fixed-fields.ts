import { decodeHexInto } from './bytes.js';
import { uuidInto } from './uuid.js';

/**
 * Layout of the fixed-width part of an envelope: ids, hashes and signature side by side in one block of bytes, so
 * that an event needs a single allocation (or a slot in a batch's arena) and preimages and table rows are copied
 * from it. The first four ids stand in the order of the signing preimage.
 */
export const FIXED = {
  tenantId: 0,
  storeId: 16,
  eventId: 32,
  sourceAgentId: 48,
  /** All zero when the envelope has no command id; presence is a flag of the envelope. */
  commandId: 64,
  payloadPlainHash: 80,
  payloadCipherHash: 112,
  agentSignature: 144,
} as const;

/** Size of the block in bytes. */
export const FIXED_BYTES = 208;

/** Ids as text in any accepted form or 16 bytes; hashes (32) and signature (64) as hex, `0x` optional, or bytes. */
export type FixedFieldsInput = {
  tenantId: string | Uint8Array;
  storeId: string | Uint8Array;
  eventId: string | Uint8Array;
  sourceAgentId: string | Uint8Array;
  commandId?: string | Uint8Array | undefined;
  payloadPlainHash: string | Uint8Array;
  payloadCipherHash?: string | Uint8Array | undefined;
  agentSignature?: string | Uint8Array | undefined;
};

/**
 * Builds the block from single values, for producers of events (the hot path's parser writes it directly). Absent
 * optional members are zero. Throws `RangeError` naming a malformed member.
 */
export function packFixedFields(input: FixedFieldsInput): Uint8Array {
  const block = new Uint8Array(FIXED_BYTES);
  putId(block, 'tenantId', input.tenantId);
  putId(block, 'storeId', input.storeId);
  putId(block, 'eventId', input.eventId);
  putId(block, 'sourceAgentId', input.sourceAgentId);
  if (input.commandId !== undefined) putId(block, 'commandId', input.commandId);
  putHex(block, 'payloadPlainHash', input.payloadPlainHash, 32);
  if (input.payloadCipherHash !== undefined) putHex(block, 'payloadCipherHash', input.payloadCipherHash, 32);
  if (input.agentSignature !== undefined) putHex(block, 'agentSignature', input.agentSignature, 64);
  return block;
}

function putId(block: Uint8Array, name: keyof typeof FIXED, value: string | Uint8Array): void {
  if (typeof value === 'string') {
    if (!uuidInto(value, block, FIXED[name])) throw new RangeError(`${name} is not a UUID`);
  } else {
    putBytes(block, name, value, 16);
  }
}

function putHex(
  block: Uint8Array,
  name: keyof typeof FIXED,
  value: string | Uint8Array,
  length: number,
): void {
  if (typeof value === 'string') {
    if (!decodeHexInto(value, block, FIXED[name], length))
      throw new RangeError(`${name} is not ${length} hex bytes`);
  } else {
    putBytes(block, name, value, length);
  }
}

function putBytes(block: Uint8Array, name: keyof typeof FIXED, value: Uint8Array, length: number): void {
  if (value.length !== length) throw new RangeError(`${name} is not ${length} bytes`);
  block.set(value, FIXED[name]);
}
