import { verify as verifyNative } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  COSE_RECEIPT_BYTES_MAX,
  type CoseReceipt,
  consistencyReceipt,
  createNodeHasher,
  inclusionReceipt,
  leafHash,
  parseCoseReceipt,
  verifyConsistencyReceipt,
  verifyInclusionReceipt,
  verifyReceiptSignature,
} from '../../engine/log/index.js';
import { naiveRoot, sha256, sha256Into } from './naive-tree.js';
import { signerOf } from './note-support.js';

const hashNode = createNodeHasher(sha256Into);
const signer = signerOf('example.com/log', 7);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part.replaceAll(' ', ''), 'hex') : part)),
  );
/** A byte string of up to 255 bytes with its shortest head. */
const bstr = (bytes: Uint8Array) =>
  bytes.length < 24
    ? Buffer.concat([Buffer.of(0x40 + bytes.length), bytes])
    : Buffer.concat([Buffer.of(0x58, bytes.length), bytes]);
const node = (left: Uint8Array, right: Uint8Array) => sha256(Buffer.of(1), left, right);

const entries = [0, 1, 2].map((i) => Buffer.from(`entry ${i}`));
const leaves = entries.map((entry) => leafHash(entry, sha256Into));
const [a, b, c] = leaves as [Uint8Array, Uint8Array, Uint8Array];
const root2 = node(a, b);
const root3 = node(root2, c);
const origin = 'example.com/log';

const inclusion = inclusionReceipt({ origin, size: 3, leafIndex: 1, hashes: [a, c], root: root3 }, signer);
const consistency = consistencyReceipt({ origin, from: 2, to: 3, hashes: [c], root: root3 }, signer);

// Worked out by hand from RFC 8949 (heads), RFC 9052 sections 4.2 and 4.4 and RFC 9942 section 5.
const kid = sha256(signer.publicKey);
/** {1: -8, 4: kid, 15: {1: "example.com/log"}, 395: 1}: 1 + 2 + 35 + 19 + 4 = 61 bytes */
const PROTECTED = bytesOf('a4 01 27 04 5820', kid, '0f a1 01 6f', Buffer.from(origin), '19018b 01');
/** ["Signature1", protected, h'', root] */
const signedBytes = (root: Uint8Array, header: Uint8Array = PROTECTED) =>
  bytesOf('84 6a 5369676e617475726531', bstr(header), '40 5820', root);
/** [3, 1, [a, c]]: 4 + 34 + 34 = 72 bytes */
const INCLUSION = bytesOf('83 03 01 82 5820', a, '5820', c);
/** [2, 3, [c]]: 4 + 34 = 38 bytes */
const CONSISTENCY = bytesOf('83 02 03 81 5820', c);

/** A receipt put together from its parts, each of which a test may replace. */
function compose(changes: {
  tag?: string;
  header?: Uint8Array;
  headerItem?: Uint8Array;
  unprotected?: Uint8Array;
  payload?: string | Uint8Array;
  signature?: Uint8Array;
  proof?: Uint8Array;
}): Buffer {
  const header = changes.header ?? PROTECTED;
  const proof = changes.proof ?? INCLUSION;
  return bytesOf(
    changes.tag ?? 'd2',
    '84',
    changes.headerItem ?? bstr(header),
    changes.unprotected ?? bytesOf('a1 19018c a1 20 81', bstr(proof)),
    changes.payload ?? 'f6',
    changes.signature ?? bytesOf('5840', signer.sign(signedBytes(root3, header))),
  );
}

const parsed = (bytes: Uint8Array): CoseReceipt => {
  const receipt = parseCoseReceipt(bytes);
  if ('problem' in receipt) throw new Error(receipt.problem);
  return receipt;
};
const problemOf = (bytes: Uint8Array) => {
  const receipt = parseCoseReceipt(bytes);
  return 'problem' in receipt ? receipt.problem : undefined;
};

describe('a receipt of inclusion', () => {
  test('has the bytes that the RFCs ask for', () => {
    expect(PROTECTED.length).toBe(0x3d);
    expect(INCLUSION.length).toBe(0x48);
    const expected = bytesOf(
      'd2 84', // tag 18, four parts
      '58 3d',
      PROTECTED,
      'a1 19018c a1 20 81 58 48', // {396: {-1: [ <<proof>> ]}}
      INCLUSION,
      'f6', // detached
      '58 40',
      signer.sign(signedBytes(root3)),
    );
    expect(hex(inclusion)).toBe(hex(expected));
    expect(hex(compose({}))).toBe(hex(expected));
  });

  test('is signed over the Sig_structure, as another Ed25519 implementation confirms', () => {
    const key = {
      key: bytesOf('302a300506032b6570032100', signer.publicKey),
      format: 'der',
      type: 'spki',
    } as const;
    expect(verifyNative(null, signedBytes(root3), key, inclusion.subarray(-64))).toBe(true);
  });

  test('is read back and leads to the signed root', () => {
    const receipt = parsed(inclusion);
    expect(receipt.origin).toBe(origin);
    expect(hex(receipt.kid)).toBe(hex(kid));
    expect(receipt.proof).toMatchObject({ kind: 'inclusion', size: 3, leafIndex: 1 });
    expect(receipt.proof.hashes.map(hex)).toEqual([a, c].map(hex));
    expect(hex(verifyInclusionReceipt(receipt, b, signer.publicKey, hashNode)!)).toBe(hex(root3));
  });

  test('does not verify for another entry, another key or as another kind', () => {
    const receipt = parsed(inclusion);
    const other = signerOf('example.com/log', 8);
    expect(verifyInclusionReceipt(receipt, a, signer.publicKey, hashNode)).toBeUndefined();
    expect(verifyInclusionReceipt(receipt, b, other.publicKey, hashNode)).toBeUndefined();
    expect(verifyConsistencyReceipt(receipt, root2, root3, signer.publicKey, hashNode)).toBe(false);
    expect(verifyReceiptSignature(receipt, root3, signer.publicKey)).toBe(true);
    expect(verifyReceiptSignature(receipt, root2, signer.publicKey)).toBe(false);
  });

  test('of the only entry has an empty path', () => {
    const only = parsed(inclusionReceipt({ origin, size: 1, leafIndex: 0, hashes: [], root: a }, signer));
    expect(verifyInclusionReceipt(only, a, signer.publicKey, hashNode)).toBeDefined();
  });

  test('verifies for every leaf of trees of up to nine entries', () => {
    const path = (nodes: Uint8Array[], index: number): Uint8Array[] => {
      if (nodes.length === 1) return [];
      let split = 1;
      while (split * 2 < nodes.length) split *= 2;
      const [left, right] = [nodes.slice(0, split), nodes.slice(split)];
      return index < split
        ? [...path(left, index), naiveRoot(right)]
        : [...path(right, index - split), naiveRoot(left)];
    };
    for (let size = 1; size <= 9; size++) {
      const tree = Array.from({ length: size }, (_, i) => leafHash(Buffer.of(i), sha256Into));
      const root = naiveRoot(tree);
      for (let leafIndex = 0; leafIndex < size; leafIndex++) {
        const proof = { origin, size, leafIndex, hashes: path(tree, leafIndex), root };
        const receipt = parsed(inclusionReceipt(proof, signer));
        expect(hex(verifyInclusionReceipt(receipt, tree[leafIndex]!, signer.publicKey, hashNode)!)).toBe(
          hex(root),
        );
      }
    }
  });

  test('does not verify with any bit changed', () => {
    for (let i = 0; i < inclusion.length; i++) {
      const bytes = inclusion.slice();
      bytes[i]! ^= 1 << (i % 8);
      const receipt = parseCoseReceipt(bytes);
      if ('problem' in receipt) continue;
      expect(verifyInclusionReceipt(receipt, b, signer.publicKey, hashNode), `byte ${i}`).toBeUndefined();
    }
  });
});

describe('a receipt of consistency', () => {
  test('has the bytes that the RFCs ask for', () => {
    const unprotected = bytesOf('a1 19018c a1 21 81 58 26', CONSISTENCY); // {396: {-2: [ <<proof>> ]}}
    expect(hex(consistency)).toBe(hex(compose({ unprotected })));
  });

  test('verifies between the two roots it is about, and no others', () => {
    const receipt = parsed(consistency);
    expect(receipt.proof).toMatchObject({ kind: 'consistency', from: 2, to: 3 });
    expect(verifyConsistencyReceipt(receipt, root2, root3, signer.publicKey, hashNode)).toBe(true);
    expect(verifyConsistencyReceipt(receipt, root3, root3, signer.publicKey, hashNode)).toBe(false);
    expect(verifyConsistencyReceipt(receipt, root2, root2, signer.publicKey, hashNode)).toBe(false);
    const other = signerOf('example.com/log', 8);
    expect(verifyConsistencyReceipt(receipt, root2, root3, other.publicKey, hashNode)).toBe(false);
    expect(verifyInclusionReceipt(receipt, b, signer.publicKey, hashNode)).toBeUndefined();
  });

  test('does not verify with any bit changed', () => {
    for (let i = 0; i < consistency.length; i++) {
      const bytes = consistency.slice();
      bytes[i]! ^= 1 << (i % 8);
      const receipt = parseCoseReceipt(bytes);
      if ('problem' in receipt) continue;
      expect(verifyConsistencyReceipt(receipt, root2, root3, signer.publicKey, hashNode), `byte ${i}`).toBe(
        false,
      );
    }
  });
});

describe('what is no receipt of the profile', () => {
  const header = (...parts: (string | Uint8Array)[]) => compose({ header: bytesOf(...parts) });
  const claims = bytesOf('0f a1 01 6f', Buffer.from(origin));
  const keyId = bytesOf('04 5820', kid);
  const withProof = (...parts: (string | Uint8Array)[]) => compose({ proof: bytesOf(...parts) });
  const proofs = (...parts: (string | Uint8Array)[]) => compose({ unprotected: bytesOf(...parts) });

  test.each<[string, Uint8Array, string]>([
    ['nothing', bytesOf(''), 'not valid CBOR'],
    ['noise', bytesOf('ff ff ff'), 'not valid CBOR'],
    ['text', Buffer.from('c2sp.org/tlog-proof@v1\n'), 'not valid CBOR'],
    ['something behind it', bytesOf(compose({}), '00'), 'not valid CBOR'],
    ['its end missing', compose({}).subarray(0, -1), 'not valid CBOR'],
    ['no tag', compose({ tag: '' }), 'not tagged as COSE_Sign1'],
    ['the tag of COSE_Sign', compose({ tag: 'd862' }), 'not valid CBOR'],
    ['the tag of COSE_Mac0', compose({ tag: 'd1' }), 'not valid CBOR'],
    ['its tag twice', compose({ tag: 'd2d2' }), 'not an array of four parts'],
    ['its tag in a longer form', compose({ tag: 'd812' }), 'not valid CBOR'],
    ['three parts', bytesOf('d2 83 40 a0 f6'), 'not an array of four parts'],
    ['an indefinite array', bytesOf('d2 9f', compose({}).subarray(2), 'ff'), 'not valid CBOR'],
    ['an indefinite map', proofs('bf 19018c a1 20 81', bstr(INCLUSION), 'ff'), 'not valid CBOR'],
    [
      'an indefinite byte string',
      compose({ headerItem: bytesOf('5f', bstr(PROTECTED), 'ff') }),
      'not valid CBOR',
    ],
    ['a header that is no byte string', compose({ headerItem: PROTECTED }), 'not a byte string'],
    ['an empty header', compose({ headerItem: bytesOf('40') }), 'not valid CBOR'],
    ['a header that is a list', header('80'), 'not a map'],
    ['a label twice', header('a5 01 27 01 27', keyId, claims, '19018b 01'), 'not valid CBOR'],
    [
      'labels out of order',
      header('a4', keyId, '01 27', claims, '19018b 01'),
      'not in the deterministic encoding',
    ],
    ['a number longer than needed', header('a4 01 3807', keyId, claims, '19018b 01'), 'not valid CBOR'],
    [
      'a number as a float',
      header('a4 01 f9c800', keyId, claims, '19018b 01'),
      'not in the deterministic encoding',
    ],
    [
      'a label in both headers',
      proofs('a2 01 27 19018c a1 20 81', bstr(INCLUSION)),
      'Label 1 stands in both',
    ],
    ['critical labels', header('a5 01 27 02 81 18ff', keyId, claims, '19018b 01'), 'critical labels'],
    ['ES256', header('a4 01 26', keyId, claims, '19018b 01'), 'The algorithm (1) is -7;'],
    ['no algorithm', header('a3', keyId, claims, '19018b 01'), 'The algorithm (1) is absent'],
    ['another data structure', header('a4 01 27', keyId, claims, '19018b 02'), 'structure (395) is 2;'],
    ['no data structure', header('a3 01 27', keyId, claims), 'structure (395) is absent'],
    ['no key id', header('a3 01 27', claims, '19018b 01'), 'The key id (4)'],
    ['a short key id', header('a4 01 27 04 41 00', claims, '19018b 01'), 'The key id (4)'],
    ['no origin', header('a3 01 27', keyId, '19018b 01'), 'names no origin'],
    ['an origin that is bytes', header('a4 01 27', keyId, '0f a1 01 41 61 19018b 01'), 'names no origin'],
    ['an empty origin', header('a4 01 27', keyId, '0f a1 01 60 19018b 01'), 'names no origin'],
    ['an origin that is not UTF-8', header('a4 01 27', keyId, '0f a1 01 61 ff 19018b 01'), 'deterministic'],
    ['an attached payload', compose({ payload: bytesOf('5820', root3) }), 'attached'],
    ['an undefined payload', compose({ payload: 'f7' }), 'not valid CBOR'],
    ['a signature that is text', compose({ signature: bytesOf('60') }), 'The signature is not'],
    ['an unprotected header that is a list', proofs('80'), 'unprotected header is not a map'],
    ['no proofs', proofs('a0'), 'no proofs (396)'],
    ['proofs that are a list', proofs('a1 19018c 81 00'), 'no proofs (396)'],
    ['no proof of any kind', proofs('a1 19018c a0'), '0 kinds'],
    [
      'two kinds of proofs',
      proofs('a1 19018c a2 20 81', bstr(INCLUSION), '21 81', bstr(CONSISTENCY)),
      '2 kinds of proofs',
    ],
    ['an unknown kind of proof', proofs('a1 19018c a1 22 81', bstr(INCLUSION)), 'kind -3'],
    ['no proof in its list', proofs('a1 19018c a1 20 80'), 'exactly one proof'],
    ['two proofs', proofs('a1 19018c a1 20 82', bstr(INCLUSION), bstr(INCLUSION)), 'exactly one proof'],
    ['a proof that is not wrapped', proofs('a1 19018c a1 20 81', INCLUSION), 'exactly one proof'],
    ['a proof of two parts', withProof('82 03 01'), 'array of three parts'],
    ['a negative size', withProof('83 20 01 80'), 'not sizes'],
    ['a size beyond 2^53 - 1', withProof('83 1b0020000000000000 01 80'), 'not sizes'],
    ['a fractional size', withProof('83 f93e00 01 80'), 'not sizes'],
    ['an index outside of its tree', withProof('83 03 03 80'), 'does not lie in a tree of size 3'],
    ['a short hash', withProof('83 03 01 81 41 00'), 'not a hash of 32 bytes'],
    ['a path that is no list', withProof('83 03 01 40'), 'at most 63 hashes'],
    ['a proof that leads back', proofs('a1 19018c a1 21 81 44 83 03 02 80'), 'from size 3 back to 2'],
    ['too many bytes', new Uint8Array(COSE_RECEIPT_BYTES_MAX + 1), 'larger than'],
    ['bottomless nesting', new Uint8Array(COSE_RECEIPT_BYTES_MAX).fill(0x81), 'not valid CBOR'],
  ])('is refused with its reason: %s', (_, bytes, reason) => {
    expect(problemOf(bytes)).toContain(reason);
  });

  test('is not what merely says more, or names the algorithm by its newer number', () => {
    const typed = bytesOf('a5 01 27', keyId, claims, '10 62 6162 19018b 01'); // 16 (typ): "ab"
    const ed25519 = bytesOf('a4 01 32', keyId, claims, '19018b 01');
    for (const each of [typed, ed25519])
      expect(
        verifyInclusionReceipt(parsed(compose({ header: each })), b, signer.publicKey, hashNode),
      ).toBeDefined();
    const extra = proofs('a2 18 63 6178 19018c a1 20 81', bstr(INCLUSION)); // 99: "x"
    expect(problemOf(extra)).toBeUndefined();
  });

  test('is judged without throwing, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(inclusion.length), (noise, at) => {
        expect(parseCoseReceipt(noise)).toHaveProperty('problem');
        parseCoseReceipt(bytesOf(inclusion.subarray(0, at), noise, inclusion.subarray(at)));
      }),
    );
  });
});
