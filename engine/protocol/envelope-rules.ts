import type { VesEnvelope } from './envelope.js';
import { FIXED } from './fixed-fields.js';
import { type Rejection, VES_REJECTION } from './ingest-types.js';
import { isRfc3339 } from './rfc3339.js';

/**
 * The rules on a well-typed envelope that need no key and no hash, in the protocol's order: version, which members
 * go with which payload kind, structure of the encrypted payload, timestamp. Returns the first rejection.
 */
export function checkVesEnvelope(envelope: VesEnvelope): Rejection | undefined {
  if (envelope.vesVersion !== 1 && envelope.vesVersion !== 2) {
    return VES_REJECTION.unsupportedVersion(envelope.vesVersion);
  }
  const kindFault = envelope.payloadKind === 0 ? checkPlaintext(envelope) : checkEncrypted(envelope);
  if (kindFault !== undefined) return kindFault;
  if (!isRfc3339(envelope.createdAt)) return VES_REJECTION.schema('created_at', 'created_at must be RFC3339');
  return undefined;
}

function checkPlaintext(envelope: VesEnvelope): Rejection | undefined {
  if (envelope.payload === undefined) {
    return VES_REJECTION.schema('payload', 'payload is required for plaintext events');
  }
  if (envelope.payloadEncrypted !== undefined) {
    return VES_REJECTION.schema(
      'payload_encrypted',
      'payload_encrypted must be omitted for plaintext events',
    );
  }
  const { fixed, fixedOffset } = envelope;
  for (let i = 0; i < 32; i++) {
    if (fixed[fixedOffset + FIXED.payloadCipherHash + i] !== 0) {
      return VES_REJECTION.schema(
        'payload_cipher_hash',
        'payload_cipher_hash must be zero for plaintext events',
      );
    }
  }
  return undefined;
}

function checkEncrypted(envelope: VesEnvelope): Rejection | undefined {
  if (envelope.payload !== undefined) {
    return VES_REJECTION.schema('payload', 'payload must be omitted for encrypted events');
  }
  const encrypted = envelope.payloadEncrypted;
  if (encrypted === undefined) {
    return VES_REJECTION.schema('payload_encrypted', 'payload_encrypted is required for encrypted events');
  }
  if (encrypted.bytes === undefined) {
    return VES_REJECTION.schema(encrypted.faultPath, `${encrypted.faultPath} is not valid`);
  }
  return undefined;
}
