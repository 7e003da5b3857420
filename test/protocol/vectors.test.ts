import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  canonicalize,
  DOMAIN,
  decodeBase64Url,
  decodeEncryptedPayload,
  type EncryptedPayload,
  encodeHex,
  eventSigningHash,
  eventSigningPreimageBytesMax,
  FIXED,
  keyDirectoryHash,
  packFixedFields,
  payloadAad,
  payloadCipherHash,
  payloadPlainHash,
  portableSha256,
  proofOfPossessionChallenge,
  receiptHash,
  recipientsHash,
  type Sha256,
  signEd25519,
  signKeyDirectory,
  signProofOfPossession,
  signReceipt,
  verifyStrict,
  vesLeaf,
  writeEventSigningPreimage,
  writePayloadPlainPreimage,
} from '../../engine/protocol/index.js';
import {
  AGENT_PUBLIC_KEY,
  AGENT_SEED,
  hex,
  IDS_B,
  SEQUENCER_SEED,
  VECTOR_A,
  VECTOR_B,
  vectorB,
  ZERO_HEX,
} from './support.js';

const nodeSha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();

it('domain labels have the lengths the protocol gives them', () => {
  expect(Object.fromEntries(Object.entries(DOMAIN).map(([name, label]) => [name, label.length]))).toEqual({
    payloadPlain: 20,
    payloadAad: 18,
    payloadCipher: 21,
    recipients: 17,
    eventSigV1: 15,
    eventSigV2: 15,
    leaf: 11,
    padLeaf: 15,
    node: 11,
    stream: 13,
    stateRoot: 17,
    legacyLeaf: 27,
    receipt: 14,
    proofOfPossession: 10,
    keyDirectory: 13,
  });
});

describe('payload hashes', () => {
  const plain: [unknown, string][] = [
    [{ delta: 100 }, '9ac51a331894a0b6d3c0563f28384afd86115d5c9379370989044dfab89f3e5a'],
    [
      { reason: 'shipment_receive', delta: 100, location_bin: 'A-12' },
      '8ddca36cba5e298a087cadff58906633ef78d185529454290a05771ea5df2944',
    ],
    [
      { items: [1, 2, 3], meta: { version: 1 } },
      'e2a5d42b334f4ad780c40f60fdc0d33642cfd3c304206fbc8930f58714d8c0f6',
    ],
    [{ delta: 100, reason: 'test' }, '815ab060b3f26dacf429ce062f8befb81f52938e692010255f86d12c3e4c2cda'],
    [
      { amount: 12.5, approved: true, note: 'café' },
      '89e1d898d457b0706a7313f80f856f17d5f048c64b49c672a5bbffe2e7bb0e43',
    ],
  ];
  for (const [payload, hash] of plain) {
    const text = canonicalize(payload);
    it(text, () => {
      expect(encodeHex(payloadPlainHash(text))).toBe(hash);
      expect(encodeHex(payloadPlainHash(text, { sha256: nodeSha256 }))).toBe(hash);
      const target = new Uint8Array(500);
      const end = writePayloadPlainPreimage(target, 3, text);
      expect(encodeHex(portableSha256(target.subarray(3, end)))).toBe(hash);
    });
  }

  it('with a salt', () => {
    const salt = hex('0102030405060708090a0b0c0d0e0f10');
    const text = canonicalize({ delta: 100, reason: 'test' });
    expect(encodeHex(payloadPlainHash(text, { salt }))).toBe(
      'd9faf01d51a58f57acafb13ef03a055a9753350868c856795d4eb83ef42a32b7',
    );
    expect(() => payloadPlainHash(text, { salt: salt.subarray(1) })).toThrow(RangeError);
  });
});

describe('event signing hash', () => {
  it('has the published preimage and hash (cross-platform vector)', () => {
    const target = new Uint8Array(2 + eventSigningPreimageBytesMax(VECTOR_A));
    const end = writeEventSigningPreimage(VECTOR_A, target, 2);
    expect(encodeHex(target, 2, end)).toBe(
      '5645535f4556454e545349475f56310000000164527dd3a65444109327e58a1492ce7791def158819a4461b5c97759750ad157861910c97a1d4b6f83d651bbf4ae28498044172674e2430a95ae97ce21c6351b00000001000000056f72646572000000074f52442d3030310000000d6f726465722e6372656174656400000018323032352d31322d32305431373a35313a31302e3234335a000000007777c3fef466a0e9df7e07ea4ff13dc8ffbb9e487098f1b65530cdce7b6bbbe70000000000000000000000000000000000000000000000000000000000000000',
    );
    expect(end - 2).toBe(220);
    expect(encodeHex(eventSigningHash(VECTOR_A))).toBe(
      'e970dfc9ffc285c2c0ba59be5d9c653eee2d1ae4db9b7a02ea3cd62b8e7cf92b',
    );
  });

  it('of the complete signed event is signed and verifies', () => {
    const hash = eventSigningHash(VECTOR_B, nodeSha256);
    expect(encodeHex(hash)).toBe('4dd87d2bff38574cdc3e61e9aea0cbc4109eaf2962f3894f3d82431082343ff6');
    const signature = signEd25519(hash, AGENT_SEED);
    expect(encodeHex(signature)).toBe(
      'a0478a20df91042a3a3cf4388553875e6ef488aaae9726cffb9968e352cbd1214fd6b13d77b19fd29b4584743984aa96a90183a41f89e09ddfbfbcc837f9b00a',
    );
    expect(verifyStrict(signature, hash, AGENT_PUBLIC_KEY)).toBe(true);
    expect(writeEventSigningPreimage(VECTOR_B, new Uint8Array(400), 0)).toBe(222);
    expect(encodeHex(eventSigningHash(vectorB(ZERO_HEX)))).toBe(
      'c45b65ad2b47e9c97b228cc96a37eef639fd7f2a84bcd86d0ba1382c3e2a5178',
    );
  });

  it('of version 2 also covers the command id and the base version', () => {
    const id = '11111111-1111-4111-8111-111111111111';
    const ids = { tenantId: id, storeId: id, eventId: id, sourceAgentId: id };
    const fields = {
      vesVersion: 2,
      agentKeyId: 1,
      entityType: 'order',
      entityId: 'o1',
      eventType: 'order.created',
      createdAt: '2026-09-05T00:00:00Z',
      payloadKind: 0 as const,
      hasCommandId: true,
      baseVersion: 0,
      fixed: packFixedFields({ ...ids, commandId: id, payloadPlainHash: ZERO_HEX }),
      fixedOffset: 0,
    };
    const h1 = new Uint8Array(300);
    expect(encodeHex(portableSha256(h1.subarray(0, writeEventSigningPreimage(fields, h1, 0))))).toBe(
      '63b4eeb80af306dccb9e66f9b89f75fb1ea127925a65e90ab13772eab48d6237',
    );
    expect(encodeHex(eventSigningHash(fields))).toBe(
      '27dee9ebd0747eafc2b08121f144343627dfe1829a06f818eb23f0c50e048cc5',
    );
    expect(encodeHex(eventSigningHash({ ...fields, baseVersion: 0n }))).toBe(
      encodeHex(eventSigningHash(fields)),
    );
    expect(encodeHex(eventSigningHash({ ...fields, hasCommandId: false, baseVersion: undefined }))).toBe(
      '887a01672f221f6c4c7f81f533d77b7e42ec44e655f71ab6ed0187820d7736b9',
    );
  });

  it('changes with every signed member, and not with unsigned ones', () => {
    const base = encodeHex(eventSigningHash(VECTOR_B));
    const changes = [
      { vesVersion: 3 },
      { agentKeyId: 2 },
      { entityType: 'InventoryIte', entityId: 'mWIDGET-001' },
      { entityId: 'WIDGET-002' },
      { eventType: 'adjusted' },
      { createdAt: '2025-01-01T00:00:00.0Z' },
      { payloadKind: 1 as const },
    ];
    for (const change of changes)
      expect(encodeHex(eventSigningHash({ ...VECTOR_B, ...change }))).not.toBe(base);
    for (const [name, offset] of Object.entries(FIXED)) {
      const fixed = VECTOR_B.fixed.slice();
      fixed[offset]! ^= 1;
      const signed = name !== 'commandId' && name !== 'agentSignature';
      expect(encodeHex(eventSigningHash({ ...VECTOR_B, fixed })) !== base, name).toBe(signed);
    }
    expect(encodeHex(eventSigningHash({ ...VECTOR_B, baseVersion: 7, hasCommandId: true }))).toBe(base);
  });

  it('reads the fixed block at its offset', () => {
    const fixed = new Uint8Array(300);
    fixed.set(VECTOR_A.fixed, 57);
    expect(eventSigningHash({ ...VECTOR_A, fixed, fixedOffset: 57 })).toEqual(eventSigningHash(VECTOR_A));
  });
});

it('leaf entry has the 147 bytes of the protocol', () => {
  const fixed = VECTOR_A.fixed.slice();
  fixed.set(new Uint8Array(64).fill(0xaa), FIXED.agentSignature);
  const hash = eventSigningHash(VECTOR_A);
  const leaf = vesLeaf({ fixed, fixedOffset: 0 }, 9n, hash);
  expect(encodeHex(leaf)).toBe(
    [
      Buffer.from('VES_LEAF_V1').toString('hex'),
      '64527dd3a65444109327e58a1492ce77',
      '91def158819a4461b5c97759750ad157',
      '0000000000000009',
      encodeHex(hash),
      'aa'.repeat(64),
    ].join(''),
  );
  expect(leaf).toHaveLength(147);
});

describe('receipts', () => {
  it('have the published hashes', () => {
    const hash = eventSigningHash(VECTOR_A);
    expect(encodeHex(receiptHash(VECTOR_A, 9, hash))).toBe(
      '719e09251036671399b890c14206cdf1f1647ce9dc05dabe75a59eaa29e4d9c9',
    );
    expect(encodeHex(receiptHash(VECTOR_A, 42n, hash, nodeSha256))).toBe(
      '16c2e63e213cd29b87452f9e302798c044355c4a9ae917595e80539318940c56',
    );
  });

  it('are signed by the sequencer', () => {
    const hash = receiptHash(VECTOR_B, 1, eventSigningHash(VECTOR_B));
    expect(encodeHex(hash)).toBe('17d005448b9588871be3beecbb5b6858ffe6fa63d6aa7675d0acb02e15bd2ca1');
    expect(encodeHex(signReceipt(hash, SEQUENCER_SEED))).toBe(
      '7a91f7f233e66b60f2c06ad0db9ac13b15e5e4f210e183d7b177c7db0160cb371e0df3fd989c5d46322e4fda99550c062269a7ba7017aec2649cffd52d6ada02',
    );
  });
});

it('proof of possession has the published challenge and signature', () => {
  expect(encodeHex(proofOfPossessionChallenge(AGENT_PUBLIC_KEY))).toBe(
    '2e2bf429472257d0e429b79efd292f5218c207ffd0489043d6c4fc80f54d9805',
  );
  expect(encodeHex(signProofOfPossession(AGENT_PUBLIC_KEY, AGENT_SEED))).toBe(
    'c7721d0ec2c1894004bb1135887d3b1b0e85f0360205bbc8c41de29d83b50d351de9e888b82fb7ed3a7429d02d94d7d0081d6ef0d8d4157499f98c9091a4490e',
  );
});

it('key directory has the published hash and signature', () => {
  const body = {
    agentId: IDS_B.sourceAgentId,
    tenantId: IDS_B.tenantId,
    keys: [
      {
        keyId: 1,
        algorithm: 'ed25519' as const,
        publicKey: `0x${encodeHex(AGENT_PUBLIC_KEY)}`,
        publicKeyBundle: null,
        validFrom: null,
        validTo: null,
        revokedAt: null,
      },
    ],
    signedAt: '2026-09-12T00:00:00Z',
  };
  expect(encodeHex(keyDirectoryHash(body))).toBe(
    '65f3324c33f0d509eec5ae592b23a4e7f23a5be520499ed3dd652588a932f1b1',
  );
  expect(signKeyDirectory(body, SEQUENCER_SEED).directorySignature).toBe(
    '0xd68f1245e3fff0909b112e7170044bbc7434764460391842b1b478a8944919c7b3f1533d0ad32f901baf7b7cd0b0355036548dd817288f91d9d6f76dc7d51b08',
  );
});

it('encrypted payload has the published hashes', () => {
  const text = canonicalize({ delta: 100, location_bin: 'A-12', reason: 'shipment_receive' });
  const plainHash = payloadPlainHash(text, { salt: hex('0102030405060708090a0b0c0d0e0f10') });
  expect(encodeHex(plainHash)).toBe('fd317f62d6d9a953f7b405776a2061ef400a606c9de38d21c6fe83a500a1f355');
  const payload: EncryptedPayload = {
    enc_version: 1,
    aead: 'AES-256-GCM',
    nonce_b64u: 'AAECAwQFBgcICQoL',
    ciphertext_b64u:
      'RgDVH8DjxROES5yHvOd3ffj041GcDz5eAlbVtTFLbN1icdqVwK9N-h3KXdeqxgUJ3HtMryizwqlQ-QgjOpCdh4BRoxSnjlQEfzHDGIqtcw',
    tag_b64u: 'VgiETHH1hYEuuMHvBZuEHA',
    hpke: { mode: 'base', kem: 'X25519-HKDF-SHA256', kdf: 'HKDF-SHA256', aead: 'AES-256-GCM' },
    recipients: [
      {
        recipient_kid: 1,
        enc_b64u: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08',
        ct_b64u: 'XQs8VFD77gz2MniUgZz5vFvfwxrksQbhtOiB1b2ZgTfvMXNMEob1c3J0_UmZ5hlE',
      },
    ],
  };
  const fields = {
    ...VECTOR_B,
    eventType: 'InventoryAdjusted',
    payloadKind: 1 as const,
    fixed: packFixedFields({ ...IDS_B, payloadPlainHash: plainHash }),
  };
  const aad = payloadAad(fields);
  expect(encodeHex(aad)).toBe('f7092a50f8f9ec82a0e45778c154fdb0256720e9cf6e3115f8b88c571098f9b1');
  const decoded = decodeEncryptedPayload(payload, true);
  if ('path' in decoded) throw new Error(decoded.path);
  expect(encodeHex(recipientsHash(decoded.bytes.recipients))).toBe(
    '15a22127cc2bc1998c6b1c4e53d0be3be9f22be3c371f296bfa78a1744062581',
  );
  const cipherHash = payloadCipherHash(decoded.bytes, aad);
  expect(encodeHex(cipherHash)).toBe('f0078fd5c7722239e837aece4cade6f1704b268e9202983a4ed7ba781ec3d7ae');
  expect(encodeHex(decodeBase64Url(payload.tag_b64u)!)).toBe('5608844c71f585812eb8c1ef059b841c');

  const sealed = packFixedFields({ ...IDS_B, payloadPlainHash: plainHash, payloadCipherHash: cipherHash });
  const hash = eventSigningHash({ ...fields, fixed: sealed });
  expect(encodeHex(hash)).toBe('62012063fb43b9dcace01a87faa3a5848c624837482cc4828eb08715e0c73b2c');
  expect(encodeHex(signEd25519(hash, AGENT_SEED))).toBe(
    '07d254de89c493c12553df26c10fcf8b7f9fdecd8fcb4aa72c5b3f2595504f83b33be0fb946acbee77701dc8610eba20ce5bc365b1e223d642015d98411b5006',
  );
});
