import { expect, it } from 'vitest';
import { LEGACY_REJECTION, VES_REJECTION } from '../../engine/protocol/index.js';

it('VES rejections have the reasons and messages clients match on', () => {
  const id = '11111111-1111-1111-1111-111111111111';
  expect(
    [
      VES_REJECTION.duplicateInBatch(id),
      VES_REJECTION.existsElsewhere(),
      VES_REJECTION.existsDifferent(),
      VES_REJECTION.existsWithoutReceipt(),
      VES_REJECTION.lostRace(id),
      VES_REJECTION.commandInBatch(id),
      VES_REJECTION.commandProcessed(id),
      VES_REJECTION.schema('entity_id', 'm'),
      VES_REJECTION.payloadHash(),
      VES_REJECTION.cipherHash(),
      VES_REJECTION.agentKey('Agent key not found'),
      VES_REJECTION.signature(),
      VES_REJECTION.versionConflict(1n, 2),
    ].map(({ reason, message }) => `${reason} | ${message}`),
  ).toEqual([
    `duplicate_event_id | Event ${id} duplicated in batch`,
    'duplicate_event_id | Event ID already exists',
    'duplicate_event_id | Event ID already exists with different contents',
    'duplicate_event_id | Event already exists but receipt not found',
    `duplicate_event_id | Event ${id} already exists`,
    `duplicate_command_id | Command ${id} duplicated in batch`,
    `duplicate_command_id | Command ${id} already processed`,
    'schema_validation: entity_id | m',
    'invalid_payload_hash | Payload hash verification failed',
    'invalid_cipher_hash | Payload hash verification failed',
    'agent_key_invalid: Agent key not found | Agent key not found',
    'invalid_signature | Agent signature verification failed: VerificationFailed',
    'version_conflict: expected 1, actual 2 | Version conflict: expected 1, actual 2',
  ]);
});

it('legacy rejections use the CamelCase names', () => {
  expect(LEGACY_REJECTION.payloadHash()).toEqual({
    reason: 'InvalidPayloadHash',
    message: 'Payload hash does not match payload',
  });
  expect(LEGACY_REJECTION.versionConflict(0, 1).reason).toBe('VersionConflict');
  expect(LEGACY_REJECTION.exists('x')).toEqual({
    reason: 'DuplicateEventId',
    message: 'Event x already exists',
  });
});
