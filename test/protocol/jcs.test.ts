import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalize, canonicalizeInto, JcsError, MAX_JSON_DEPTH } from '../../engine/protocol/index.js';

/** The number whose IEEE 754 bits are given. */
function double(bits: string): number {
  return new DataView(Uint8Array.from(Buffer.from(bits, 'hex')).buffer).getFloat64(0);
}

function fault(value: unknown, allowNul = false): { reason: string; path: string } {
  try {
    canonicalize(value, { allowNul });
  } catch (error) {
    if (error instanceof JcsError) return { reason: error.reason, path: error.path };
    throw error;
  }
  throw new Error('was accepted');
}

describe('RFC 8785 vectors', () => {
  it('numbers of appendix B', () => {
    const table: [string, string][] = [
      ['0000000000000000', '0'],
      ['8000000000000000', '0'],
      ['0000000000000001', '5e-324'],
      ['8000000000000001', '-5e-324'],
      ['7fefffffffffffff', '1.7976931348623157e+308'],
      ['ffefffffffffffff', '-1.7976931348623157e+308'],
      ['4340000000000000', '9007199254740992'],
      ['c340000000000000', '-9007199254740992'],
      ['4430000000000000', '295147905179352830000'],
      ['44b52d02c7e14af5', '9.999999999999997e+22'],
      ['44b52d02c7e14af6', '1e+23'],
      ['44b52d02c7e14af7', '1.0000000000000001e+23'],
      ['444b1ae4d6e2ef4e', '999999999999999700000'],
      ['444b1ae4d6e2ef4f', '999999999999999900000'],
      ['444b1ae4d6e2ef50', '1e+21'],
      ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
      ['3eb0c6f7a0b5ed8d', '0.000001'],
      ['41b3de4355555553', '333333333.3333332'],
      ['41b3de4355555554', '333333333.33333325'],
      ['41b3de4355555555', '333333333.3333333'],
      ['41b3de4355555556', '333333333.3333334'],
      ['41b3de4355555557', '333333333.33333343'],
      ['becbf647612f3696', '-0.0000033333333333333333'],
      ['43143ff3c1cb0959', '1424953923781206.2'],
    ];
    for (const [bits, text] of table) expect(canonicalize(double(bits)), bits).toBe(text);
    for (const bits of ['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000']) {
      expect(fault(double(bits)).reason).toBe('not_finite');
    }
  });

  it('member order of section 3.2.3', () => {
    const input = JSON.parse(
      '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",' +
        '"\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}',
    );
    expect([...canonicalize(input).matchAll(/:"([^"]*)"/g)].map((match) => match[1])).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  it('example of section 3.2.2', () => {
    const input = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false] }`);
    expect(canonicalize(input)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });
});

describe('canonical text', () => {
  /** Sorts members by the plain definition; JSON.stringify then prints as RFC 8785 asks. */
  function sorted(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== 'object' || value === null) return value;
    const copy: Record<string, unknown> = Object.create(null);
    for (const key of Object.keys(value).sort()) copy[key] = sorted((value as Record<string, unknown>)[key]);
    return copy;
  }

  it('equals JSON.stringify of sorted members, and is stable', () => {
    const noIndexKeys = fc.string({ unit: 'grapheme' }).map((key) => `k${key.replaceAll('\0', '')}`);
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer(),
        fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
        fc.constantFrom(null, true, false, '\u2028/\u007f"\\\b\f\n\r\t\u001f'),
        fc.array(tie('tree'), { maxLength: 5 }),
        fc.dictionary(noIndexKeys, tie('tree'), { maxKeys: 6 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const text = canonicalize(value);
        expect(text).toBe(JSON.stringify(sorted(value)));
        expect(canonicalize(JSON.parse(text))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the order members were written in', () => {
    expect(canonicalize(JSON.parse('{"b":1,"a":{"10":1,"9":2,"":3}}'))).toBe(
      '{"a":{"":3,"10":1,"9":2},"b":1}',
    );
  });

  it('keeps members named like properties of every object', () => {
    const text = '{"__proto__":{"a":1},"constructor":2,"hasOwnProperty":3,"toJSON":4}';
    expect(canonicalize(JSON.parse(text))).toBe(text);
    expect(canonicalize(JSON.parse('{"__proto__":null}'))).toBe('{"__proto__":null}');
  });

  it('escapes each character as JSON.stringify does, wherever it stands', () => {
    for (let code = 1; code < 0x3000; code++) {
      const char = String.fromCharCode(code);
      for (const text of [char, `a${char}b`]) {
        expect(canonicalize({ [text]: text })).toBe(JSON.stringify({ [text]: text }));
      }
    }
  });

  it('prints scalars and empty containers', () => {
    expect(
      ['', 0, -0, true, null, [], {}, [[]], '/\u007f\u2028é😀'].map((value) => canonicalize(value)),
    ).toEqual(['""', '0', '0', 'true', 'null', '[]', '{}', '[[]]', '"/\u007f\u2028é😀"']);
    expect(canonicalize('\u0001\u001f')).toBe('"\\u0001\\u001f"');
    expect(canonicalize('\0', { allowNul: true })).toBe('"\\u0000"');
  });
});

describe('what has no canonical form', () => {
  function nested(depth: number): unknown {
    return JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  }

  it('nesting is limited and cannot overflow the stack', () => {
    expect(canonicalize(nested(MAX_JSON_DEPTH))).toHaveLength(2 * MAX_JSON_DEPTH);
    expect(fault(nested(MAX_JSON_DEPTH + 1))).toEqual({ reason: 'depth', path: '/0'.repeat(MAX_JSON_DEPTH) });
    expect(fault(nested(200_000)).reason).toBe('depth');
    expect(fault(JSON.parse('{"a":'.repeat(129) + 1 + '}'.repeat(129))).reason).toBe('depth');
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(fault(cycle).reason).toBe('depth');
  });

  it('text that is not Unicode or cannot be stored is refused with its place', () => {
    expect(fault({ a: [1, '\ud800'] })).toEqual({ reason: 'lone_surrogate', path: '/a/1' });
    expect(fault({ 'x/y~z': '\udc00\ud800' })).toEqual({ reason: 'lone_surrogate', path: '/x~1y~0z' });
    for (const text of ['\udc00\udc00', '\ud800\ud800', 'a\udfff', '😀\ude00', '\ud83d😀']) {
      expect(fault([text])).toEqual({ reason: 'lone_surrogate', path: '/0' });
    }
    expect(fault({ '\ud83d': 1 })).toEqual({ reason: 'lone_surrogate', path: '/\ud83d' });
    expect(fault({ a: { b: 'x\0' } })).toEqual({ reason: 'nul', path: '/a/b' });
    expect(fault({ '\0': 1 })).toEqual({ reason: 'nul', path: '/\0' });
    expect(fault('\0\ud800', true)).toEqual({ reason: 'lone_surrogate', path: '' });
    expect(canonicalize('😀')).toBe('"😀"');
  });

  it('numbers beyond double are refused', () => {
    expect(fault(JSON.parse('{"n":[1e999]}'))).toEqual({ reason: 'not_finite', path: '/n/0' });
    expect(fault(Number.NaN)).toEqual({ reason: 'not_finite', path: '' });
  });

  it('values that are not JSON are refused instead of dropped', () => {
    const values = [
      undefined,
      () => 1,
      Symbol('s'),
      1n,
      new Date(0),
      new Map(),
      new Uint8Array(1),
      Object(1),
    ];
    for (const value of values) {
      expect(fault(value)).toEqual({ reason: 'not_json', path: '' });
      expect(fault({ a: value })).toEqual({ reason: 'not_json', path: '/a' });
    }
    // biome-ignore lint/suspicious/noSparseArray: a hole is the point
    expect(fault([1, , 2])).toEqual({ reason: 'not_json', path: '/1' });
  });

  it('an error names the place in words', () => {
    expect(() => canonicalize({ a: '\0' })).toThrow('/a contains the character U+0000');
    expect(() => canonicalize(undefined)).toThrow('the value is not a JSON value');
    expect(() => canonicalize({ ['k'.repeat(100_000)]: '\0' })).toThrow(/^\/k{199}… contains/);
  });
});

describe('writing into a sink', () => {
  it('appends the bytes of the canonical text, growing as needed', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.jsonValue(),
        fc.integer({ min: 0, max: 40 }),
        (first, second, capacity) => {
          const sink = { bytes: new Uint8Array(capacity), length: 0 };
          canonicalizeInto(first, sink, { allowNul: true });
          canonicalizeInto(second, sink, { allowNul: true });
          const text = canonicalize(first, { allowNul: true }) + canonicalize(second, { allowNul: true });
          expect(Buffer.from(sink.bytes.subarray(0, sink.length)).toString()).toBe(text);
        },
      ),
    );
  });

  it('leaves it as long as before when the value is refused', () => {
    const sink = { bytes: new Uint8Array(4), length: 0 };
    canonicalizeInto([1], sink);
    expect(() => canonicalizeInto({ a: 'some text', b: '\0' }, sink)).toThrow(JcsError);
    expect(Buffer.from(sink.bytes.subarray(0, sink.length)).toString()).toBe('[1]');
  });

  it('handles texts larger than the scratch space kept between calls', () => {
    const long = 'é'.repeat(700_000);
    expect(canonicalize([long])).toBe(`["${long}"]`);
    expect(canonicalize({ a: 'x'.repeat(5000), b: 'y\n'.repeat(5000) })).toHaveLength(2 + 5006 + 1 + 15006);
    expect(canonicalize('')).toBe('""');
  });
});
