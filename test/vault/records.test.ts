import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PAYLOAD_FORM, type PayloadPlace } from '../../engine/store/sealed-payload.js';
import { complianceProofAad, eventAad, validityProofAad } from '../../engine/vault/at-rest-aad.js';
import {
  COUNTER_MAX,
  createRecordReader,
  createRecordWriter,
  dataKeyIdOf,
} from '../../engine/vault/record.js';
import { openRecord, sealRecord } from '../../engine/vault/record-v1.js';
import { createSealer } from '../../engine/vault/sealer.js';

const bytes = (hex: string) => Buffer.from(hex.replaceAll('-', ''), 'hex');
const TENANT = bytes('00000000-0000-0000-0000-000000000001');
const STORE = bytes('00000000-0000-0000-0000-000000000002');
const EVENT = bytes('11111111-1111-1111-1111-111111111111');
const PROOF = bytes('dddddddd-dddd-4ddd-8ddd-dddddddddddd');
const PROOF_HASH = bytes('143913934f3a46cab88fbf030c1a050bba9afd08dbffe58ae18512d5d5bacc7b');
const key = (first: number) =>
  createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, i) => (first + i) & 255)));

describe('SSE1 records', () => {
  const aad = eventAad({
    ...{ tenant: TENANT, store: STORE, event: EVENT, sequence: 42n },
    ...{ entityType: 'order', entityId: 'order-123', eventType: 'order.created' },
  });
  const nonce = bytes('000102030405060708090a0b');
  const record =
    '53534531000102030405060708090a0b3c20be7ea989ad39b763e0e4c3851c4ffe74646d9c4f257ceb6359f94ca5997852';

  test('associated data are the published ones', () => {
    expect(aad.toString('hex')).toBe('3f72a1cf9a8132d21beec743de31cb8458cd27abe2f6383b20618f462a0f28b9');
    const validity = validityProofAad({
      ...{ tenant: TENANT, store: STORE, proof: PROOF, proofVersion: 2, proofType: 'stark' },
      ...{ batch: bytes('cccccccc-cccc-4ccc-8ccc-cccccccccccc'), proofHash: PROOF_HASH },
    });
    expect(validity.toString('hex')).toBe('a2b93a519aa344aa371659c64d5ab65124149211a173663c27876d01b644c7da');
    const compliance = complianceProofAad({
      ...{ tenant: TENANT, store: STORE, event: EVENT, proof: PROOF, proofVersion: 2, proofType: 'stark' },
      policyHash: bytes('04aa19afe6730e638a8924acdd9040f68f9a70487b988b5984dc031adde95be5'),
      proofHash: bytes('f3cc4c0da4c01cde1a1e2702a4a0fb0780d9e570794673070569b9eee4236212'),
    });
    expect(compliance.toString('hex')).toBe(
      'b78d2dfc094d127a1bb973547ed6ddd802de5d390bcddc5c057f6793e7423255',
    );
  });

  test('are the published bytes', () => {
    expect(sealRecord(key(0), aad, Buffer.from('{"hello":"world"}'), nonce).toString('hex')).toBe(record);
  });

  test('open with whichever key of the ring fits, and with no other', () => {
    expect(openRecord([key(7), key(0)], aad, bytes(record))?.toString()).toBe('{"hello":"world"}');
    expect(openRecord([key(7)], aad, bytes(record))).toBeUndefined();
    expect(openRecord([key(0)], Buffer.alloc(32), bytes(record))).toBeUndefined();
    for (let at = 0; at < record.length / 2; at++) {
      const changed = bytes(record);
      changed[at]! ^= 1;
      expect(openRecord([key(0)], aad, changed), `byte ${at}`).toBeUndefined();
    }
    expect(openRecord([key(0)], aad, bytes(record).subarray(0, 20))).toBeUndefined();
  });
});

describe('SSE2 records', () => {
  const place = (parts: Partial<PayloadPlace> = {}): PayloadPlace => ({
    form: PAYLOAD_FORM.vesPlain,
    ids: Buffer.concat([TENANT, STORE, EVENT]),
    idsOffset: 0,
    plainHash: PROOF_HASH,
    plainHashOffset: 0,
    bound: createHash('sha256').update('bound').digest(),
    sequence: undefined,
    ...parts,
  });
  const read = createRecordReader();
  const keyId = bytes('0102030405060708090a0b0c0d0e0f10');
  const seal = (at: PayloadPlace, plain: Uint8Array, envelopeHash?: Uint8Array) =>
    Buffer.from(createRecordWriter()(key(1), { keyId, counter: 5, envelopeHash }, at, plain));

  test('hold any payload, for any place', () => {
    const form = fc.constantFrom(...Object.values(PAYLOAD_FORM));
    const data = fc.uint8Array({ maxLength: 6000 });
    fc.assert(
      fc.property(form, data, fc.uint8Array({ maxLength: 1500 }), (form, plain, bound) => {
        const at = place({ form, bound });
        const hash =
          form === PAYLOAD_FORM.vesEncrypted ? createHash('sha256').update(plain).digest() : undefined;
        const record = seal(at, plain, hash);
        expect(record.toString('latin1')).toMatch(/^SSE2[A-Za-z0-9+/]+={0,2}$/);
        expect(dataKeyIdOf(record)).toBe(keyId.toString('hex'));
        expect(read(key(1), at, record)?.equals(plain)).toBe(true);
        if (hash)
          expect(
            Buffer.from(record.toString('latin1', 36, 80), 'base64')
              .subarray(0, 32)
              .equals(hash),
          ).toBe(true);
      }),
    );
  });

  test('open for their own place only, and under their own key', () => {
    const record = seal(place(), Buffer.from('{"a":1}'));
    const other = Buffer.alloc(32, 9);
    const others: PayloadPlace[] = [
      place({ form: PAYLOAD_FORM.legacy }),
      ...[0, 1, 2].map((id) =>
        place({ ids: Buffer.concat([TENANT, STORE, EVENT].map((each, i) => (i === id ? PROOF : each))) }),
      ),
      place({ plainHash: other }),
      place({ bound: other }),
      place({ bound: Buffer.alloc(0) }),
    ];
    expect(read(key(1), place(), record)?.toString()).toBe('{"a":1}');
    for (const each of others) expect(read(key(1), each, record)).toBeUndefined();
    expect(read(key(2), place(), record)).toBeUndefined();
  });

  test('no character can be changed, added or taken away: key id, counter, hash, ciphertext, tag', () => {
    const encrypted = place({ form: PAYLOAD_FORM.vesEncrypted });
    for (const [at, hash] of [
      [place(), undefined],
      [encrypted, randomBytes(32)],
    ] as const) {
      const record = seal(at, Buffer.from('{"amount":"12.50"}'), hash);
      for (let i = 4; i < record.length; i++)
        for (const char of 'AQg/=') {
          const changed = Buffer.from(record);
          changed[i] = char.charCodeAt(0);
          if (!changed.equals(record)) expect(read(key(1), at, changed), `${i} ${char}`).toBeUndefined();
        }
      expect(read(key(1), at, Buffer.concat([record, Buffer.from('AAAA')]))).toBeUndefined();
      for (let length = 4; length < record.length; length++)
        expect(read(key(1), at, record.subarray(0, length))).toBeUndefined();
    }
  });

  test('a payload that its author encrypted goes with its hash, no other does', () => {
    expect(() => seal(place({ form: PAYLOAD_FORM.vesEncrypted }), Buffer.alloc(1))).toThrow();
    expect(() => seal(place(), Buffer.alloc(1), Buffer.alloc(32))).toThrow();
  });
});

describe('a sealer', () => {
  const place: PayloadPlace = {
    ...{ form: PAYLOAD_FORM.vesPlain, ids: Buffer.alloc(48), idsOffset: 0, plainHash: Buffer.alloc(32) },
    ...{ plainHashOffset: 0, bound: Buffer.alloc(32), sequence: undefined },
  };
  const nonceOf = (record: Uint8Array) =>
    Buffer.from(Buffer.from(record).toString('latin1', 4, 36), 'base64').toString('hex', 16);

  test('never uses a nonce twice, whatever is sealed, and however it fails', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.nat(300), fails: fc.boolean() }), { maxLength: 200 }),
        fc.constantFrom(0, 2 ** 32 - 20, 2 ** 40),
        (steps, first) => {
          const sealer = createSealer({ id: randomBytes(16), key: key(3), keyVersion: 1 }, first);
          const nonces: string[] = [];
          for (const { size, fails } of steps) {
            const plain = Buffer.alloc(size);
            if (fails) expect(() => sealer.seal(place, plain, Buffer.alloc(32))).toThrow();
            else nonces.push(nonceOf(sealer.seal(place, plain, undefined)));
          }
          expect(new Set(nonces).size).toBe(nonces.length);
          expect([...nonces].sort()).toEqual(nonces);
        },
      ),
    );
  });

  test('ends before its counter does', () => {
    const sealer = createSealer({ id: randomBytes(16), key: key(3), keyVersion: 1 }, COUNTER_MAX - 1);
    const last = nonceOf(sealer.seal(place, Buffer.alloc(1), undefined));
    expect(last).toBe('001fffffffffffff');
    expect(() => sealer.seal(place, Buffer.alloc(1), undefined)).toThrow('no nonces left');
  });
});
