import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeHex, formatUuid, NIL_UUID, newUuidV7, parseUuid } from '../../engine/protocol/index.js';

describe('UUIDs', () => {
  it('are accepted in every usual form and letter case, and printed in one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = formatUuid(bytes);
        expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
        expect(text.replaceAll('-', '')).toBe(encodeHex(bytes));
        for (const form of [text, text.toUpperCase(), encodeHex(bytes), `{${text}}`, `urn:uuid:${text}`]) {
          expect(parseUuid(form), form).toEqual(bytes);
        }
      }),
    );
    expect(parseUuid(NIL_UUID)).toEqual(new Uint8Array(16));
  });

  it('are refused in every other form', () => {
    const good = '861910c9-7a1d-4b6f-83d6-51bbf4ae2849';
    const bad = [
      '',
      good.slice(1),
      `${good}0`,
      good.replace('-', '0'),
      good.replace('8', 'g'),
      good.replace('8', '\u0138'),
      `{${good}`,
      `${good}}`,
      `(${good})`,
      `URN:UUID:${good}`,
      `urn:uuid:${good.replaceAll('-', '')}`,
      ` ${good.slice(1)}`,
      '861910c97-a1d-4b6f-83d6-51bbf4ae2849',
    ];
    for (const text of bad) expect(parseUuid(text), text).toBeUndefined();
  });

  it('one wrong character anywhere is found', () => {
    const good = '861910c9-7a1d-4b6f-83d6-51bbf4ae2849';
    for (let i = 0; i < good.length; i++) {
      expect(parseUuid(`${good.slice(0, i)}x${good.slice(i + 1)}`)).toBeUndefined();
    }
  });

  it('of version 7 carry the time in order, version and variant', () => {
    const random = new Uint8Array(10).fill(0xff);
    // example time of RFC 9562, appendix A.6
    const bytes = newUuidV7(0x017f22e279b0, random);
    expect(formatUuid(bytes)).toBe('017f22e2-79b0-7fff-bfff-ffffffffffff');
    const later = formatUuid(newUuidV7(0x017f22e279b1, new Uint8Array(10)));
    expect(later > formatUuid(bytes)).toBe(true);
    expect(() => newUuidV7(0, new Uint8Array(9))).toThrow(RangeError);
  });
});
