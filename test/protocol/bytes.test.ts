import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkedUtf8Length,
  concatBytes,
  decodeBase64Url,
  decodeHex,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  equalBytes,
  readU64,
  utf8Length,
  writeString,
  writeU32,
  writeU64,
  writeUtf8,
} from '../../engine/protocol/index.js';

const anyString = fc.string({ unit: 'binary', maxLength: 300 });
const anyUtf16 = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
  .map((units) => String.fromCharCode(...units));

describe('hex', () => {
  it('gives back the encoded bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = encodeHex(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('hex'));
        for (const form of [text, `0x${text}`, text.toUpperCase()]) {
          expect(decodeHex(form, bytes.length)).toEqual(bytes);
        }
      }),
    );
  });

  it('refuses bad characters, odd and wrong lengths', () => {
    for (const bad of [
      '0',
      '0g',
      'g0',
      '0x0',
      ' 00',
      '00 ',
      '0X00',
      '٠٠',
      '\u0130\u0130',
      '0x0x',
      '+1',
      '-1',
    ]) {
      expect(decodeHex(bad), bad).toBeUndefined();
    }
    expect(decodeHex('0000', 1)).toBeUndefined();
    expect(decodeHex('', 1)).toBeUndefined();
    expect(decodeHex('')).toEqual(new Uint8Array(0));
  });

  it('refuses every character outside the hex alphabet', () => {
    for (let code = 0; code < 0x400; code++) {
      const char = String.fromCharCode(code);
      expect(decodeHex(`00${char}0`) !== undefined, `code ${code}`).toBe(/^[0-9a-fA-F]$/.test(char));
      expect(decodeHex(`000${char}`) !== undefined, `code ${code}`).toBe(/^[0-9a-fA-F]$/.test(char));
    }
  });

  it('enforces the form asked for', () => {
    expect(decodeHex('0xab', 1, { prefix: 'forbidden' })).toBeUndefined();
    expect(decodeHex('ab', 1, { prefix: 'required' })).toBeUndefined();
    expect(decodeHex('0xaB', 1, { lowercase: true })).toBeUndefined();
    expect(decodeHex('0xab', 1, { prefix: 'required', lowercase: true })).toEqual(Uint8Array.of(0xab));
  });
});

describe('base64url', () => {
  it('gives back the encoded bytes, padded or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = encodeBase64Url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(decodeBase64Url(text, true)).toEqual(bytes);
        expect(decodeBase64Url(text.padEnd(Math.ceil(text.length / 4) * 4, '='))).toEqual(bytes);
      }),
    );
  });

  it('accepts one text per value when strict', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{0,9}={0,2}$/), (text) => {
        const bytes = decodeBase64Url(text, true);
        if (bytes !== undefined) expect(encodeBase64Url(bytes)).toBe(text);
      }),
    );
    expect(decodeBase64Url('AA==', true)).toBeUndefined();
  });

  it('refuses other alphabets, bad lengths, bad padding and trailing bits', () => {
    for (const bad of [
      'A',
      'AAAAA',
      'A+==',
      'A/==',
      'AA=',
      'A===',
      '====',
      'AAAA=',
      'A A',
      'AB==',
      'AAB',
      'Ä',
    ]) {
      expect(decodeBase64Url(bad), bad).toBeUndefined();
    }
  });
});

describe('UTF-8', () => {
  it('writes what TextEncoder writes, whatever the string', () => {
    fc.assert(
      fc.property(fc.oneof(anyString, anyUtf16), fc.integer({ min: 0, max: 9 }), (text, offset) => {
        const expected = new TextEncoder().encode(text);
        const target = new Uint8Array(offset + 3 * text.length);
        expect(utf8Length(text)).toBe(expected.length);
        expect(encodeUtf8(text)).toEqual(expected);
        const end = writeUtf8(target, offset, text);
        expect(end).toBe(offset + expected.length);
        expect(target.subarray(offset, end)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('measures well-formed text and names what cannot be stored', () => {
    fc.assert(
      fc.property(fc.oneof(anyString, anyUtf16), (text) => {
        const wellFormed = !/[\ud800-\udfff]/u.test(text);
        const length = checkedUtf8Length(text);
        if (wellFormed && !text.includes('\0')) expect(length).toBe(Buffer.byteLength(text));
        else expect(length).toBeLessThan(0);
      }),
    );
    expect(checkedUtf8Length('a\ud800')).toBe(-1);
    for (const bad of ['\udc00\ud800', '\udc00\udc00', '\ud800\ud800', '😀\ude00', '\ud83d😀']) {
      expect(checkedUtf8Length(bad)).toBe(-1);
    }
    expect(checkedUtf8Length('a\0')).toBe(-2);
    expect(checkedUtf8Length('é€😀')).toBe(9);
  });

  it('prefixes a string with its length in bytes', () => {
    const target = new Uint8Array(16);
    expect(writeString(target, 1, 'é')).toBe(7);
    expect(encodeHex(target, 1, 7)).toBe('00000002c3a9');
    expect(writeString(target, 0, '')).toBe(4);
    expect(encodeHex(target, 0, 4)).toBe('00000000');
  });
});

describe('integers', () => {
  it('are written big-endian', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const bytes = new Uint8Array(9);
        expect(writeU64(bytes, 1, value)).toBe(9);
        expect(readU64(bytes, 1)).toBe(value);
        if (value <= BigInt(Number.MAX_SAFE_INTEGER)) {
          const again = new Uint8Array(9);
          writeU64(again, 1, Number(value));
          expect(again).toEqual(bytes);
        }
      }),
    );
    const bytes = new Uint8Array(4);
    writeU32(bytes, 0, 0xfffefdfc);
    expect(encodeHex(bytes)).toBe('fffefdfc');
  });
});

it('bytes are joined and compared', () => {
  expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(
    Uint8Array.of(1, 2, 3),
  );
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
});
