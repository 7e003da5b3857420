import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatNote,
  formatVerifierKey,
  NOTE_BYTES_MAX,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  NOTE_SIGNATURES_MAX,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  signNote,
  verifierKey,
  verifyNote,
} from '../../engine/log/index.js';
import { decodeHex, encodeHex } from '../../engine/protocol/index.js';
import {
  CT_CHECKPOINT,
  CT_LOG_KEY,
  REMORA_KEY,
  SUMDB_CHECKPOINT,
  SUMDB_KEY,
  signerOf,
  tampered,
} from './note-support.js';

// Keys, text and signatures of golang.org/x/mod/sumdb/note, file note_test.go.
const PETER_KEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const ENOCH_KEY = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const ENOCH_LINE =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
/** Seed inside the private key PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz. */
const PETER_SEED = '810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173';

const peter = parseVerifierKey(PETER_KEY)!;
const enoch = parseVerifierKey(ENOCH_KEY)!;
const signed = `${TEXT}\n${PETER_LINE}${ENOCH_LINE}`;
/** The example at the top of c2sp.org/signed-note; its text has an empty line. */
const SALVATORE = `Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
`;

const problemOf = (result: object) => ('problem' in result ? result.problem : undefined);
const alice = signerOf('example.com/alice', 1);
const bob = signerOf('example.com/bob', 2);
const keyOf = ({ name, publicKey }: typeof alice) => verifierKey(name, NOTE_ED25519, publicKey);

describe('a verifier key', () => {
  test.each([PETER_KEY, ENOCH_KEY, SUMDB_KEY, CT_LOG_KEY, REMORA_KEY])('is read and written: %s', (text) => {
    const key = parseVerifierKey(text)!;
    expect(formatVerifierKey(key.name, key.type, key.publicKey)).toBe(text);
    expect(text).toContain(`${key.name}+${encodeHex(key.keyId)}+`);
    expect(key.type).toBe(text === REMORA_KEY ? NOTE_COSIGNATURE : NOTE_ED25519);
    expect(encodeHex(noteKeyId(key.name, key.type, key.publicKey))).toBe(encodeHex(key.keyId));
  });

  test('is refused in every part and with every character changed', () => {
    for (let from = 0; from <= PETER_KEY.length; from++)
      for (let to = from; to <= PETER_KEY.length; to++)
        if (to - from < PETER_KEY.length) expect(parseVerifierKey(PETER_KEY.slice(from, to))).toBeUndefined();
    for (const text of tampered(PETER_KEY)) expect(parseVerifierKey(text)).toBeUndefined();
  });

  test.each([
    // The next two have fitting key IDs and come from the Go tests.
    ['a key of another length', 'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=='],
    ['an unknown type', 'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'],
    ['a key ID in capitals', PETER_KEY.replace('c74f20a3', 'C74F20A3')],
    ['no name', PETER_KEY.replace('PeterNeumann', '')],
    ['a space in its name', PETER_KEY.replace('PeterNeumann', 'Peter Neumann')],
    ['a no-break space in its name', PETER_KEY.replace('PeterNeumann', 'Peter\u00a0Neumann')],
    ['a line break behind it', `${PETER_KEY}\n`],
  ])('is refused with %s', (_, text) => {
    expect(parseVerifierKey(text)).toBeUndefined();
  });

  test('is not made of a bad name or key', () => {
    for (const name of ['', 'a b', 'a+b', 'a\u3000b', 'a\nb', '\ud800'])
      expect(() => formatVerifierKey(name, NOTE_ED25519, peter.publicKey), name).toThrow(RangeError);
    expect(() => formatVerifierKey('a', NOTE_ED25519, peter.publicKey.subarray(1))).toThrow(RangeError);
  });
});

describe('a note', () => {
  test('is signed as golang.org/x/mod signs it', async () => {
    const { signEd25519 } = await import('../../engine/protocol/index.js');
    const seed = decodeHex(PETER_SEED)!;
    const signer = { ...peter, sign: (message: Uint8Array) => signEd25519(message, seed) };
    expect(formatNote(TEXT, [signNote(TEXT, signer)])).toBe(`${TEXT}\n${PETER_LINE}`);
  });

  test('verifies under the known keys; signatures of unknown keys are ignored', () => {
    const one = verifyNote(signed, [peter]);
    expect(one).toMatchObject({ text: TEXT, verifiedBy: [peter], cosignatures: [] });
    const both = verifyNote(signed, [enoch, peter]);
    expect(both).toMatchObject({ text: TEXT, verifiedBy: [peter, enoch] });
    expect('signatures' in both && both.signatures.length).toBe(2);
  });

  test('of the Go checksum database, the public witnesses and a CT log verifies under their published keys', () => {
    const sumdb = verifyNote(SUMDB_CHECKPOINT, [parseVerifierKey(SUMDB_KEY)!]);
    expect(sumdb).toMatchObject({ verifiedBy: [{ name: 'sum.golang.org' }] });
    const keys = [CT_LOG_KEY, REMORA_KEY].map((text) => parseVerifierKey(text)!);
    const ct = verifyNote(CT_CHECKPOINT, keys);
    expect(ct).toMatchObject({ verifiedBy: keys, cosignatures: [{ key: keys[1], timestamp: 0x6a122120 }] });
  });

  test('splits at its last empty line', () => {
    const parsed = parseNote(SALVATORE);
    expect(parsed).toMatchObject({ signatures: [{ name: 'quasimodo.example/salvatore' }] });
    expect('text' in parsed && parsed.text.endsWith('sole:\n\ned è subito sera.\n')).toBe(true);
    const { text, signatures } = parsed as Exclude<typeof parsed, { problem: string }>;
    expect(encodeHex(signatures[0]!.keyId)).toBe('367ba04b');
    expect(signatures[0]!.signature.length).toBe(64);
    expect(formatNote(text, signatures)).toBe(SALVATORE);
  });

  test('with no signature of a known key is refused', () => {
    const none = 'The note has no signature of a known key';
    expect(problemOf(verifyNote(signed, []))).toBe(none);
    expect(problemOf(verifyNote(SALVATORE, [peter, enoch]))).toBe(none);
    // Same name, other ID; same ID, other name.
    expect(problemOf(verifyNote(signed, [{ ...peter, keyId: enoch.keyId }]))).toBe(none);
    expect(problemOf(verifyNote(signed, [{ ...peter, name: 'PeterNeuman' }]))).toBe(none);
  });

  test('with a bad signature of a known key is refused as a whole, whatever else is good', () => {
    const bad = `${PETER_LINE.slice(0, 60)}ABCD${PETER_LINE.slice(60)}`;
    const keys = [peter, enoch];
    for (const lines of [bad, ENOCH_LINE + bad, bad + ENOCH_LINE, PETER_LINE + bad])
      expect(problemOf(verifyNote(`${TEXT}\n${lines}`, keys))).toBe('The signature of PeterNeumann is wrong');
    expect(verifyNote(`${TEXT}\n${ENOCH_LINE}${bad}`, [enoch])).toMatchObject({ verifiedBy: [enoch] });
  });

  test('counts a key once, however often it signed or is listed', () => {
    const again = verifyNote(`${TEXT}\n${PETER_LINE}${PETER_LINE}`, [peter, peter]);
    expect(again).toMatchObject({ verifiedBy: [peter] });
    expect('verifiedBy' in again && again.verifiedBy.length).toBe(1);
  });

  test('verifies when another key shares name and key ID', () => {
    const decoy = { ...peter, publicKey: enoch.publicKey };
    expect(verifyNote(signed, [decoy, peter])).toMatchObject({ verifiedBy: [peter] });
    expect(problemOf(verifyNote(signed, [decoy]))).toBe('The signature of PeterNeumann is wrong');
  });

  test('does not verify a plain signature as a cosignature, nor under a key of a type it does not know', () => {
    for (const type of [NOTE_COSIGNATURE, 0x06])
      expect(problemOf(verifyNote(signed, [{ ...peter, type }]))).toBe(
        'The signature of PeterNeumann is wrong',
      );
  });

  test.each([
    ['no signatures', TEXT, 'no empty line'],
    ['no signatures behind the empty line', `${TEXT}\n`, 'no signatures'],
    ['no final newline', `${TEXT}\n${PETER_LINE.slice(0, -1)}`, 'does not end in a newline'],
    ['an empty line at the end', `${TEXT}\n${PETER_LINE}\n`, 'no signatures'],
    ['a control character', `\u0001${TEXT}\n${PETER_LINE}`, 'control character'],
    ['a NUL', `\u0000${TEXT}\n${PETER_LINE}`, 'control character'],
    ['a tab', `\t${TEXT}\n${PETER_LINE}`, 'control character'],
    ['a carriage return', `${TEXT}\n${PETER_LINE.replace('\n', '\r\n')}`, 'control character'],
    ['a lone surrogate', `\udc00${TEXT}\n${PETER_LINE}`, 'lone surrogate'],
    ['a space in a key name', `${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'Bad Name')}`, 'Line 1'],
    ['a plus in a key name', `${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'Bad+Name')}`, 'Line 1'],
    [
      'an em space in a key name',
      `${TEXT}\n${PETER_LINE.replace('PeterNeumann', 'Bad\u2003Name')}`,
      'Line 1',
    ],
    ['an unexpected line', `${TEXT}\n${PETER_LINE}Unexpected line.\n`, 'Line 2'],
    ['a hyphen for the em dash', `${TEXT}\n${PETER_LINE.replace('—', '-')}`, 'Line 1'],
    ['two spaces', `${TEXT}\n${PETER_LINE.replace(' x', '  x')}`, 'Line 1'],
    ['no padding', `${TEXT}\n${PETER_LINE.replace('=', '')}`, 'Line 1'],
    ['bits behind the last byte', `${TEXT}\n${PETER_LINE.replace('M=', 'N=')}`, 'Line 1'],
    ['URL-safe base64', `${TEXT}\n${PETER_LINE.replace('/', '_')}`, 'Line 1'],
    ['a key ID and nothing else', `${TEXT}\n— a AAAAAA==\n`, 'Line 1'],
  ])('with %s is malformed', (_, note, reason) => {
    expect(problemOf(parseNote(note))).toContain(reason);
    expect(problemOf(verifyNote(note, [peter]))).toContain(reason);
  });

  test('is bounded in signatures and size', () => {
    const times = (count: number) => `${TEXT}\n${PETER_LINE.repeat(count)}`;
    expect(parseNote(times(NOTE_SIGNATURES_MAX))).toHaveProperty('signatures.length', NOTE_SIGNATURES_MAX);
    expect(problemOf(parseNote(times(NOTE_SIGNATURES_MAX + 1)))).toContain('more than 64 signatures');
    const room = NOTE_BYTES_MAX - Buffer.byteLength(`\n\n${PETER_LINE}`);
    const long = (filler: string) => `${filler}\n\n${PETER_LINE}`;
    expect(parseNote(long('x'.repeat(room)))).toHaveProperty('text');
    expect(problemOf(parseNote(long('x'.repeat(room + 1))))).toContain('larger than');
    expect(problemOf(parseNote(long('é'.repeat(room / 2 + 1))))).toContain('larger than'); // bytes, not characters
  });

  test('does not verify with any character changed', () => {
    const note = formatNote('log\n7\n', [signNote('log\n7\n', alice), signNote('log\n7\n', bob)]);
    const keys = [keyOf(alice), keyOf(bob)];
    expect(verifyNote(note, keys)).toMatchObject({ verifiedBy: keys });
    for (const text of tampered(note)) {
      const verified = verifyNote(text, keys);
      // Changing a name or key ID makes its key unknown; the other signature still vouches for the very same text.
      if ('text' in verified) expect([verified.text, verified.verifiedBy.length]).toEqual(['log\n7\n', 1]);
    }
    for (const text of tampered(note.slice(0, 'log\n7\n'.length)))
      expect(verifyNote(text + note.slice('log\n7\n'.length), keys)).toHaveProperty('problem');
  });

  test('survives being written and read', () => {
    const text = fc
      .array(fc.string({ unit: 'grapheme' }), { maxLength: 5 })
      .map((lines) => `${lines.join('\n').replace(/[^\P{Cc}\n]/gu, ' ')}\n`);
    const signature = fc.record({
      name: fc.stringMatching(/^[a-z0-9./:é日-]{1,20}$/),
      keyId: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      signature: fc.uint8Array({ minLength: 1, maxLength: 100 }),
    });
    fc.assert(
      fc.property(text, fc.array(signature, { minLength: 1, maxLength: 5 }), (body, signatures) => {
        const note = formatNote(body, signatures);
        const parsed = parseNote(note) as { text: string; signatures: typeof signatures };
        expect(parsed.text).toBe(body);
        expect(parsed.signatures).toEqual(signatures);
        expect(formatNote(parsed.text, parsed.signatures)).toBe(note);
      }),
    );
  });

  test('never throws on what it is given to read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (noise) => {
        expect(parseNote(noise)).toHaveProperty('problem');
        expect(parseVerifierKey(noise)).toBeUndefined();
      }),
    );
  });

  test('is not written when it could not be read again', () => {
    const good = signNote('a\n', alice);
    expect(() => formatNote('a', [good])).toThrow(RangeError);
    expect(() => formatNote('a\n', [])).toThrow(RangeError);
    expect(() => formatNote('a\n', [{ ...good, name: 'a b' }])).toThrow(RangeError);
    expect(() => formatNote('a\tb\n', [good])).toThrow(RangeError);
    expect(() => signNote('a', alice)).toThrow(RangeError);
    expect(() => signNote('a\r\n', alice)).toThrow(RangeError);
    expect(() => signNote('a\n', { ...alice, name: 'a+b' })).toThrow(RangeError);
  });
});
