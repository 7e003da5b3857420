import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cosign,
  cosignatureMessage,
  decodeBase64,
  formatNote,
  NOTE_COSIGNATURE,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  readCosignature,
  verifierKey,
  verifyCosignature,
  verifyNote,
} from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { CT_CHECKPOINT, REMORA_KEY, signerOf, tampered } from './note-support.js';

const BODY = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
`;
const witness = signerOf('witness.example.com/w1', 3);
const asNote = (name: string, base64: string) => {
  const bytes = decodeBase64(base64)!;
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
};

describe('a cosignature', () => {
  test('signs the published message', () => {
    expect(new TextDecoder().decode(cosignatureMessage(1679315147, BODY))).toBe(
      `cosignature/v1\ntime 1679315147\n${BODY}`,
    );
  });

  test('has the timestamp in front, as in the example of c2sp.org/tlog-cosignature', () => {
    const example = asNote(
      'witness.example.com/w1',
      'jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==',
    );
    const read = readCosignature(example)!;
    expect(read.timestamp).toBe(1679315147);
    expect(encodeHex(read.signature).slice(0, 16)).toBe('119307c1245a24d8');
    expect(read.signature.length).toBe(64);
  });

  test('has the time that transparency-dev/formats reads; a plain signature has none', () => {
    const cosignature =
      'ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA==';
    expect(readCosignature(asNote('w', cosignature))?.timestamp).toBe(1727964367);
    const plain =
      'eQjRQm6eSKzFoiYalgwCPXu2y3ijtg68is9M46JKxuZB+dRfTmeQeDBoXnvxZx2ugnkyV+MUMLXpWs1hPb/W/4xkNQY=';
    expect(readCosignature(asNote('w', plain))).toBeUndefined();
  });

  test('of a public witness verifies under its published key, at its time only', () => {
    const parsed = parseNote(CT_CHECKPOINT) as Exclude<ReturnType<typeof parseNote>, { problem: string }>;
    const { publicKey, name } = parseVerifierKey(REMORA_KEY)!;
    const line = parsed.signatures.find((signature) => signature.name === name)!;
    expect(verifyCosignature(line, parsed.text, publicKey)).toBe(0x6a122120);
    expect(
      verifyCosignature(line, parsed.text.replace('1432088532', '1432088533'), publicKey),
    ).toBeUndefined();
    const later = line.signature.slice();
    later[7]!++;
    expect(verifyCosignature({ ...line, signature: later }, parsed.text, publicKey)).toBeUndefined();
  });

  test('of the witness of a firmware log verifies under the key published with it', () => {
    // Checkpoint, key and signature stand together in a public example of formats/note.
    const body =
      'developers.google.com/android/binary_transparency/google1p/0\n5\nxqaCEZhTGZUuKNA7MpSyxe1WXiiESB2p+crAyzM+Vxo=\n';
    const publicKey = decodeBase64('MCowBQYDK2VwAyEApTPPKyRu6Q3PoMkeY+/sNni0biF4vnVTYRHbVNA31mY=')!.slice(
      -32,
    );
    const signature = asNote(
      'witness',
      'r0xBJQAAAABnkyoLuHgN5KlIUUpZV9hulwsFcgqV5v1CyeIhBZWdkfOJT0ims1LqbYygO5MEl91CGha5sP79K57P7lIGrz7Qtx8eBw==',
    );
    expect(verifyCosignature(signature, body, publicKey)).toBe(0x67932a0b);
  });

  test('is a line of the note that carries it', () => {
    const line = cosign(BODY, 1679315147, witness);
    const key = verifierKey(witness.name, NOTE_COSIGNATURE, witness.publicKey);
    expect(encodeHex(line.keyId)).toBe(encodeHex(noteKeyId(witness.name, 0x04, witness.publicKey)));
    const note = formatNote(BODY, [line]);
    expect(verifyNote(note, [key])).toMatchObject({
      verifiedBy: [key],
      cosignatures: [{ key, timestamp: 1679315147 }],
    });
    for (const text of tampered(note)) expect(verifyNote(text, [key])).toHaveProperty('problem');
  });

  test('covers extension lines', () => {
    const line = cosign(`${BODY}extension\n`, 1, witness);
    expect(verifyCosignature(line, `${BODY}extension\n`, witness.publicKey)).toBe(1);
    expect(verifyCosignature(line, BODY, witness.publicKey)).toBeUndefined();
  });

  test('is not confused with the signature of a log by the same key', () => {
    const signature = witness.sign(new TextEncoder().encode(BODY));
    const stamped = new Uint8Array(72);
    stamped.set(signature, 8);
    const line = { name: witness.name, keyId: new Uint8Array(4), signature: stamped };
    expect(verifyCosignature(line, BODY, witness.publicKey)).toBeUndefined();
  });

  test('with another length or a time beyond 2^53 - 1 is none', () => {
    const of = (signature: Uint8Array) => readCosignature({ name: 'w', keyId: new Uint8Array(4), signature });
    for (const length of [0, 8, 64, 71, 73]) expect(of(new Uint8Array(length))).toBeUndefined();
    const late = new Uint8Array(72);
    late[1] = 0x20;
    expect(of(late)).toBeUndefined();
    late.set([0, 0x1f, 255, 255, 255, 255, 255, 255]);
    expect(of(late)?.timestamp).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('survives being made and read at any time', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (timestamp) => {
        const line = cosign(BODY, timestamp, { ...witness, sign: () => new Uint8Array(64).fill(7) });
        expect(readCosignature(line)).toEqual({ timestamp, signature: new Uint8Array(64).fill(7) });
      }),
    );
  });
});
