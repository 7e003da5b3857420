const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const VALUES = new Uint8Array(128).fill(255);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** URL-safe base64 without padding (RFC 4648 section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = '';
  let i = 0;
  for (; i + 2 < bytes.length; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    text +=
      ALPHABET[bits >> 18]! +
      ALPHABET[(bits >> 12) & 63]! +
      ALPHABET[(bits >> 6) & 63]! +
      ALPHABET[bits & 63]!;
  }
  if (i + 1 === bytes.length) {
    const bits = bytes[i]! << 4;
    text += ALPHABET[bits >> 6]! + ALPHABET[bits & 63]!;
  } else if (i + 2 === bytes.length) {
    const bits = (bytes[i]! << 10) | (bytes[i + 1]! << 2);
    text += ALPHABET[bits >> 12]! + ALPHABET[(bits >> 6) & 63]! + ALPHABET[bits & 63]!;
  }
  return text;
}

/**
 * Decodes URL-safe base64, with or without complete padding; `undefined` for anything else, and for non-zero bits
 * behind the last byte (two texts for one value). `strict` also refuses padding, so that re-encoding gives the
 * input exactly.
 */
export function decodeBase64Url(text: string, strict = false): Uint8Array | undefined {
  let end = text.length;
  if (end > 0 && text.endsWith('=')) {
    if (strict || end % 4 !== 0) return undefined;
    end -= text.endsWith('==') ? 2 : 1;
  }
  if (end % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((end * 3) / 4));
  let bits = 0;
  let count = 0;
  let written = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    const value = code < 128 ? VALUES[code]! : 255;
    if (value === 255) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[written++] = bits >> count;
    }
  }
  return (bits & ((1 << count) - 1)) === 0 ? bytes : undefined;
}
