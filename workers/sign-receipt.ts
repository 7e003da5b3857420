import {
  parseUuid,
  RECEIPT_PREIMAGE_BYTES,
  type VesEnvelope,
  writeReceiptPreimage,
} from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import type { SequencerIdentity } from './messages.js';
import { createSigner, sha256Into } from './native-crypto.js';
import type { VesRequest } from './request-context.js';

/** A receipt's parts. `hash` (32 bytes) and `signature` (64) are valid until the next one is signed. */
export interface SignedReceipt {
  readonly envelope: VesEnvelope;
  readonly sequence: number;
  /** Microseconds since 1970-01-01T00:00:00Z. */
  readonly sequencedAtMicros: number;
  /** 32 lower-case hex digits. */
  readonly sequencer: string;
  readonly hash: Buffer;
  readonly signature: Buffer;
  readonly keyVersion: number;
}

/** Signs the receipt of an event that was accepted or replayed. */
export type ReceiptSigner = (request: VesRequest, index: number, result: RequestOutcome) => SignedReceipt;

/** Makes a signer with scratch buffers of its own. Not re-entrant. */
export function createReceiptSigner(identity: SequencerIdentity): ReceiptSigner {
  const sign = createSigner(identity.seed);
  const retired = new Map(identity.retired.map(({ keyVersion, seed }) => [keyVersion, createSigner(seed)]));
  const ownHex = Buffer.from(parseUuid(identity.id)!).toString('hex');
  const preimage = Buffer.alloc(RECEIPT_PREIMAGE_BYTES);
  const hash = Buffer.alloc(32);
  const signature = Buffer.alloc(64);

  return (request, index, result) => {
    const at = index * outcome.EVENT_NUMBERS;
    const sequence = result.events[at + 1]!;
    const { envelope } = request.events[index]!;
    const signingHash = request.signingHashes.subarray(index * 32, index * 32 + 32);
    writeReceiptPreimage(envelope, sequence, signingHash, preimage, 0);
    sha256Into(preimage, hash, 0);
    // An event numbered under a key that is not held any more is vouched for with the present key.
    const numberedUnder = result.events[at + 3]!;
    const signAsThen = retired.get(numberedUnder);
    (signAsThen ?? sign)(hash, signature);
    return {
      envelope,
      sequence,
      sequencedAtMicros: result.events[at + 2]!,
      sequencer: result.sequencers?.get(index) || ownHex,
      hash,
      signature,
      keyVersion: signAsThen ? numberedUnder : identity.keyVersion,
    };
  };
}
