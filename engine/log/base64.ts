import { decodeBase64Url, encodeBase64Url } from '../protocol/index.js';

/** Base64 of RFC 4648 section 4, with padding: the alphabet of signed notes, checkpoints and proofs. */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encodeBase64Url(bytes).replaceAll('-', '+').replaceAll('_', '/');
  return text + '='.repeat((4 - (text.length % 4)) % 4);
}

/**
 * Decodes canonical base64 only: complete padding, no white space, no bits behind the last byte. Whatever it accepts encodes to
 * the same text again. `undefined` for anything else, and for a length other than `byteLength` if given.
 */
export function decodeBase64(text: string, byteLength?: number): Uint8Array | undefined {
  if (text.length % 4 !== 0 || /[-_]/.test(text)) return undefined;
  const digits = text.endsWith('==') ? text.slice(0, -2) : text.endsWith('=') ? text.slice(0, -1) : text;
  const bytes = decodeBase64Url(digits.replaceAll('+', '-').replaceAll('/', '_'), true);
  return byteLength === undefined || bytes?.length === byteLength ? bytes : undefined;
}
