import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalize,
  canonicalLegacyJson,
  encodeHex,
  formatUuid,
  isJsonNumber,
  isJsonObject,
  JcsError,
  LEGACY_FIXED,
  type LosslessJson,
  LosslessJsonError,
  legacyPayloadHash,
  parseLegacyEnvelope,
  parseLossless,
  printLegacyJson,
  printLegacyNumber,
} from '../../engine/protocol/index.js';
import { IDS_B } from './support.js';

/** The JavaScript value of a lossless one. */
function toValue(value: LosslessJson): unknown {
  if (isJsonNumber(value)) return Number(value.token);
  if (Array.isArray(value)) return value.map(toValue);
  if (isJsonObject(value))
    return Object.fromEntries([...value].map(([key, member]) => [key, toValue(member)]));
  return value;
}

describe('the lossless parser', () => {
  it('agrees with JSON.parse on every JSON text', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(toValue(parseLossless(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  it('accepts exactly the texts JSON.parse accepts', () => {
    const token = fc.constantFrom(
      ...'{}[]:,"\\/ -+.0127eEunulltruefalse\n\t\u0001é'.split(''),
      '"a"',
      'null',
      '1.5',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 8 }), (tokens) => {
        const text = tokens.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseLossless(text), text).toThrow(LosslessJsonError);
          return;
        }
        expect(toValue(parseLossless(text)), text).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
    const tricky = [
      '01',
      '1.',
      '.5',
      '+1',
      '-',
      '1e',
      '0x1',
      'NaN',
      '"\\x"',
      '"\\u12g4"',
      '"\n"',
      '"',
      '[1,]',
      '{,}',
    ];
    tricky.push('{"a":1,}', '{"a"}', '{a:1}', "'a'", '1 2', '', ' ', 'tru', '\ufeff1', '"\\u', '[', '{"a":');
    for (const text of tricky) expect(() => parseLossless(text), text).toThrow(LosslessJsonError);
  });

  it('keeps number tokens, the last of duplicates, and any member name', () => {
    const value = parseLossless('{"a":1.0,"a":2.50,"__proto__":18446744073709551615}');
    if (!isJsonObject(value)) throw new Error('no object');
    expect(value.get('a')).toEqual({ token: '2.50' });
    expect(value.get('__proto__')).toEqual({ token: '18446744073709551615' });
    expect(value.size).toBe(2);
  });

  it('limits nesting', () => {
    expect(() => parseLossless('['.repeat(100_000))).toThrow('nesting is too deep');
    expect(() => parseLossless('[ 1, x]')).toThrow('unexpected character at position 5');
  });
});

describe('legacy canonical text', () => {
  it('prints numbers in the legacy notation', () => {
    const table: [string, string][] = [
      ['1.0', '1.0'],
      ['1', '1'],
      ['1e20', '1e20'],
      ['1E5', '100000.0'],
      ['-0', '-0.0'],
      ['-0.0', '-0.0'],
      ['0', '0'],
      ['0.0', '0.0'],
      ['0e5', '0.0'],
      ['1e16', '1e16'],
      ['1e15', '1000000000000000.0'],
      ['1.5e-7', '1.5e-7'],
      ['0.00001', '0.00001'],
      ['0.000001', '1e-6'],
      ['12.50', '12.5'],
      ['123456789012345680.0', '1.2345678901234568e17'],
      ['5e-324', '5e-324'],
      ['1e-400', '0.0'],
      ['1.7976931348623157e308', '1.7976931348623157e308'],
      ['18446744073709551615', '18446744073709551615'],
      ['18446744073709551616', '1.8446744073709552e19'],
      ['-9223372036854775808', '-9223372036854775808'],
      ['-9223372036854775809', '-9.223372036854776e18'],
      ['9007199254740993', '9007199254740993'],
      ['100000000000000000000000000000', '1e29'],
    ];
    for (const [token, text] of table) expect(printLegacyNumber(token), token).toBe(text);
    expect(printLegacyNumber('1e999')).toBeUndefined();
    expect(printLegacyNumber(`${'9'.repeat(400)}`)).toBeUndefined();
  });

  it('keeps every double and every integer exactly', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        const text = printLegacyNumber(Object.is(double, -0) ? '-0' : double.toExponential())!;
        expect(Number(text)).toBe(double);
        expect(text).toMatch(/[.e]/);
        expect(printLegacyNumber(text)).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (integer) => {
        expect(printLegacyNumber(String(integer))).toBe(String(integer));
      }),
    );
  });

  it('sorts members by UTF-8 bytes, unlike RFC 8785', () => {
    const text = '{"😀":1,"\ufb33":2,"b":3,"a":4,"ab":5}';
    expect(canonicalLegacyJson(text)).toBe('{"a":4,"ab":5,"b":3,"\ufb33":2,"😀":1}');
    expect(canonicalize(JSON.parse(text))).toBe('{"a":4,"ab":5,"b":3,"😀":1,"\ufb33":2}');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\0', ''))),
        (names) => {
          const printed = canonicalLegacyJson(
            JSON.stringify(Object.fromEntries(names.map((name) => [name, null]))),
          );
          const sorted = [...new Set(names)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
          expect(printed).toBe(`{${sorted.map((name) => `${JSON.stringify(name)}:null`).join(',')}}`);
        },
      ),
    );
  });

  it('equals RFC 8785 where both print alike: integers, strings, plain names', () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        fc.string().map((text) => text.replaceAll('\0', '')),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-z"\\\n]{0,5}$/), tie('tree'), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(canonicalLegacyJson(JSON.stringify(value))).toBe(canonicalize(value));
      }),
    );
  });

  it('reads a part of a larger text, and has the published hash', () => {
    const body = '{"payload": { "reason":"test", "delta":100 } }';
    const text = canonicalLegacyJson(body, 12, body.length - 2);
    expect(text).toBe('{"delta":100,"reason":"test"}');
    expect(encodeHex(legacyPayloadHash(text))).toBe(
      '93ca38f6d3bebab4298827964dc8b3dfbdd1df16b32124379642859a7870f8fc',
    );
  });

  it('refuses what cannot be stored, with its place', () => {
    const reason = (text: string) => {
      try {
        return canonicalLegacyJson(text);
      } catch (error) {
        return error instanceof JcsError ? `${error.reason} ${error.path}` : 'other';
      }
    };
    expect(reason('{"a":["\\u0000"]}')).toBe('nul /a/0');
    expect(reason('{"a/b":"\\ud800"}')).toBe('lone_surrogate /a~1b');
    expect(reason('"\\udc00\\udc00"')).toBe('lone_surrogate ');
    expect(reason('"\\ud800x"')).toBe('lone_surrogate ');
    expect(reason('{"\\u0000":1}')).toBe('nul /\0');
    expect(reason('[1e999]')).toBe('not_finite /0');
    expect(reason('"\\ud83d\\ude00"')).toBe('"😀"');
  });
});

describe('a legacy envelope', () => {
  const wire = {
    event_id: IDS_B.eventId,
    tenant_id: IDS_B.tenantId,
    store_id: IDS_B.storeId,
    source_agent: IDS_B.sourceAgentId,
    entity_type: 'order',
    entity_id: 'o1',
    event_type: 'order.created',
    payload: { a: 1 },
    payload_hash: '0A'.repeat(32),
    created_at: '1970-01-01T01:00:00.5+01:00',
  };
  const parse = (changes: Record<string, unknown>) =>
    parseLegacyEnvelope(parseLossless(JSON.stringify({ ...wire, ...changes })));
  const fault = (changes: Record<string, unknown>) => {
    const result = parse(changes);
    return result.ok ? 'accepted' : `${result.kind} ${result.path}`;
  };

  it('is read with defaults', () => {
    const result = parse({});
    if (!result.ok) throw new Error(result.message);
    expect(result.envelope).toMatchObject({
      envelopeVersion: 1,
      entityType: 'order',
      entityId: 'o1',
      eventType: 'order.created',
      createdAtMicros: 500_000n,
      hasCommandId: false,
      baseVersion: undefined,
      signature: undefined,
    });
    expect(formatUuid(result.envelope.fixed, LEGACY_FIXED.sourceAgentId)).toBe(IDS_B.sourceAgentId);
    expect(encodeHex(result.envelope.fixed, LEGACY_FIXED.payloadHash)).toBe('0a'.repeat(32));
    expect(printLegacyJson(result.envelope.payload)).toBe('{"a":1}');
  });

  it('keeps large base versions and the original numbers of its payload', () => {
    const text = JSON.stringify({ ...wire, command_id: IDS_B.eventId, signature: [0, 255] })
      .replace('"payload":{"a":1}', '"payload":{"b":1.0,"a":1e2}')
      .replace('}', '},"base_version":9007199254740993');
    const result = parseLegacyEnvelope(parseLossless(text));
    if (!result.ok) throw new Error(result.message);
    expect(result.envelope.baseVersion).toBe(9_007_199_254_740_993n);
    expect(result.envelope.signature).toEqual(Uint8Array.of(0, 255));
    expect(printLegacyJson(result.envelope.payload)).toBe('{"a":100.0,"b":1.0}');
  });

  it('may have a null payload and null optional members', () => {
    const nulls = {
      payload: null,
      command_id: null,
      base_version: null,
      signature: null,
      sequence_number: null,
    };
    expect(fault({ ...nulls, extra: {} })).toBe('accepted');
  });

  it('is refused with the member that is wrong', () => {
    for (const name of Object.keys(wire)) expect(fault({ [name]: undefined })).toBe(`type ${name}`);
    for (const name of Object.keys(wire).filter((key) => key !== 'payload')) {
      expect(fault({ [name]: 7 })).toBe(`type ${name}`);
      expect(fault({ [name]: 'x'.repeat(999) })).toMatch(new RegExp(`^(type|length) ${name}$`));
    }
    expect(fault({ payload_hash: `0x${'00'.repeat(32)}` })).toBe('type payload_hash');
    expect(fault({ command_id: 'x' })).toBe('type command_id');
    expect(fault({ envelope_version: -1 })).toBe('type envelope_version');
    expect(fault({ envelope_version: 1.5 })).toBe('type envelope_version');
    expect(fault({ base_version: -1 })).toBe('type base_version');
    expect(fault({ sequence_number: 'x' })).toBe('type sequence_number');
    for (const signature of ['00', [256], [-1], [1.5], ['1'], {}])
      expect(fault({ signature })).toBe('type signature');
    expect(fault({ created_at: '0000-01-01T00:00:00+00:01' })).toBe('type created_at');
    expect(fault({ created_at: '9999-12-31T23:59:59-00:01' })).toBe('type created_at');
    expect(fault({ entity_type: '' })).toBe('length entity_type');
    expect(fault({ entity_id: '\0' })).toBe('text entity_id');
    expect(parseLegacyEnvelope(parseLossless('[]'))).toMatchObject({ ok: false, kind: 'type', path: '' });
  });
});
