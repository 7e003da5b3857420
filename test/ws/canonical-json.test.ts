import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalize, JcsError } from '../../engine/protocol/index.js';
import { createCanonicalCheck } from '../../workers/canonical-json.js';

const check = createCanonicalCheck();
const isCanonical = (text: string) => {
  const padded = Buffer.from(`##${text}##`);
  return check(padded, 2, padded.length - 2);
};

/** What parsing and printing says. */
function canonicalOf(text: string): string | undefined {
  try {
    return canonicalize(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof JcsError) return undefined;
    throw error;
  }
}

describe('the check of canonical JSON', () => {
  test('never says yes to a text that parsing and printing would change', () => {
    const glyphs = [
      ...'{}[]":,.-+eE0123456789abn\\u \n\té😀',
      'true',
      'false',
      'null',
      '""',
      '"a":',
      '0.1',
      '\u2028',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...glyphs), { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        if (isCanonical(text)) expect(canonicalOf(text)).toBe(text);
      }),
      { seed: 7, numRuns: 200_000 },
    );
  }, 60_000);

  test('says yes or no rightly for printed values and for what one changed byte makes of them', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.nat(),
        fc.integer({ min: 0x20, max: 0x7e }),
        (value, at, byte) => {
          const printed = canonicalOf(JSON.stringify(value));
          if (printed === undefined) return;
          if (isCanonical(printed)) expect(canonicalOf(printed)).toBe(printed);
          const plain = JSON.stringify(value);
          if (isCanonical(plain)) expect(canonicalOf(plain)).toBe(plain);
          const changed = Buffer.from(printed);
          changed[at % changed.length] = byte;
          const text = changed.toString('utf8');
          if (check(changed, 0, changed.length)) expect(canonicalOf(text)).toBe(text);
        },
      ),
      { seed: 11, numRuns: 20_000 },
    );
  }, 60_000);

  test.each([
    '{}',
    '[]',
    '0',
    '-1',
    '"é😀"',
    '{"a":1,"b":[true,false,null],"c":{"d":"x\\n\\"\\\\"}}',
    '0.1',
    '-12.5',
    '0.000001',
    '123456789012345',
    '{"A":1,"a":2}',
    '[[],{}]',
    '"\u007f"',
    '{"":0}',
  ])('recognises %s', (text) => {
    expect(isCanonical(text)).toBe(true);
    expect(canonicalOf(text)).toBe(text);
  });

  test.each([
    '',
    ' {}',
    '{} ',
    '{"b":1,"a":2}',
    '{"a":1,"a":2}',
    '[1, 2]',
    '-0',
    '01',
    '1.0',
    '1.50',
    '1e3',
    '0.0000001',
    '"\\u0041"',
    '"\\/"',
    '{"a":1,}',
    '[1,]',
    '{"a"}',
    '"\n"',
    'nul',
    '[',
    '{"a":1',
    ']',
    '1234567890123456',
    '"a',
    '{"aa":1,"a":1}',
  ])('does not vouch for %j', (text) => {
    expect(isCanonical(text)).toBe(false);
  });

  test('refuses invalid UTF-8 and depth beyond the limit', () => {
    const bad = Buffer.from([0x22, 0xff, 0x22]);
    expect(check(bad, 0, 3)).toBe(false);
    expect(isCanonical('['.repeat(128) + ']'.repeat(128))).toBe(true);
    expect(isCanonical('['.repeat(129) + ']'.repeat(129))).toBe(false);
  });
});
