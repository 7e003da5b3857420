import { canonicalize, encodeUtf8, type Sha256, type VesEnvelopeJson } from '../engine/protocol/index.js';

/**
 * One hash over everything an envelope says, whether it comes from its author or from the service, which adds the number
 * and the instant. Two envelopes with one digest agree in every byte that was signed, stored or sent.
 *
 * @returns 32 bytes
 */
export function envelopeDigest(envelope: VesEnvelopeJson, sha256: Sha256): Uint8Array {
  const { sequence_number: _, sequenced_at: __, ...said } = envelope;
  return sha256(encodeUtf8(canonicalize(said)));
}
