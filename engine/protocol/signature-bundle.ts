import { decodeHex } from './bytes.js';

/** Signatures of the post-quantum schemes, next to the envelope's own `agent_signature`. */
export type SignatureBundle = {
  ed25519Signature?: Uint8Array;
  mlDsa65Signature?: Uint8Array;
};

/** Longest signature a bundle may carry in bytes: ML-DSA-65 has 3309. */
export const BUNDLE_SIGNATURE_BYTES_MAX = 4096;

/**
 * Reads a bundle. Signatures are accepted as arrays of integers (what the protocol emits), as hex with or without
 * `0x`, and as `{"type":"Buffer","data":[…]}`, which Node clients produce when they serialise a Buffer.
 *
 * @returns the bundle, or the path of the ill-typed member relative to it (`''` for the bundle itself)
 */
export function readSignatureBundle(value: unknown): { bundle: SignatureBundle } | { path: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { path: '' };
  const members = value as Record<string, unknown>;
  const bundle: SignatureBundle = {};
  for (const [name, property] of [
    ['ed25519_signature', 'ed25519Signature'],
    ['ml_dsa_65_signature', 'mlDsa65Signature'],
  ] as const) {
    const member = members[name];
    if (member === undefined || member === null) continue;
    const bytes = readByteVector(member);
    if (bytes === undefined) return { path: name };
    bundle[property] = bytes;
  }
  return { bundle };
}

/** A byte string in any of its JSON forms (see `readSignatureBundle`), `undefined` if it is none. */
export function readByteVector(value: unknown): Uint8Array | undefined {
  if (typeof value === 'string') {
    return value.length <= 2 * BUNDLE_SIGNATURE_BYTES_MAX + 2 ? decodeHex(value) : undefined;
  }
  if (Array.isArray(value)) return bytesOf(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, data } = value as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? bytesOf(data) : undefined;
}

function bytesOf(items: readonly unknown[]): Uint8Array | undefined {
  if (items.length > BUNDLE_SIGNATURE_BYTES_MAX) return undefined;
  const bytes = new Uint8Array(items.length);
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item !== 'number' || !Number.isInteger(item) || item < 0 || item > 255) return undefined;
    bytes[i] = item;
  }
  return bytes;
}
