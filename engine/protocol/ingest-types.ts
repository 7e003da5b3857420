/** Why one event of a request was not sequenced, as it travels in JSON (both members snake_case texts). */
export type Rejection = { reason: string; message: string };

const SCHEMA = 'schema_validation';

/**
 * Rejections of VES events with the exact texts clients match on. A reason may carry a detail behind a colon.
 */
export const VES_REJECTION = {
  duplicateInBatch: (eventId: string) => reject('duplicate_event_id', `Event ${eventId} duplicated in batch`),
  existsElsewhere: () => reject('duplicate_event_id', 'Event ID already exists'),
  existsDifferent: () => reject('duplicate_event_id', 'Event ID already exists with different contents'),
  existsWithoutReceipt: () => reject('duplicate_event_id', 'Event already exists but receipt not found'),
  lostRace: (eventId: string) => reject('duplicate_event_id', `Event ${eventId} already exists`),
  commandInBatch: (commandId: string) =>
    reject('duplicate_command_id', `Command ${commandId} duplicated in batch`),
  commandProcessed: (commandId: string) =>
    reject('duplicate_command_id', `Command ${commandId} already processed`),
  unsupportedVersion: (version: number) =>
    reject('unsupported_version', `Expected VES version 1 or 2, got ${version}`),
  schema: (path: string, message: string) => reject(`${SCHEMA}: ${path}`, message),
  payloadHash: () => reject('invalid_payload_hash', 'Payload hash verification failed'),
  cipherHash: () => reject('invalid_cipher_hash', 'Payload hash verification failed'),
  agentKey: (text: string) => reject(`agent_key_invalid: ${text}`, text),
  signature: () => reject('invalid_signature', 'Agent signature verification failed: VerificationFailed'),
  signatureScheme: (text: string) => reject('invalid_signature', text),
  policy: (text: string) => reject(`policy_violation: ${text}`, `Agent policy: ${text}`),
  versionConflict: (expected: number | bigint, actual: number | bigint) =>
    reject(
      `version_conflict: expected ${expected}, actual ${actual}`,
      `Version conflict: expected ${expected}, actual ${actual}`,
    ),
} as const;

/** Reasons of the legacy stream: CamelCase names, without detail. */
export const LEGACY_REJECTION = {
  duplicateInBatch: (eventId: string) => reject('DuplicateEventId', `Event ${eventId} duplicated in batch`),
  exists: (eventId: string) => reject('DuplicateEventId', `Event ${eventId} already exists`),
  commandInBatch: (commandId: string) =>
    reject('DuplicateCommandId', `Command ${commandId} duplicated in batch`),
  commandProcessed: (commandId: string) =>
    reject('DuplicateCommandId', `Command ${commandId} already processed`),
  schema: (message: string) => reject('SchemaValidation', message),
  payloadHash: () => reject('InvalidPayloadHash', 'Payload hash does not match payload'),
  versionConflict: (expected: number | bigint, actual: number | bigint) =>
    reject('VersionConflict', `Version conflict: expected ${expected}, actual ${actual}`),
  unauthorized: (message: string) => reject('Unauthorized', message),
  rateLimited: (message: string) => reject('RateLimited', message),
  other: (message: string) => reject('Other', message),
} as const;

function reject(reason: string, message: string): Rejection {
  return { reason, message };
}
