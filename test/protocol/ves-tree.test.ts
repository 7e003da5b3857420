import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildVesTree,
  canonicalize,
  concatBytes,
  encodeHex,
  eventSigningHash,
  FIXED,
  growVesTree,
  MERKLE_PATH_MAX,
  packFixedFields,
  payloadPlainHash,
  portableSha256,
  proveVesInclusion,
  rowHashingOf,
  type Sha256,
  signEd25519,
  treeRoot,
  verifyVesInclusion,
  vesCommitLockKey,
  vesLeaf,
  vesLeafEntries,
  vesNode,
  vesPaddedLeafCount,
  vesPadLeaf,
  vesStateRoot,
  vesStreamId,
  vesTreeDepth,
} from '../../engine/protocol/index.js';
import { AGENT_SEED, hex, IDS_B, VECTOR_B, vectorB } from './support.js';

const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const hashInto = (bytes: Uint8Array, target: Uint8Array, offset: number) => target.set(sha256(bytes), offset);

const PAD = 'd9dd0e003ba5370a698013c48ed69c6c41d9ebc1236d44b280c52ceacfdad524';
const TENANT_STORE = hex('00000000000000000000000000000001' + '00000000000000000000000000000002');
const leaves = [
  'f6efc77df881505239dc35a7355e366fefd00c52139886d95bbd960bad8078c5',
  'd657678afec67e320c430da72bacfaacd23e4bb6f229c6b49c3f74d18a8cf60b',
  '92ad8bdbb3e234d1a0c4f607d8fb1c833687d51f6423de7e878cb3f7992d32c8',
  '828dd373eee734599abdd58ef707485891f4b3efa1888734ff9972348db7a741',
  '3f2a28cc68a4e1e6478d0f1be393b198217fa222747cefce75f3ff4767d51667',
];
const treeOf = (hashes: readonly string[]) => buildVesTree(hex(hashes.join('')), hashInto);
const hexes = (hashes: readonly Uint8Array[]) => hashes.map((hash) => encodeHex(hash));

/** The published event N of the worked example. */
function workedEvent(n: number) {
  const plainHash = payloadPlainHash(canonicalize({ delta: 100 * n, reason: 'test' }));
  const fields = {
    ...vectorB(encodeHex(plainHash)),
    entityId: `WIDGET-00${n}`,
    fixed: packFixedFields({
      ...IDS_B,
      eventId: `11111111-1111-1111-1111-11111111110${n}`,
      payloadPlainHash: plainHash,
    }),
  };
  const signingHash = eventSigningHash(fields);
  const signature = signEd25519(signingHash, AGENT_SEED);
  fields.fixed.set(signature, FIXED.agentSignature);
  return { fields, signingHash, signature };
}

describe('the worked example of five events', () => {
  it.each([
    [1, 'e689df7f866c643eb7c290ec622816a36c105041fb51396a9b2d2f2ef1b2b090'],
    [2, 'a03ed37d03457866886626f284f5cc2e39bee0bd3e1741316960333f417de349'],
    [3, '41a89560c60d632f6503e048ffb4dfa91396ecef2d22d221c17d4151caceedbc'],
    [4, 'e759df85a8b9b794efc1f9d9d4584a59c134ad5714765d8bef3f9f8fece8d5db'],
    [5, '23b4996fee5a8d4159defece7e61e4f9d3c3e2824ded97dba478a7aceb9f26ce'],
  ])('event %i has its signing hash and its leaf', (n, expected) => {
    const { fields, signingHash, signature } = workedEvent(n);
    expect(encodeHex(signingHash)).toBe(expected);
    expect(encodeHex(sha256(vesLeaf(fields, n, signingHash)))).toBe(leaves[n - 1]);
    const entries = vesLeafEntries(TENANT_STORE, n, concatBytes(signingHash, signature));
    expect(encodeHex(sha256(entries))).toBe(leaves[n - 1]);
  });

  it('has the entries of successive events side by side', () => {
    const events = [1, 2, 3, 4, 5].map(workedEvent);
    const proofs = concatBytes(...events.flatMap(({ signingHash, signature }) => [signingHash, signature]));
    const entries = vesLeafEntries(TENANT_STORE, 1, proofs);
    const hashes = new Uint8Array(5 * 32);
    rowHashingOf(hashInto)(new Uint8Array(0), 147)(entries, 0, 5, hashes, 0);
    expect(encodeHex(hashes)).toBe(leaves.join(''));
  });

  it('has the published signature of event 1', () => {
    expect(encodeHex(workedEvent(1).signature)).toBe(
      '223882df983472049b8ece48a5effaf68b56822bde6323875409a21ec6069da314bb5388845635b25a8dd3045967fbe03c6bccf9cd2fdcd5deaae2e504813e0f',
    );
  });

  it.each([
    [0, 1, leaves[0]],
    [0, 3, '6c8ef6d307a0df347baaf92df49e4c047ab9a8a831b61feaa7e2afe4a68ce9f8'],
    [3, 5, 'fa63a60fd9533c67393510ea28ec63c9ae7cac16ad1c9009bba16b3c6c9fdb2d'],
    [0, 5, '2d3ee55e725cd6f87bdf5dcb195a2df79aefc9f00030fb2e2b1eca1b9260a0d7'],
  ])('has the root of leaves %i to %i', (from, to, root) => {
    expect(encodeHex(treeRoot(treeOf(leaves.slice(from, to))))).toBe(root);
    expect(encodeHex(treeRoot(buildVesTree(hex(leaves.slice(from, to).join('')))))).toBe(root);
  });

  it('has the proofs', () => {
    const three = proveVesInclusion(treeOf(leaves.slice(0, 3)), 2);
    expect(hexes(three.path)).toEqual([
      PAD,
      '57f358b6c108121123ee708376c9c8d4d650fdb8f766cc1f2fad50ffff6ea435',
    ]);
    expect(three.directions).toEqual([true, false]);
    const five = proveVesInclusion(treeOf(leaves), 4, hashInto);
    expect(hexes(five.path)).toEqual([
      PAD,
      '36e827d1c00aca28d1fa881d0d92c155592bc4aff0324e7b72cdecbb0993b24c',
      'a8a5c79ba77705065c8271cd8b4e59b76a3576c0f37fa2d99e36b9483bf34702',
    ]);
    expect(five.directions).toEqual([true, true, false]);
  });

  it('has the stream id, the lock key and the chain of state roots', () => {
    const streamId = vesStreamId(TENANT_STORE, sha256);
    expect(encodeHex(streamId)).toBe('133fe000dfe2d1f88289fca65ac126b4b3144b00bab915e29aecccbbb5528a4d');
    expect(vesCommitLockKey(streamId)).toBe(1387073504614207992n);
    const first = vesStateRoot({
      streamId,
      prevStateRoot: new Uint8Array(32),
      merkleRoot: treeRoot(treeOf(leaves.slice(0, 3))),
      sequenceStart: 1n,
      sequenceEnd: 3n,
      leafCount: 3,
    });
    expect(encodeHex(first)).toBe('58afaa35b3f1bffcc9d2a44351fb99220524c189db45009bd2a4882b6f8b7a0d');
    const second = vesStateRoot({
      streamId,
      prevStateRoot: first,
      merkleRoot: treeRoot(treeOf(leaves.slice(3))),
      sequenceStart: 4,
      sequenceEnd: 5,
      leafCount: 2,
    });
    expect(encodeHex(second)).toBe('e361e1f96557784caa25292af54fa3f6873450c7d3638d4e77cd5cb58812c9eb');
  });
});

describe('other published values', () => {
  it('padding and node', () => {
    expect(encodeHex(vesPadLeaf())).toBe(PAD);
    const node = vesNode(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2), sha256);
    expect(encodeHex(node)).toBe('5186fbc7094f70b9fc71bcf269fda0530c1c2bd675de918ef39562a6f18752fd');
  });

  it('leaf of the complete signed event', () => {
    const fields = { ...VECTOR_B, fixed: VECTOR_B.fixed.slice() };
    const signingHash = eventSigningHash(fields);
    expect(encodeHex(sha256(vesLeaf(fields, 1, signingHash)))).toBe(
      'abd28bd568bde7b67c5d0308c62e144b222a55e9bc5d38c6eb76b609361c1ee3',
    );
    fields.fixed.set(signEd25519(signingHash, AGENT_SEED), FIXED.agentSignature);
    expect(encodeHex(sha256(vesLeaf(fields, 1, signingHash)))).toBe(
      'c052fa751455e5b36e85c2cae15b143bcce91f9db9c2c30aaf7397fddef8d53b',
    );
  });

  it('state root of ten leaves', () => {
    const streamId = vesStreamId(
      hex('64527dd3a65444109327e58a1492ce77' + '91def158819a4461b5c97759750ad157'),
    );
    expect(encodeHex(streamId)).toBe('4d40d17f96bcd030441655dd9aba4656ffdfe3d5d873182568f57ed813dfcfa6');
    const root = vesStateRoot({
      streamId,
      prevStateRoot: new Uint8Array(32),
      merkleRoot: hex('abcdef0123456789'.repeat(4)),
      sequenceStart: 1,
      sequenceEnd: 10,
      leafCount: 10,
    });
    expect(encodeHex(root)).toBe('fc4837409dddd72697d00548300ce8d9ab2e130b5743c73d8342a3aff45adee3');
  });
});

/** `count` leaves that differ. */
const someLeaves = (count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => sha256(Buffer.from(`leaf ${i}`))));

/** The tree as the definition says it, padding and all. */
function paddedTree(count: number): Uint8Array[][] {
  const packed = someLeaves(count);
  let level = Array.from({ length: vesPaddedLeafCount(count) }, (_, i) =>
    i < count ? new Uint8Array(packed.subarray(i * 32, i * 32 + 32)) : vesPadLeaf(sha256),
  );
  const levels = [level];
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, i) =>
      vesNode(below[2 * i]!, below[2 * i + 1]!, sha256),
    );
    levels.push(level);
  }
  return levels;
}

describe('a tree of any size', () => {
  it('has the root, depth and every proof of the padded tree, and every proof verifies (sizes to 130)', () => {
    for (let count = 1; count <= 130; count++) {
      const padded = paddedTree(count);
      const tree = buildVesTree(someLeaves(count), hashInto);
      const root = padded.at(-1)![0]!;
      expect(encodeHex(treeRoot(tree))).toBe(encodeHex(root));
      expect(vesTreeDepth(count)).toBe(padded.length - 1);
      for (let index = 0; index < count; index++) {
        const { path, directions } = proveVesInclusion(tree, index, hashInto);
        const siblings = padded.slice(0, -1).map((level, k) => level[Math.floor(index / 2 ** k) ^ 1]!);
        expect(hexes(path)).toEqual(hexes(siblings));
        expect(directions).toEqual(path.map((_, k) => Math.floor(index / 2 ** k) % 2 === 0));
        expect(verifyVesInclusion(padded[0]![index]!, index, path, root, sha256)).toBe(true);
      }
    }
  });

  it('refuses a proof in which anything was changed', () => {
    const bit = (bytes: Uint8Array, position: number) => {
      const changed = bytes.slice();
      changed[position >> 3]! ^= 1 << (position & 7);
      return changed;
    };
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 130 }),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        (count, at, position, where) => {
          const tree = buildVesTree(someLeaves(count), hashInto);
          const index = at % count;
          const leaf = new Uint8Array(someLeaves(count).subarray(index * 32, index * 32 + 32));
          const { path } = proveVesInclusion(tree, index, hashInto);
          const root = treeRoot(tree);
          const verify = (
            change: Partial<{ leaf: Uint8Array; index: number; path: Uint8Array[]; root: Uint8Array }>,
          ) => {
            const proof = { leaf, index, path: [...path], root, ...change };
            return verifyVesInclusion(proof.leaf, proof.index, proof.path, proof.root, sha256);
          };
          expect(verify({})).toBe(true);
          expect(verify({ leaf: bit(leaf, position) })).toBe(false);
          expect(verify({ root: bit(root, position) })).toBe(false);
          const one = where % path.length;
          expect(verify({ path: path.map((hash, i) => (i === one ? bit(hash, position) : hash)) })).toBe(
            false,
          );
          expect(verify({ path: path.slice(1) })).toBe(false);
          expect(verify({ path: [...path, root] })).toBe(false);
          expect(verify({ index: index ^ 1 })).toBe(false);
          expect(verify({ index: index + 2 ** path.length })).toBe(false);
          for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) expect(verify({ index: wrong })).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes paths of 64 hashes and refuses longer ones', () => {
    const path = Array.from({ length: MERKLE_PATH_MAX }, (_, i) => sha256(Buffer.from([i])));
    const leaf = sha256(Buffer.from('leaf'));
    const root = path.reduce((node, sibling) => vesNode(node, sibling, sha256), leaf);
    expect(verifyVesInclusion(leaf, 0, path, root, sha256)).toBe(true);
    const longer = [...path, sha256(Buffer.from('more'))];
    expect(verifyVesInclusion(leaf, 0, longer, vesNode(root, longer[64]!, sha256), sha256)).toBe(false);
  });

  it('of one leaf is the leaf, of none is zeros', () => {
    const one = buildVesTree(someLeaves(1), hashInto);
    expect(treeRoot(one)).toEqual(new Uint8Array(someLeaves(1)));
    expect(proveVesInclusion(one, 0)).toEqual({ path: [], directions: [] });
    expect(verifyVesInclusion(treeRoot(one), 0, [], treeRoot(one))).toBe(true);
    expect(verifyVesInclusion(treeRoot(one), 1, [], treeRoot(one))).toBe(false);
    expect(treeRoot(buildVesTree(new Uint8Array(0)))).toEqual(new Uint8Array(32));
    expect(() => buildVesTree(new Uint8Array(33))).toThrow(RangeError);
    for (const index of [-1, 1, 0.5]) expect(() => proveVesInclusion(one, index)).toThrow(RangeError);
  });

  it('grows in steps that hash at most 256 nodes', () => {
    let hashed = 0;
    const growth = growVesTree(someLeaves(3000), (bytes, target, offset) => {
      hashed++;
      hashInto(bytes, target, offset);
    });
    let most = 0;
    let before = 0;
    for (let step = growth.next(); ; step = growth.next()) {
      most = Math.max(most, hashed - before);
      before = hashed;
      if (step.done) {
        expect(step.value.levels.map((level) => level.length / 32).slice(0, 3)).toEqual([3000, 1500, 750]);
        break;
      }
    }
    expect(most).toBeLessThanOrEqual(256 + 30); // and a few for padding
  });
});

it('the portable hash gives the same tree', () => {
  expect(treeRoot(buildVesTree(someLeaves(77)))).toEqual(treeRoot(buildVesTree(someLeaves(77), hashInto)));
  expect(encodeHex(vesPadLeaf(portableSha256))).toBe(PAD);
});
