import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCheckpoint, parseCheckpoint, parseNote } from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { CT_CHECKPOINT, SUMDB_CHECKPOINT } from './note-support.js';

/** The example of c2sp.org/tlog-checkpoint. */
const SOFA = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;
const ROOT = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
const bodyOf = (note: string) => (parseNote(note) as { text: string }).text;
const problemOf = (body: string) => {
  const parsed = parseCheckpoint(body);
  return 'problem' in parsed ? parsed.problem : undefined;
};

describe('a checkpoint', () => {
  test('states origin, size and root, as in the published example', () => {
    const checkpoint = parseCheckpoint(bodyOf(SOFA));
    expect(checkpoint).toMatchObject({
      origin: 'example.com/behind-the-sofa',
      size: 20852163,
      extensions: [],
    });
    expect('root' in checkpoint && encodeHex(checkpoint.root)).toBe(
      '0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62',
    );
  });

  test('of the Go checksum database and of a CT log are read and written', () => {
    for (const note of [SOFA, SUMDB_CHECKPOINT, CT_CHECKPOINT]) {
      const checkpoint = parseCheckpoint(bodyOf(note));
      if ('problem' in checkpoint) throw new Error(checkpoint.problem);
      expect(formatCheckpoint(checkpoint)).toBe(bodyOf(note));
    }
    expect(parseCheckpoint(bodyOf(SUMDB_CHECKPOINT))).toMatchObject({ origin: 'go.sum database tree' });
  });

  test('may have extension lines', () => {
    expect(parseCheckpoint(`o\n1\n${ROOT}\nfirst\nand = second\n`)).toMatchObject({
      extensions: ['first', 'and = second'],
    });
  });

  test.each([
    ['no final newline', `o\n1\n${ROOT}`, 'does not end in a newline'],
    ['two lines', `o\n1\n`, 'fewer than three lines'],
    ['nothing', '', 'does not end in a newline'],
    ['an empty origin', `\n1\n${ROOT}\n`, 'empty line'],
    ['an empty extension line', `o\n1\n${ROOT}\n\n`, 'empty line'],
    ['an empty line among the extensions', `o\n1\n${ROOT}\n\nx\n`, 'empty line'],
    ['a leading zero', `o\n01\n${ROOT}\n`, 'tree size'],
    ['a sign', `o\n+1\n${ROOT}\n`, 'tree size'],
    ['a negative size', `o\n-1\n${ROOT}\n`, 'tree size'],
    ['a hexadecimal size', `o\n0x1\n${ROOT}\n`, 'tree size'],
    ['a space behind the size', `o\n1 \n${ROOT}\n`, 'tree size'],
    ['an exponent', `o\n1e3\n${ROOT}\n`, 'tree size'],
    ['digits of another script', `o\n١\n${ROOT}\n`, 'tree size'],
    ['a size beyond 2^53 - 1', `o\n9007199254740992\n${ROOT}\n`, 'tree size'],
    ['a size of many digits', `o\n${'9'.repeat(400)}\n${ROOT}\n`, 'tree size'],
    ['a short root', `o\n1\nAAAA\n`, '32 bytes'],
    ['a long root', `o\n1\n${Buffer.alloc(33).toString('base64')}\n`, '32 bytes'],
    ['a root without padding', `o\n1\n${ROOT.slice(0, -1)}\n`, '32 bytes'],
    ['a root with bits behind its end', `o\n1\n${ROOT.replace('I=', 'J=')}\n`, '32 bytes'],
    ['a root in URL-safe base64', `o\n1\n${ROOT.replace('/', '_')}\n`, '32 bytes'],
    ['a tab', `o\tp\n1\n${ROOT}\n`, 'control character'],
    ['a lone surrogate', `o\ud800\n1\n${ROOT}\n`, 'control character'],
  ])('is refused with %s', (_, body, reason) => {
    expect(problemOf(body)).toContain(reason);
  });

  test('survives being written and read, up to the greatest size', () => {
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const origin = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
    fc.assert(
      fc.property(origin, fc.maxSafeNat(), root, (origin, size, root) => {
        expect(parseCheckpoint(formatCheckpoint({ origin, size, root }))).toEqual({
          origin,
          size,
          root,
          extensions: [],
        });
      }),
    );
    expect(formatCheckpoint({ origin: 'o', size: 0, root: new Uint8Array(32) })).toContain('o\n0\nAAAA');
  });

  test('is not written when it could not be read again', () => {
    const root = new Uint8Array(32);
    for (const bad of [
      { origin: '', size: 1, root },
      { origin: 'o\n1', size: 1, root },
      { origin: 'o\tp', size: 1, root },
      { origin: 'o', size: -1, root },
      { origin: 'o', size: 1.5, root },
      { origin: 'o', size: 2 ** 53, root },
      { origin: 'o', size: 1e21, root },
      { origin: 'o', size: 1, root: new Uint8Array(31) },
    ])
      expect(() => formatCheckpoint(bad), JSON.stringify(bad)).toThrow(RangeError);
  });
});
