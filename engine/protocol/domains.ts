/**
 * Domain separation labels: the ASCII bytes that open each hash preimage, with neither a length prefix nor a
 * terminating NUL. They are part of the wire protocol; a changed byte is a different protocol.
 */
export const DOMAIN = {
  payloadPlain: ascii('VES_PAYLOAD_PLAIN_V1'),
  payloadAad: ascii('VES_PAYLOAD_AAD_V1'),
  payloadCipher: ascii('VES_PAYLOAD_CIPHER_V1'),
  recipients: ascii('VES_RECIPIENTS_V1'),
  eventSigV1: ascii('VES_EVENTSIG_V1'),
  eventSigV2: ascii('VES_EVENTSIG_V2'),
  leaf: ascii('VES_LEAF_V1'),
  padLeaf: ascii('VES_PAD_LEAF_V1'),
  node: ascii('VES_NODE_V1'),
  stream: ascii('VES_STREAM_V1'),
  stateRoot: ascii('VES_STATE_ROOT_V1'),
  legacyLeaf: ascii('STATESET_COMMITMENT_LEAF_V1'),
  receipt: ascii('VES_RECEIPT_V1'),
  proofOfPossession: ascii('VES_POP_V1'),
  keyDirectory: ascii('VES_KEYDIR_V1'),
} as const satisfies Record<string, Uint8Array>;

function ascii(label: string): Uint8Array {
  return Uint8Array.from(label, (char) => char.charCodeAt(0));
}
