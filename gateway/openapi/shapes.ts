/** Shapes of what is answered. They describe: renderers write the answers, and the contract test holds the two together. */
import { z } from 'zod';

export const id = () => z.string().meta({ format: 'uuid' });
export const instant = () => z.string().meta({ format: 'date-time' });
export const hash = () =>
  z.string().meta({ pattern: '^[0-9a-f]{64}$', description: '32 bytes as hexadecimal text' });
export const prefixedHash = () =>
  z.string().meta({ pattern: '^0x[0-9a-f]{64}$', description: '32 bytes as hexadecimal text' });
export const prefixedSignature = () =>
  z.string().meta({ pattern: '^0x[0-9a-f]{128}$', description: '64 bytes as hexadecimal text' });
export const signature = () =>
  z.string().meta({ pattern: '^[0-9a-f]{128}$', description: '64 bytes as hexadecimal text' });
/** Counts and sequence numbers. */
export const count = () => z.number().meta({ type: 'integer', minimum: 0 });
export const number = (description: string) => count().meta({ description });
export const text = (description?: string) =>
  z.string().meta(description === undefined ? {} : { description });
export const note = () =>
  z.string().meta({ description: 'A signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)' });

const payload = z.unknown().meta({
  description:
    'The canonical JSON that was hashed (RFC 8785); null, with `payload_erased`, after it was erased.',
});

const vesMembers = {
  ves_version: z.number().meta({ type: 'integer', enum: [1, 2] }),
  event_id: id(),
  tenant_id: id(),
  store_id: id(),
  source_agent_id: id(),
  agent_key_id: count().meta({ maximum: 0xffff_ffff }),
  entity_type: text(),
  entity_id: text(),
  event_type: text(),
  created_at: text('RFC 3339; the exact characters that were signed'),
  payload_kind: z.number().meta({
    type: 'integer',
    enum: [0, 1],
    description: '0: `payload` holds JSON. 1: `payload_encrypted` holds an encryption envelope.',
  }),
};

/** An event as it is read. */
export const VesEnvelope = z
  .object({
    ...vesMembers,
    payload: payload.optional(),
    payload_encrypted: z.unknown().optional(),
    payload_erased: z.literal(true).optional(),
    payload_plain_hash: prefixedHash(),
    payload_cipher_hash: prefixedHash(),
    agent_signature: prefixedSignature(),
    sequence_number: number('Place in the stream, from 1'),
    sequenced_at: instant().meta({ description: 'When it was numbered; not part of any signature' }),
    command_id: id().optional(),
    base_version: count().optional(),
  })
  .meta({ description: 'A stored event: what its agent signed, and its number.' });

const hexInput = (bytes: number) =>
  z
    .string()
    .meta({ pattern: `^(0x)?[0-9a-fA-F]{${2 * bytes}}$`, description: `${bytes} bytes as hexadecimal text` });

/** An event as it is sent. */
export const SignedEvent = z
  .object({
    ...vesMembers,
    entity_type: z.string().meta({ minLength: 1, maxLength: 128, description: '1 to 128 bytes' }),
    entity_id: z.string().meta({ minLength: 1, maxLength: 512, description: '1 to 512 bytes' }),
    event_type: z.string().meta({ minLength: 1, maxLength: 256, description: '1 to 256 bytes' }),
    payload: z.unknown().optional().meta({ description: 'Any JSON value but null; needed for kind 0' }),
    payload_encrypted: z.unknown().optional().meta({ description: 'Needed for kind 1' }),
    payload_plain_hash: hexInput(32),
    payload_cipher_hash: hexInput(32).meta({ description: 'Zero for plaintext' }),
    agent_signature: hexInput(64).meta({ description: 'Ed25519 over the signing hash' }),
    command_id: id().optional().meta({ description: 'At most one event per command and stream' }),
    base_version: count().optional().meta({ description: 'How many events the entity has' }),
  })
  .meta({ description: 'An event with the signature of its agent.' });

export const Receipt = z
  .object({
    sequencerId: id(),
    eventId: id(),
    sequenceNumber: count(),
    sequencedAt: instant(),
    receiptHash: hash(),
    signatureAlg: z.enum(['ed25519', 'none']),
    sequencerSignature: signature(),
    sequencerKeyVersion: count(),
    receiptSignatureScheme: z.literal(1).optional(),
  })
  .meta({
    description: 'The sequencer signed that it gave this event this number; verifies without the server.',
  });

export const GroupReceipt = z
  .object({
    checkpoint: note(),
    tree_size: count(),
    root_hash: hash(),
    leaf_index: count(),
    leaf_hash: hash(),
    hashes: z.array(hash()),
  })
  .meta({ description: "The signed checkpoint of an event's group, and the event's inclusion path in it." });

/** A page of a stream. */
export const page = (events: z.ZodType) =>
  z.object({
    events: z.array(events),
    count: count(),
    next_sequence: number('Where to go on'),
    head_sequence: count(),
    has_more: z.boolean(),
  });

export const Head = z.object({ head_sequence: number('0: a stream without events') });

/** The one shape of every error. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: text('Never changes its meaning: branch on it'),
      numeric_code: count(),
      message: text('For people; may change'),
      request_id: text(),
      details: z.unknown().optional().meta({ description: 'The message for programs' }),
      retry_after: number('Seconds').optional(),
      doc_url: text('Explanation of the code'),
    }),
    code: text(),
    message: text(),
  })
  .meta({ description: 'The shape of every error. All codes: /docs/errors' });
