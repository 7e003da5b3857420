import { describe, expect, it } from 'vitest';
import {
  decodeEncryptedPayload,
  type EncryptedPayload,
  RECIPIENTS_MAX,
  readEncryptedPayload,
} from '../../engine/protocol/index.js';

const recipient = (kid: number) => ({
  recipient_kid: kid,
  enc_b64u: 'A'.repeat(43),
  ct_b64u: 'A'.repeat(64),
});

const GOOD: EncryptedPayload = {
  enc_version: 1,
  aead: 'AES-256-GCM',
  nonce_b64u: 'A'.repeat(16),
  ciphertext_b64u: 'AA',
  tag_b64u: 'A'.repeat(22),
  hpke: { mode: 'base', kem: 'X25519-HKDF-SHA256', kdf: 'HKDF-SHA256', aead: 'AES-256-GCM' },
  recipients: [recipient(1), recipient(5)],
};

function path(changes: Partial<EncryptedPayload>, strict = false): string {
  const result = decodeEncryptedPayload({ ...GOOD, ...changes }, strict);
  return 'path' in result ? result.path : 'ok';
}

describe('an encrypted payload', () => {
  it('is decoded to bytes of the right lengths', () => {
    const result = decodeEncryptedPayload(GOOD, true);
    if ('path' in result) throw new Error(result.path);
    expect([result.bytes.nonce.length, result.bytes.ciphertext.length, result.bytes.tag.length]).toEqual([
      12, 1, 16,
    ]);
    expect(result.bytes.recipients.map(({ kid, enc, ct }) => [kid, enc.length, ct.length])).toEqual([
      [1, 32, 48],
      [5, 32, 48],
    ]);
  });

  it('may use any known version, mode and key encapsulation', () => {
    for (const enc_version of [1, 2, 3]) expect(path({ enc_version })).toBe('ok');
    for (const mode of ['base', 'hybrid-base', 'pqc-base'])
      expect(path({ hpke: { ...GOOD.hpke, mode } })).toBe('ok');
    for (const kem of ['x25519+mlkem768', 'mlkem768'])
      expect(path({ hpke: { ...GOOD.hpke, kem } })).toBe('ok');
  });

  it('is refused at the first offending member, in the order of the protocol', () => {
    const bad: [Partial<EncryptedPayload>, string][] = [
      [{ enc_version: 0 }, 'enc_version'],
      [{ enc_version: 4 }, 'enc_version'],
      [{ aead: 'AES-128-GCM' }, 'aead'],
      [{ hpke: { ...GOOD.hpke, mode: 'psk' } }, 'hpke.mode'],
      [{ hpke: { ...GOOD.hpke, kem: 'P-256' } }, 'hpke.kem'],
      [{ hpke: { ...GOOD.hpke, kdf: 'HKDF-SHA512' } }, 'hpke.kdf'],
      [{ hpke: { ...GOOD.hpke, aead: 'none' } }, 'hpke.aead'],
      [{ nonce_b64u: 'AAAA' }, 'nonce_b64u'],
      [{ ciphertext_b64u: '' }, 'ciphertext_b64u'],
      [{ ciphertext_b64u: '+/' }, 'ciphertext_b64u'],
      [{ tag_b64u: 'AAAA' }, 'tag_b64u'],
      [{ recipients: [] }, 'recipients'],
      [{ recipients: [recipient(2), recipient(2)] }, 'recipients'],
      [{ recipients: [recipient(2), recipient(1)] }, 'recipients'],
      [{ recipients: [recipient(1), { ...recipient(2), enc_b64u: 'AA' }] }, 'recipients[1].enc_b64u'],
      [{ recipients: [{ ...recipient(1), ct_b64u: 'AA' }] }, 'recipients[0].ct_b64u'],
    ];
    for (const [changes, member] of bad) expect(path(changes)).toBe(`payload_encrypted.${member}`);
    let all: Partial<EncryptedPayload> = {};
    for (const [changes, member] of [...bad].reverse()) {
      all = { ...all, ...changes };
      if (changes.hpke !== undefined || changes.recipients !== undefined) continue;
      expect(path(all)).toBe(`payload_encrypted.${member}`);
    }
  });

  it('has a limit on recipients', () => {
    const many = Array.from({ length: RECIPIENTS_MAX + 1 }, (_, i) => recipient(i));
    expect(path({ recipients: many.slice(1) })).toBe('ok');
    expect(path({ recipients: many })).toBe('payload_encrypted.recipients');
  });

  it('must be canonical base64url in strict mode only', () => {
    const padded = { tag_b64u: `${'A'.repeat(22)}==` };
    expect(path(padded)).toBe('ok');
    expect(path(padded, true)).toBe('payload_encrypted.tag_b64u');
  });

  it('keeps known members only', () => {
    const read = readEncryptedPayload({
      ...GOOD,
      extra: 1,
      hpke: { ...GOOD.hpke, extra: 1 },
      recipients: [{ ...recipient(1), extra: 1 }],
    });
    expect(read).toEqual({ payload: { ...GOOD, recipients: [recipient(1)] } });
  });

  it('with ill-typed members is not read at all', () => {
    const bad: [unknown, string][] = [
      [null, ''],
      [[], ''],
      [{}, 'enc_version'],
      [{ ...GOOD, enc_version: 1.5 }, 'enc_version'],
      [{ ...GOOD, aead: 1 }, 'aead'],
      [{ ...GOOD, nonce_b64u: null }, 'nonce_b64u'],
      [{ ...GOOD, hpke: [] }, 'hpke'],
      [{ ...GOOD, hpke: { ...GOOD.hpke, kdf: 1 } }, 'hpke.kdf'],
      [{ ...GOOD, recipients: {} }, 'recipients'],
      [{ ...GOOD, recipients: [1] }, 'recipients[0]'],
      [{ ...GOOD, recipients: [{ ...recipient(1), recipient_kid: 2 ** 32 }] }, 'recipients[0].recipient_kid'],
      [{ ...GOOD, recipients: [{ ...recipient(1), enc_b64u: 1 }] }, 'recipients[0].enc_b64u'],
      [{ ...GOOD, recipients: [{ ...recipient(1), ct_b64u: 1 }] }, 'recipients[0].ct_b64u'],
    ];
    for (const [value, member] of bad) expect(readEncryptedPayload(value)).toEqual({ path: member });
  });
});
