import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entityKey, writeEntityKeyPreimage } from '../../engine/store/entity-key.js';

const tenantStore = Uint8Array.from({ length: 32 }, (_, i) => i);

test('the preimage is tenant, store, length-prefixed type, id', () => {
  const target = new Uint8Array(64).fill(0xee);
  const shifted = new Uint8Array(40);
  shifted.set(tenantStore, 8);
  const end = writeEntityKeyPreimage(target, 3, shifted, 8, 'ä', 'b😀');
  expect(Buffer.from(target.subarray(0, end + 1)).toString('hex')).toBe(
    `eeeeee${Buffer.from(tenantStore).toString('hex')}00000002c3a462f09f9880ee`,
  );
});

test('the key is the first eight bytes of its SHA-256, signed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (type, id) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(type));
      const digest = createHash('sha256').update(tenantStore).update(length).update(type).update(id).digest();
      expect(entityKey(tenantStore, type, id)).toBe(digest.readBigInt64BE(0));
    }),
  );
});

test('type and id do not run into each other', () => {
  expect(entityKey(tenantStore, 'ab', 'c')).not.toBe(entityKey(tenantStore, 'a', 'bc'));
});
