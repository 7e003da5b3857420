import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicros, isRfc3339, parseInstant } from '../../engine/protocol/index.js';

describe('RFC 3339 timestamps', () => {
  it('are accepted in every spelling the grammar allows', () => {
    const good = [
      '2025-12-20T17:51:10.243Z',
      '2025-01-01T00:00:00Z',
      '2025-01-01t00:00:00z',
      '2025-01-01 00:00:00Z',
      '2025-01-01T00:00:00+00:00',
      '2025-01-01T00:00:00-00:00',
      '2025-01-01T23:59:59+23:59',
      '2024-02-29T00:00:00Z',
      '2000-02-29T00:00:00Z',
      '1990-12-31T23:59:60Z',
      '1990-12-31T15:59:60-08:00',
      '2025-01-01T00:00:00.1Z',
      `2025-01-01T00:00:00.${'1'.repeat(50)}+01:00`,
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
    ];
    for (const text of good) expect(isRfc3339(text), text).toBe(true);
  });

  it('are refused otherwise', () => {
    const bad = [
      '',
      '2025-01-01',
      '2025-01-01T00:00:00',
      '2025-01-01T00:00Z',
      '2025-01-01T00:00:00.Z',
      '2025-01-01T00:00:00,5Z',
      '2025-01-01T00:00:00+0000',
      '2025-01-01T00:00:00+00',
      '2025-01-01T00:00:00+24:00',
      '2025-01-01T00:00:00+00:000',
      '2025-01-01T00:00:00+00:00 ',
      '2025-01-01T00:00:00+00:60',
      '2025-01-01T00:00:00\u221200:00',
      '2025-01-01T24:00:00Z',
      '2025-01-01T00:60:00Z',
      '2025-01-01T00:00:61Z',
      '2025-00-01T00:00:00Z',
      '2025-13-01T00:00:00Z',
      '2025-01-00T00:00:00Z',
      '2025-01-32T00:00:00Z',
      '2025-04-31T00:00:00Z',
      '2025-02-29T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2025-1-01T00:00:00Z',
      '+2025-01-01T00:00:00Z',
      '12025-01-01T00:00:00Z',
      '2025-01-01_00:00:00Z',
      '2025-01-01T00:00:00Z ',
      ' 2025-01-01T00:00:00Z',
      '2025-01-01T00:00:00Zjunk',
      '2025-01-01T00:00:00.123',
      '٢٠٢٥-01-01T00:00:00Z',
      '2025/01/01T00:00:00Z',
      '2025-01-01T00-00-00Z',
    ];
    for (const text of bad) {
      expect(isRfc3339(text), text).toBe(false);
      expect(parseInstant(text), text).toBeUndefined();
    }
  });

  it('give the instant they name', () => {
    expect(parseInstant('1970-01-01T00:00:00Z')).toBe(0n);
    expect(parseInstant('1970-01-01T01:30:00+01:30')).toBe(0n);
    expect(parseInstant('1969-12-31T16:00:00.5-08:00')).toBe(500_000n);
    expect(parseInstant('1970-01-01T00:00:00.1234567890Z')).toBe(123_456n);
    expect(parseInstant('1969-12-31T23:59:59.999999Z')).toBe(-1n);
    expect(parseInstant('1990-12-31T23:59:60Z')).toBe(parseInstant('1991-01-01T00:00:00Z'));
    expect(parseInstant('0001-01-01T00:00:00Z')).toBe(-62_135_596_800_000_000n);
    expect(parseInstant('0000-01-01T00:00:00+23:59')).toBe(-62_167_219_200_000_000n - 86_340_000_000n);
  });

  it('are printed with the fewest of 0, 3 or 6 digits that are exact', () => {
    expect(formatMicros(0)).toBe('1970-01-01T00:00:00Z');
    expect(formatMicros(1_500_000n, '+00:00')).toBe('1970-01-01T00:00:01.500+00:00');
    expect(formatMicros(1)).toBe('1970-01-01T00:00:00.000001Z');
    expect(formatMicros(-1)).toBe('1969-12-31T23:59:59.999999Z');
    expect(formatMicros(1_766_253_070_243_120)).toBe('2025-12-20T17:51:10.243120Z');
    expect(() => formatMicros(2n ** 62n)).toThrow(RangeError);
    expect(() => formatMicros(-62_167_219_200_000_001n)).toThrow(RangeError);
  });

  it('survive printing and parsing', () => {
    const years = { min: -62_167_219_200_000_000n, max: 253_402_300_799_999_999n };
    fc.assert(
      fc.property(fc.bigInt(years), fc.constantFrom('Z' as const, '+00:00' as const), (micros, suffix) => {
        expect(parseInstant(formatMicros(micros, suffix))).toBe(micros);
      }),
    );
  });

  it('agree with Date on the instants both can express', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        expect(parseInstant(date.toISOString())).toBe(BigInt(date.getTime()) * 1000n);
      }),
    );
  });
});
