/** Sealing the payloads of judged events. */
import { FIXED, LEGACY_FIXED, type LegacyEnvelope, type VesEnvelope } from '../engine/protocol/index.js';
import { legacyBinding } from '../engine/store/payload-binding.js';
import { PAYLOAD_FORM } from '../engine/store/sealed-payload.js';
import type { Sealer } from '../engine/vault/index.js';
import { nativeSha256 } from './native-crypto.js';

/** The stored form of a VES payload, valid until the sealer's next use. */
export function sealVes(
  sealer: Sealer,
  { fixed, fixedOffset, payloadKind }: VesEnvelope,
  signingHash: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  const encrypted = payloadKind === 1;
  const place = {
    form: encrypted ? PAYLOAD_FORM.vesEncrypted : PAYLOAD_FORM.vesPlain,
    ids: fixed,
    idsOffset: fixedOffset + FIXED.tenantId,
    plainHash: fixed,
    plainHashOffset: fixedOffset + FIXED.payloadPlainHash,
    bound: signingHash,
    sequence: undefined,
  };
  return sealer.seal(place, payload, encrypted ? nativeSha256(payload) : undefined);
}

/** The same of a legacy payload. */
export function sealLegacy(sealer: Sealer, envelope: LegacyEnvelope, payload: Uint8Array): Uint8Array {
  const { fixed, entityType, entityId, eventType } = envelope;
  const place = {
    form: PAYLOAD_FORM.legacy,
    ids: fixed,
    idsOffset: LEGACY_FIXED.tenantId,
    plainHash: fixed,
    plainHashOffset: LEGACY_FIXED.payloadHash,
    bound: legacyBinding(entityType, entityId, eventType),
    sequence: undefined,
  };
  return sealer.seal(place, payload, undefined);
}
