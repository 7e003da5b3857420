import { describe, expect, it } from 'vitest';
import {
  KEY_ALGORITHM,
  KEY_INVALID_TEXT,
  type KeyDirectory,
  type KeyValidity,
  keyStatusAt,
  normalizeKeyAlgorithm,
  normalizeSignatureScheme,
  parseInstant,
  publicKeyFromSeed,
  refuseKeyAlgorithm,
  refuseSignatureScheme,
  signKeyDirectory,
  signProofOfPossession,
  verifyKeyDirectory,
  verifyProofOfPossession,
} from '../../engine/protocol/index.js';
import { AGENT_PUBLIC_KEY, AGENT_SEED, IDS_B, SEQUENCER_SEED } from './support.js';

const UNBOUNDED: KeyValidity = {
  status: 'active',
  validFromMicros: null,
  validToMicros: null,
  revokedAtMicros: null,
};

describe('a key at an instant', () => {
  const at = (changes: Partial<KeyValidity>, now: number | bigint) =>
    keyStatusAt({ ...UNBOUNDED, ...changes }, now);

  it('is active inside its bounds, both included', () => {
    expect(at({}, 0)).toBe('active');
    const bounds = { validFromMicros: 10n, validToMicros: 20n };
    expect([9, 10, 20, 21].map((now) => at(bounds, now))).toEqual([
      'not_yet_valid',
      'active',
      'active',
      'expired',
    ]);
    expect(at(bounds, 10n)).toBe('active');
  });

  it('is revoked from the instant of revocation', () => {
    expect([4, 5, 6].map((now) => at({ revokedAtMicros: 5 }, now))).toEqual(['active', 'revoked', 'revoked']);
  });

  it('is judged in the order: revoked status, bounds, time of revocation', () => {
    const all = { validFromMicros: 10, validToMicros: 20, revokedAtMicros: 0 };
    expect(at({ ...all, status: 'revoked' }, 5)).toBe('revoked');
    expect(at(all, 5)).toBe('not_yet_valid');
    expect(at(all, 25)).toBe('expired');
    expect(at(all, 15)).toBe('revoked');
    expect(at({ status: 'expired' }, 5)).toBe('active');
  });

  it('has the texts clients match on', () => {
    expect(KEY_INVALID_TEXT).toEqual({
      not_found: 'Agent key not found',
      revoked: 'Agent key has been revoked',
      expired: 'Agent key has expired',
      not_yet_valid: 'Agent key is not yet valid',
    });
  });
});

describe('algorithms', () => {
  it('Ed25519 is the default and the only one served', () => {
    expect([undefined, 0, 1, 7, -1].map((algorithm) => normalizeKeyAlgorithm(algorithm))).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect(normalizeKeyAlgorithm(5)).toBe(KEY_ALGORITHM.ed25519MlDsa65);
    expect(refuseKeyAlgorithm(1)).toBeUndefined();
    for (const algorithm of [3, 4, 5, 6]) {
      expect(refuseKeyAlgorithm(algorithm)).toMatch(
        /^Post-quantum signatures are not supported by this server yet: /,
      );
    }
    expect(refuseKeyAlgorithm(2)).toMatch(/cannot sign/);
  });

  it('post-quantum signature schemes are refused, never downgraded', () => {
    expect([undefined, 0, 1, 2, 3, 4].map((scheme) => normalizeSignatureScheme(scheme))).toEqual([
      0, 0, 1, 2, 3, 0,
    ]);
    expect(refuseSignatureScheme(0)).toBeUndefined();
    expect(refuseSignatureScheme(1)).toBeUndefined();
    expect(refuseSignatureScheme(2)).toBe(
      'Post-quantum signatures are not supported by this server yet: scheme 2 (ML-DSA-65); sign with Ed25519',
    );
    expect(refuseSignatureScheme(3)).toMatch(/scheme 3 \(Ed25519\+ML-DSA-65\)/);
  });
});

it('a proof of possession holds for its own key only', () => {
  const proof = signProofOfPossession(AGENT_PUBLIC_KEY, AGENT_SEED);
  expect(verifyProofOfPossession(AGENT_PUBLIC_KEY, proof)).toBe(true);
  expect(verifyProofOfPossession(publicKeyFromSeed(SEQUENCER_SEED), proof)).toBe(false);
  expect(
    verifyProofOfPossession(AGENT_PUBLIC_KEY, signProofOfPossession(AGENT_PUBLIC_KEY, SEQUENCER_SEED)),
  ).toBe(false);
  expect(verifyProofOfPossession(AGENT_PUBLIC_KEY, proof.subarray(1))).toBe(false);
});

describe('a key directory', () => {
  const sequencerKey = publicKeyFromSeed(SEQUENCER_SEED);
  const signedAt = '2026-09-12T00:00:00Z';
  const now = parseInstant(signedAt)!;
  const directory = signKeyDirectory(
    { agentId: IDS_B.sourceAgentId, tenantId: IDS_B.tenantId, keys: [], signedAt },
    SEQUENCER_SEED,
  );
  const verdict = (changes: Partial<KeyDirectory> = {}, nowMicros = now) =>
    verifyKeyDirectory(
      { ...directory, ...changes },
      { agentId: IDS_B.sourceAgentId, tenantId: IDS_B.tenantId, nowMicros },
      sequencerKey,
    );

  it('verifies while it is fresh', () => {
    expect(verdict()).toBe('ok');
    expect(verdict({}, now + 86_400_000_000n)).toBe('ok');
    expect(verdict({}, now - 300_000_000n)).toBe('ok');
    expect(verdict({}, now + 86_400_000_001n)).toBe('stale');
    expect(verdict({}, now - 300_000_001n)).toBe('in_future');
  });

  it('is refused about another agent, changed, or unsigned', () => {
    expect(verdict({ agentId: IDS_B.eventId })).toBe('wrong_agent');
    expect(verdict({ tenantId: IDS_B.eventId })).toBe('wrong_agent');
    expect(verdict({ signedAt: '2026-09-12T00:00:01Z' })).toBe('bad_signature');
    expect(verdict({ directorySignature: `0x${'01'.repeat(64)}` })).toBe('bad_signature');
    expect(verdict({ directorySignature: '' })).toBe('malformed');
    expect(verdict({ signedAt: 'now' })).toBe('malformed');
    expect(verdict({ signedAt: 5 as unknown as string })).toBe('malformed');
    expect(verdict({ directorySignature: undefined as unknown as string })).toBe('malformed');
    expect(verdict({ keys: ['\ud800'] as never })).toBe('malformed');
  });
});
