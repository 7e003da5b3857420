import {
  packFixedFields,
  parseInstant,
  type ReceiptJson,
  receiptHash,
  receiptToJson,
} from '../../engine/protocol/index.js';
import type { ReceiptGroup } from '../../engine/store/receipts.js';
import type { VesEventRow } from '../../engine/store/ves-events.js';
import type { GatewayIdentity } from '../identity.js';
import { renderTimestamp } from './timestamp.js';
import { signingHashOf } from './ves-envelope.js';

const ZERO_HASH = new Uint8Array(32);

/**
 * The receipt of a stored event. It follows from the event and its group, and Ed25519 is deterministic: the same receipt, byte
 * for byte, as when the event was taken, also after the key was replaced. An event numbered under a key this process does not
 * hold is vouched for with the present key, under the present key's version.
 */
export function receiptOf(
  event: VesEventRow,
  tenantId: string,
  group: ReceiptGroup,
  identity: GatewayIdentity,
): ReceiptJson {
  const fixed = packFixedFields({
    tenantId,
    storeId: event.storeId,
    eventId: event.eventId,
    sourceAgentId: event.sourceAgentId,
    payloadPlainHash: ZERO_HASH, // not part of a receipt
  });
  const hash = receiptHash({ fixed, fixedOffset: 0 }, event.sequence, signingHashOf(event));
  const { keyVersion, signature } = identity.signAs(group.keyVersion, hash);
  return receiptToJson({
    sequencerId: group.sequencerId,
    eventId: event.eventId,
    sequenceNumber: event.sequence,
    sequencedAtMicros: parseInstant(renderTimestamp(group.sequencedAt))!,
    receiptHash: hash,
    signature,
    keyVersion,
  });
}
