import { describe, expect, it } from 'vitest';
import {
  eventSigningHash,
  publicKeyFromSeed,
  type ReceiptJson,
  receiptHash,
  receiptToJson,
  signReceipt,
  verifyReceipt,
} from '../../engine/protocol/index.js';
import { IDS_B, SEQUENCER_SEED, VECTOR_B } from './support.js';

const SEQUENCER_KEY = publicKeyFromSeed(SEQUENCER_SEED);
const event = { ...IDS_B, eventSigningHash: eventSigningHash(VECTOR_B) };
const hash = receiptHash(VECTOR_B, 1, event.eventSigningHash);
const parts = {
  sequencerId: IDS_B.storeId,
  eventId: IDS_B.eventId,
  sequenceNumber: 1n,
  sequencedAtMicros: 1_500_000n,
  receiptHash: hash,
};
const receipt = receiptToJson({ ...parts, signature: signReceipt(hash, SEQUENCER_SEED) });

describe('a receipt', () => {
  it('is rendered with bare lower-case hex and a numeric offset', () => {
    expect(receipt).toEqual({
      sequencerId: IDS_B.storeId,
      eventId: IDS_B.eventId,
      sequenceNumber: 1,
      sequencedAt: '1970-01-01T00:00:01.500+00:00',
      receiptHash: '17d005448b9588871be3beecbb5b6858ffe6fa63d6aa7675d0acb02e15bd2ca1',
      signatureAlg: 'ed25519',
      sequencerSignature:
        '7a91f7f233e66b60f2c06ad0db9ac13b15e5e4f210e183d7b177c7db0160cb371e0df3fd989c5d46322e4fda99550c062269a7ba7017aec2649cffd52d6ada02',
      sequencerKeyVersion: 0,
      receiptSignatureScheme: 1,
    });
    const unsigned = receiptToJson({ ...parts, keyVersion: 2 });
    expect(unsigned).toMatchObject({ signatureAlg: 'none', sequencerSignature: '', sequencerKeyVersion: 2 });
    expect(unsigned).not.toHaveProperty('receiptSignatureScheme');
  });

  it('verifies offline against the event and the key', () => {
    expect(verifyReceipt(receipt, event, SEQUENCER_KEY)).toBe('ok');
  });

  it('is refused with the reason when anything differs', () => {
    const verdict = (changes: Partial<ReceiptJson>) =>
      verifyReceipt({ ...receipt, ...changes }, event, SEQUENCER_KEY);
    expect(verdict({ sequenceNumber: 2 })).toBe('hash_mismatch');
    expect(verdict({ eventId: IDS_B.storeId })).toBe('wrong_event');
    expect(verdict({ receiptHash: '00'.repeat(32) })).toBe('hash_mismatch');
    expect(verdict({ sequencerSignature: '' })).toBe('unsigned');
    expect(verdict({ sequencerSignature: '01'.repeat(64) })).toBe('bad_signature');
    for (const changes of [
      { receiptHash: 'x' },
      { eventId: 'x' },
      { sequenceNumber: 0 },
      { sequenceNumber: 2 ** 53 },
      { sequenceNumber: '1' as unknown as number },
      { receiptHash: undefined as unknown as string },
      { sequencerSignature: null as unknown as string },
      { sequencerSignature: 'zz' },
    ]) {
      expect(verdict(changes)).toBe('malformed');
    }
    const other = publicKeyFromSeed(new Uint8Array(32));
    expect(verifyReceipt(receipt, event, other)).toBe('bad_signature');
    const otherStream = { ...event, storeId: IDS_B.tenantId };
    expect(verifyReceipt(receipt, otherStream, SEQUENCER_KEY)).toBe('hash_mismatch');
    expect(verifyReceipt(receipt, { ...event, tenantId: 'x' }, SEQUENCER_KEY)).toBe('malformed');
  });
});
