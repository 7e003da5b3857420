import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createNodeHasher,
  formatCheckpoint,
  formatNote,
  formatTlogProof,
  leafHash,
  PROOF_HASHES_MAX,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  signNote,
  type TlogProof,
  verifyInclusion,
} from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { sha256Into } from './naive-tree.js';
import { SUMDB_CHECKPOINT, signerOf } from './note-support.js';

/** A complete example published in the manual of another implementation (webtessera); its entries are "hello" and "world". */
const EXAMPLE = `c2sp.org/tlog-proof@v1
index 0
rqPLszb01JTYtaFXrt/EgKRabefAlo4IVDOyFPm0Hvc=

example.com/log
2
JCMzOarc7fKH0mJBPwPAKOuNs5ft0yooeAkRUbmb8g8=

— example.com/log Jb1BsEv3/w9bI0H3Gl/pRDxTUJhhRdecWoVgxutGU/6cc46BXi6x0pcO78xtvdZoyfNtc3d3Dpx6I3c/L0c1DvqWQAo=
`;
/** The lines in front of the checkpoint in the example of c2sp.org/tlog-proof, whose signatures are abridged there. */
const HEAD = `c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=
`;
const HASH = 'AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=';
const log = signerOf('example.com/log', 1);
const checkpointOf = (size: number) => {
  const body = formatCheckpoint({ origin: log.name, size, root: new Uint8Array(32).fill(9) });
  return formatNote(body, [signNote(body, log)]);
};
const parsed = (text: string): TlogProof => {
  const proof = parseTlogProof(text);
  if ('problem' in proof) throw new Error(proof.problem);
  return proof;
};
const problemOf = (text: string) => {
  const proof = parseTlogProof(text);
  return 'problem' in proof ? proof.problem : undefined;
};

describe('a proof file', () => {
  test('is read and written as published', () => {
    const proof = parsed(EXAMPLE);
    expect([proof.index, proof.extra, proof.hashes.map((hash) => encodeHex(hash).slice(0, 8))]).toEqual([
      0,
      undefined,
      ['aea3cbb3'],
    ]);
    expect(proof.checkpoint).toBe(EXAMPLE.slice(EXAMPLE.indexOf('\n\n') + 2));
    expect(formatTlogProof(proof)).toBe(EXAMPLE);
  });

  test('leads from the entry to the root of its checkpoint', () => {
    const proof = parsed(EXAMPLE);
    const note = parseNote(proof.checkpoint);
    const checkpoint = parseCheckpoint('text' in note ? note.text : '');
    if ('problem' in checkpoint) throw new Error(checkpoint.problem);
    const leaf = leafHash(new TextEncoder().encode('hello'), sha256Into);
    const hashNode = createNodeHasher(sha256Into);
    const { size, root } = checkpoint;
    expect(verifyInclusion(leaf, proof.index, size, proof.hashes, root, hashNode)).toBe(true);
    expect(verifyInclusion(leaf, 1, size, proof.hashes, root, hashNode)).toBe(false);
  });

  test('carries extra data and hashes in the published order', () => {
    const text = `${HEAD}\n${SUMDB_CHECKPOINT}`;
    const proof = parsed(text);
    expect(proof.index).toBe(73894);
    expect(new TextDecoder().decode(proof.extra!.subarray(0, 30))).toBe('age-v1.2.1-darwin-arm64.tar.gz');
    expect(proof.hashes.map((hash) => encodeHex(hash).slice(0, 8))).toEqual([
      '8122b25e',
      '07de650d',
      '10a373a0',
      '468a2912',
      '0070a2a1',
    ]);
    expect(proof.checkpoint).toBe(SUMDB_CHECKPOINT);
    expect(formatTlogProof(proof)).toBe(text);
  });

  test('of the only entry has no hashes', () => {
    const text = formatTlogProof({ index: 0, hashes: [], checkpoint: checkpointOf(1) });
    expect(text.startsWith('c2sp.org/tlog-proof@v1\nindex 0\n\nexample.com/log\n1\n')).toBe(true);
    expect(parsed(text).hashes).toEqual([]);
  });

  test('leaves empty extra data out', () => {
    const proof = { index: 0, hashes: [], checkpoint: checkpointOf(1) };
    expect(formatTlogProof({ ...proof, extra: new Uint8Array(0) })).toBe(formatTlogProof(proof));
  });

  const valid = `${HEAD}\n${SUMDB_CHECKPOINT}`;
  test.each([
    ['nothing', '', 'no empty line'],
    ['only its header', 'c2sp.org/tlog-proof@v1\n', 'no empty line'],
    ['another version', valid.replace('@v1', '@v2'), 'first line'],
    ['something in front', `\u{feff}${valid}`, 'first line'],
    ['extra data that is not base64', valid.replace('extra YWd', 'extra YW!'), 'extra data'],
    ['extra data without padding', valid.replace(/extra .*/, 'extra YQ'), 'extra data'],
    ['an extra line without data', valid.replace(/extra .*/, 'extra '), 'extra data'],
    ['two extra lines', valid.replace('index', 'extra YQ==\nindex'), 'no index'],
    ['no index', valid.replace('index 73894\n', ''), 'no index'],
    [
      'the index in front of the extra data',
      `c2sp.org/tlog-proof@v1\nindex 1\nextra YQ==\n\n${SUMDB_CHECKPOINT}`,
      'Hash 1',
    ],
    ['a leading zero', valid.replace('index 7', 'index 07'), 'no index'],
    ['a negative index', valid.replace('index 7', 'index -7'), 'no index'],
    ['an index beyond 2^53 - 1', valid.replace('73894', '9007199254740992'), 'no index'],
    ['an index outside of the tree', valid.replace('73894', '15081221'), 'does not lie in'],
    ['a short hash', valid.replace(HASH, 'AAAA'), 'Hash 5'],
    ['a hash in URL-safe base64', valid.replace('pz1ZMMes=', 'pz1ZMMe-='), 'Hash 4'],
    ['a space behind a hash', valid.replace(HASH, `${HASH} `), 'Hash 5'],
    ['carriage returns', valid.replaceAll('\n', '\r\n'), 'no empty line'],
    ['no checkpoint', `${HEAD}\n`, 'no empty line between'],
    ['a checkpoint without signatures', valid.slice(0, valid.indexOf('—')), 'no signatures'],
    ['a note that is no checkpoint', valid.replace('15081221', 'many'), 'tree size'],
    ['an empty line too many', valid.replace('\n\n', '\n\n\n'), 'empty line'],
  ])('is refused with %s', (_, text, reason) => {
    expect(problemOf(text)).toContain(reason);
  });

  test('is bounded in hashes and size', () => {
    const hashes = Array.from({ length: PROOF_HASHES_MAX }, () => new Uint8Array(32));
    const proof = { index: 1, hashes, checkpoint: checkpointOf(2) };
    expect(parsed(formatTlogProof(proof)).hashes.length).toBe(63);
    expect(() => formatTlogProof({ ...proof, hashes: [...hashes, hashes[0]!] })).toThrow(/more than 63/);
    expect(problemOf(`${formatTlogProof(proof)}${'x'.repeat(2_000_000)}`)).toContain('larger than');
  });

  test('survives being written and read', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const extra = fc.uint8Array({ minLength: 1, maxLength: 200 });
    const checkpoint = checkpointOf(Number.MAX_SAFE_INTEGER);
    fc.assert(
      fc.property(
        fc.maxSafeNat().map((index) => Math.max(0, index - 1)),
        fc.array(hash, { maxLength: 63 }),
        fc.option(extra, { nil: undefined }),
        (index, hashes, extra) => {
          const proof: TlogProof = { ...(extra && { extra }), index, hashes, checkpoint };
          const text = formatTlogProof(proof);
          expect(parsed(text)).toEqual(proof);
          expect(formatTlogProof(parsed(text))).toBe(text);
        },
      ),
    );
  });

  test('is not written when it could not be read again', () => {
    const proof = { index: 0, hashes: [], checkpoint: checkpointOf(1) };
    for (const bad of [
      { ...proof, index: 1 },
      { ...proof, index: -1 },
      { ...proof, hashes: [new Uint8Array(31)] },
      { ...proof, checkpoint: 'not a note\n' },
    ])
      expect(() => formatTlogProof(bad)).toThrow(RangeError);
  });

  test('is judged without throwing, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(valid.length), (noise, at) => {
        expect(parseTlogProof(noise)).toHaveProperty('problem');
        parseTlogProof(valid.slice(0, at) + noise + valid.slice(at + noise.length));
      }),
    );
  });
});
