import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkVesEnvelope,
  encodeHex,
  envelopeToJson,
  eventSigningHash,
  FIXED,
  FIXED_BYTES,
  formatUuid,
  packFixedFields,
  parseVesEnvelope,
  type VesEnvelope,
} from '../../engine/protocol/index.js';
import { IDS_B, VECTOR_B, wireEnvelope, ZERO_HEX } from './support.js';

function parsed(changes: Record<string, unknown> = {}, strictFormat = false): VesEnvelope {
  const result = parseVesEnvelope(JSON.parse(JSON.stringify(wireEnvelope(changes))), { strictFormat });
  if (!result.ok) throw new Error(`${result.path}: ${result.message}`);
  return result.envelope;
}

function fault(changes: Record<string, unknown>, strictFormat = false): string {
  const result = parseVesEnvelope(wireEnvelope(changes), { strictFormat });
  return result.ok ? 'accepted' : `${result.kind} ${result.path}`;
}

const ENCRYPTED = {
  enc_version: 1,
  aead: 'AES-256-GCM',
  nonce_b64u: 'A'.repeat(16),
  ciphertext_b64u: 'AA',
  tag_b64u: 'A'.repeat(22),
  hpke: { mode: 'base', kem: 'X25519-HKDF-SHA256', kdf: 'HKDF-SHA256', aead: 'AES-256-GCM' },
  recipients: [{ recipient_kid: 1, enc_b64u: 'A'.repeat(43), ct_b64u: 'A'.repeat(64) }],
};
const AS_ENCRYPTED = { payload_kind: 1, payload: undefined, payload_encrypted: ENCRYPTED };

describe('a VES envelope', () => {
  it('is read into typed members and one block of fixed-width bytes', () => {
    const envelope = parsed({ command_id: IDS_B.eventId, base_version: 3 });
    expect(envelope).toMatchObject({
      vesVersion: 1,
      agentKeyId: 1,
      entityType: 'InventoryItem',
      entityId: 'WIDGET-001',
      eventType: 'Adjusted',
      createdAt: '2025-01-01T00:00:00Z',
      payloadKind: 0,
      payload: { delta: 100, reason: 'test' },
      payloadEncrypted: undefined,
      hasCommandId: true,
      baseVersion: 3,
      signatureScheme: 0,
      signatureBundle: undefined,
      fixedOffset: 0,
    });
    expect(envelope.fixed).toHaveLength(FIXED_BYTES);
    expect(formatUuid(envelope.fixed, FIXED.tenantId)).toBe(IDS_B.tenantId);
    expect(formatUuid(envelope.fixed, FIXED.commandId)).toBe(IDS_B.eventId);
    expect(encodeHex(eventSigningHash(parsed()))).toBe(encodeHex(eventSigningHash(VECTOR_B)));
  });

  it('can be written into a slot of a larger arena, leaving the neighbours alone', () => {
    const arena = new Uint8Array(3 * FIXED_BYTES).fill(0xee);
    const result = parseVesEnvelope(wireEnvelope(), { fixed: arena, fixedOffset: FIXED_BYTES });
    if (!result.ok) throw new Error(result.message);
    expect(eventSigningHash(result.envelope)).toEqual(eventSigningHash(VECTOR_B));
    expect(arena.subarray(FIXED_BYTES + FIXED.commandId, FIXED_BYTES + FIXED.commandId + 16)).toEqual(
      new Uint8Array(16),
    );
    const neighbours = [...arena.subarray(0, FIXED_BYTES), ...arena.subarray(2 * FIXED_BYTES)];
    expect(new Set(neighbours)).toEqual(new Set([0xee]));
  });

  it('may carry unknown members, null for optional ones, and numbers only the sequencer assigns', () => {
    const envelope = parsed({
      extra: 1,
      command_id: null,
      base_version: null,
      payload_encrypted: null,
      agent_signature_scheme: null,
      agent_signature_bundle: null,
      sequence_number: 'nonsense',
      sequenced_at: 5,
    });
    expect(envelope).toMatchObject({
      hasCommandId: false,
      baseVersion: undefined,
      payloadEncrypted: undefined,
    });
    expect(envelopeToJson(envelope).sequence_number).toBeUndefined();
  });

  it('is printed as it was read', () => {
    const wire = wireEnvelope({ command_id: IDS_B.storeId, base_version: 0 });
    expect(envelopeToJson(parsed(wire))).toEqual(wire);
    expect(Object.keys(envelopeToJson(parsed()))).toEqual(
      expect.not.arrayContaining([
        'command_id',
        'base_version',
        'payload_encrypted',
        'agent_signature_scheme',
      ]),
    );
    expect(envelopeToJson(parsed(), { sequenceNumber: 7n, sequencedAt: 'x' })).toMatchObject({
      sequence_number: 7,
      sequenced_at: 'x',
    });
    const bundle = { ed25519_signature: [1, 2], ml_dsa_65_signature: [3] };
    const hybrid = wireEnvelope({ agent_signature_scheme: 3, agent_signature_bundle: bundle });
    expect(envelopeToJson(parsed(hybrid))).toEqual(hybrid);
    const encrypted = wireEnvelope(AS_ENCRYPTED);
    expect(envelopeToJson(parsed(encrypted))).toEqual(JSON.parse(JSON.stringify(encrypted)));
  });

  it('survives printing and reading for arbitrary members', () => {
    const text = (max: number) =>
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((value) => {
        return !value.includes('\0') && Buffer.byteLength(value) <= max;
      });
    const bytes = (length: number) =>
      fc.uint8Array({ minLength: length, maxLength: length }).map((b) => encodeHex(b));
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const wire = fc.record({
      ves_version: u32,
      event_id: fc.uuid(),
      tenant_id: fc.uuid(),
      store_id: fc.uuid(),
      source_agent_id: fc.uuid(),
      command_id: fc.uuid(),
      agent_key_id: u32,
      entity_type: text(128),
      entity_id: text(512),
      event_type: text(256),
      base_version: fc.maxSafeNat(),
      payload: fc.jsonValue().filter((value) => value !== null),
      payload_plain_hash: bytes(32).map((digits) => `0x${digits}`),
      payload_cipher_hash: bytes(32).map((digits) => `0x${digits}`),
      agent_signature: bytes(64).map((digits) => `0x${digits}`),
    });
    fc.assert(
      fc.property(wire, (members) => {
        const whole = wireEnvelope(members);
        expect(envelopeToJson(parsed(whole, true))).toEqual(JSON.parse(JSON.stringify(whole)));
      }),
    );
  });
});

describe('a request is not readable when', () => {
  it('an event is no object', () => {
    for (const value of [null, [], 'x', 1, undefined]) {
      expect(parseVesEnvelope(value)).toMatchObject({ ok: false, kind: 'type', path: '' });
    }
  });

  it('a required member is missing or null', () => {
    const required = [
      'ves_version',
      'event_id',
      'tenant_id',
      'store_id',
      'source_agent_id',
      'agent_key_id',
      'entity_type',
      'entity_id',
      'event_type',
      'created_at',
      'payload_kind',
      'payload_plain_hash',
      'payload_cipher_hash',
      'agent_signature',
    ];
    for (const name of required) {
      expect(fault({ [name]: undefined })).toBe(`type ${name}`);
      expect(fault({ [name]: null })).toBe(`type ${name}`);
      expect(fault({ [name]: {} })).toBe(`type ${name}`);
    }
  });

  it('a number is outside its range or no integer', () => {
    for (const name of ['ves_version', 'agent_key_id']) {
      for (const value of [-1, 1.5, 2 ** 32, '1', true, Number.POSITIVE_INFINITY]) {
        expect(fault({ [name]: value })).toBe(`type ${name}`);
      }
      expect(fault({ [name]: 2 ** 32 - 1 })).toBe('accepted');
    }
    for (const value of [-1, 0.5, 2 ** 53, '1', []])
      expect(fault({ base_version: value })).toBe('type base_version');
    expect(parsed({ base_version: 2 ** 53 - 1 }).baseVersion).toBe(Number.MAX_SAFE_INTEGER);
    for (const value of [2, -1, '0', 0.5]) expect(fault({ payload_kind: value })).toBe('type payload_kind');
    for (const value of [2 ** 31, 0.5, '1']) {
      expect(fault({ agent_signature_scheme: value })).toBe('type agent_signature_scheme');
    }
  });

  it('an id is malformed', () => {
    for (const name of ['event_id', 'tenant_id', 'store_id', 'source_agent_id', 'command_id']) {
      expect(fault({ [name]: 'not-a-uuid' })).toBe(`type ${name}`);
      expect(fault({ [name]: 5 })).toBe(`type ${name}`);
    }
  });

  it('hex is malformed, and in strict mode unless it is 0x and lower case', () => {
    for (const [name, bytes] of [
      ['payload_plain_hash', 32],
      ['payload_cipher_hash', 32],
      ['agent_signature', 64],
    ] as const) {
      const digits = '0a'.repeat(bytes);
      for (const form of [digits, `0x${digits}`, digits.toUpperCase(), `0x${digits.toUpperCase()}`]) {
        expect(fault({ [name]: form })).toBe('accepted');
        expect(fault({ [name]: form }, true)).toBe(form === `0x${digits}` ? 'accepted' : `type ${name}`);
      }
      for (const form of [digits.slice(2), `${digits}00`, `0X${digits}`, digits.replace('0', 'z'), '']) {
        expect(fault({ [name]: form })).toBe(`type ${name}`);
      }
    }
  });

  it('a bundle or an encrypted payload has ill-typed members', () => {
    expect(fault({ agent_signature_bundle: [] })).toBe('type agent_signature_bundle');
    expect(fault({ agent_signature_bundle: { ed25519_signature: [256] } })).toBe(
      'type agent_signature_bundle.ed25519_signature',
    );
    expect(fault({ payload_encrypted: 'x' })).toBe('type payload_encrypted');
    expect(fault({ payload_encrypted: { ...ENCRYPTED, hpke: { mode: 'base' } } })).toBe(
      'type payload_encrypted.hpke.kem',
    );
    const recipients = [{ recipient_kid: -1, enc_b64u: '', ct_b64u: '' }];
    expect(fault({ payload_encrypted: { ...ENCRYPTED, recipients } })).toBe(
      'type payload_encrypted.recipients[0].recipient_kid',
    );
  });

  it('a string is empty or too long in bytes', () => {
    for (const [name, max] of [
      ['entity_type', 128],
      ['entity_id', 512],
      ['event_type', 256],
    ] as const) {
      expect(fault({ [name]: '' })).toBe(`length ${name}`);
      expect(fault({ [name]: 'a'.repeat(max) })).toBe('accepted');
      expect(fault({ [name]: 'é'.repeat(max / 2) })).toBe('accepted');
      expect(fault({ [name]: 'a'.repeat(max + 1) })).toBe(`length ${name}`);
      expect(fault({ [name]: `${'é'.repeat(max / 2)}a` })).toBe(`length ${name}`);
      expect(fault({ [name]: 'a\0' })).toBe(`text ${name}`);
      expect(fault({ [name]: '\ud800' })).toBe(`text ${name}`);
    }
  });

  it('the payload for its kind is missing', () => {
    expect(fault({ payload: undefined })).toBe('payload_missing payload');
    expect(fault({ payload: null })).toBe('payload_missing payload');
    expect(fault({ payload_kind: 1 })).toBe('payload_missing payload_encrypted');
    for (const payload of [0, false, '', [], {}]) expect(fault({ payload })).toBe('accepted');
  });

  it('types are looked at before lengths', () => {
    expect(fault({ entity_type: '', agent_signature: 1 })).toBe('type agent_signature');
  });
});

describe('signature bundles', () => {
  it('are read from integer arrays, hex, and serialised Node buffers', () => {
    const forms = [[1, 255], '01ff', '0x01FF', { type: 'Buffer', data: [1, 255] }];
    for (const form of forms) {
      const envelope = parsed({
        agent_signature_bundle: { ed25519_signature: form, ml_dsa_65_signature: null },
      });
      expect(envelope.signatureBundle).toEqual({ ed25519Signature: Uint8Array.of(1, 255) });
    }
    for (const form of ['0', 'zz', [1.5], [-1], ['1'], { type: 'Buffer' }, { data: [1] }, 7, true]) {
      expect(fault({ agent_signature_bundle: { ed25519_signature: form } })).toMatch(/^type/);
    }
    const tooLong = new Array(4097).fill(0);
    expect(fault({ agent_signature_bundle: { ml_dsa_65_signature: tooLong } })).toMatch(/^type/);
  });

  it('unknown scheme numbers count as unspecified', () => {
    expect(parsed({ agent_signature_scheme: 1 }).signatureScheme).toBe(1);
    expect(parsed({ agent_signature_scheme: 9 }).signatureScheme).toBe(0);
    expect(parsed({ agent_signature_scheme: -1 }).signatureScheme).toBe(0);
  });
});

describe('the rules on one event reject', () => {
  function reason(changes: Record<string, unknown>): string {
    const rejection = checkVesEnvelope(parsed(changes));
    return rejection === undefined ? 'accepted' : `${rejection.reason} | ${rejection.message}`;
  }

  it('nothing in a correct event', () => {
    expect(reason({})).toBe('accepted');
    expect(reason({ ves_version: 2 })).toBe('accepted');
    expect(reason(AS_ENCRYPTED)).toBe('accepted');
  });

  it('unknown versions first', () => {
    expect(reason({ ves_version: 3, created_at: 'x' })).toBe(
      'unsupported_version | Expected VES version 1 or 2, got 3',
    );
    expect(reason({ ves_version: 0 })).toMatch(/^unsupported_version/);
  });

  it('members that do not go with the payload kind', () => {
    expect(reason({ payload_encrypted: ENCRYPTED })).toBe(
      'schema_validation: payload_encrypted | payload_encrypted must be omitted for plaintext events',
    );
    expect(reason({ payload_cipher_hash: `${ZERO_HEX.slice(2)}01` })).toBe(
      'schema_validation: payload_cipher_hash | payload_cipher_hash must be zero for plaintext events',
    );
    expect(reason({ ...AS_ENCRYPTED, payload: 1 })).toBe(
      'schema_validation: payload | payload must be omitted for encrypted events',
    );
  });

  it('a malformed encrypted payload before a malformed timestamp', () => {
    const encrypted = { ...AS_ENCRYPTED, payload_encrypted: { ...ENCRYPTED, aead: 'x' }, created_at: 'x' };
    expect(reason(encrypted)).toMatch(/^schema_validation: payload_encrypted.aead/);
    expect(reason({ created_at: 'yesterday' })).toBe(
      'schema_validation: created_at | created_at must be RFC3339',
    );
  });
});

it('the block of fixed-width members refuses malformed input by name', () => {
  const ids = { ...IDS_B, payloadPlainHash: ZERO_HEX };
  expect(() => packFixedFields({ ...ids, tenantId: 'x' })).toThrow('tenantId is not a UUID');
  expect(() => packFixedFields({ ...ids, storeId: new Uint8Array(15) })).toThrow('storeId is not 16 bytes');
  expect(() => packFixedFields({ ...ids, payloadPlainHash: '00' })).toThrow(
    'payloadPlainHash is not 32 hex bytes',
  );
  expect(() => packFixedFields({ ...ids, agentSignature: new Uint8Array(63) })).toThrow(
    'agentSignature is not 64',
  );
});
