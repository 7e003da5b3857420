/** An agent's signed key directory, `GET /api/v1/agents/:agent_id/signing-keys`, as a source of the agent's public keys. */
import {
  formatMicros,
  KEY_DIRECTORY_AGE_MAX_SECS,
  type KeyDirectory,
  type KeyValidity,
  parseInstant,
  verifyKeyDirectory,
} from '../protocol/index.js';
import { isObject, readCount, readHex, readUuid } from './fields.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { NO_SEQUENCER_KEY, nameOfKey, type SequencerKey } from './trust.js';

/** A directory that the sequencer has signed. */
export interface AgentDirectory {
  readonly agentId: string;
  readonly tenantId: string;
  readonly keys: ReadonlyMap<number, { readonly publicKey: Uint8Array; readonly validity: KeyValidity }>;
}

/** More keys than this, no agent has. */
const KEYS_MAX = 10_000;

/**
 * Checks a directory's signature and reads its keys; `undefined` when it cannot be used. Its age is no fault: an auditor may hold the
 * directory of the day of the event.
 */
export function checkAgentDirectory(
  findings: Findings,
  document: unknown,
  sequencerKeys: readonly SequencerKey[],
  nowMicros: bigint,
): AgentDirectory | undefined {
  const directory = readDirectory(document);
  if (directory === undefined) return malformed(findings, 'directory');
  const { agentId, tenantId, signedAt } = document as KeyDirectory;
  const signedMicros = parseInstant(signedAt)!;
  if (sequencerKeys.length === 0) {
    missing(findings, NO_SEQUENCER_KEY);
    return undefined;
  }
  const signer = sequencerKeys.find(({ publicKey }) => {
    // Judged as on the day it was signed.
    const expected = { agentId, tenantId, nowMicros: signedMicros };
    return verifyKeyDirectory(document as KeyDirectory, expected, publicKey) === 'ok';
  });
  const detail = signer === undefined ? 'by none of the given keys' : `by ${nameOfKey(signer)}`;
  if (!check(findings, 'the sequencer has signed it', signer !== undefined, detail)) return undefined;
  if (nowMicros - signedMicros > BigInt(KEY_DIRECTORY_AGE_MAX_SECS) * 1_000_000n)
    unproven(
      findings,
      `that keys were not revoked after ${formatMicros(signedMicros)}, when the directory was signed`,
    );
  unproven(findings, 'that the keys belong to whom you think: the directory says what was registered');
  return directory;
}

function readDirectory(document: unknown): AgentDirectory | undefined {
  if (!isObject(document) || !Array.isArray(document.keys) || document.keys.length > KEYS_MAX)
    return undefined;
  const agentId = readUuid(document.agentId);
  const tenantId = readUuid(document.tenantId);
  const signedAt = typeof document.signedAt === 'string' ? parseInstant(document.signedAt) : undefined;
  if (agentId === undefined || tenantId === undefined || signedAt === undefined) return undefined;
  const keys = new Map<number, { publicKey: Uint8Array; validity: KeyValidity }>();
  for (const item of document.keys) {
    if (!isObject(item)) return undefined;
    const keyId = readCount(item.keyId);
    const publicKey = readHex(item.publicKey, 32);
    const bounds = [item.validFrom, item.validTo, item.revokedAt].map(readBound);
    if (keyId === undefined || publicKey === undefined || bounds.includes(undefined) || keys.has(keyId))
      return undefined;
    const [validFromMicros, validToMicros, revokedAtMicros] = bounds as (bigint | null)[];
    const validity = {
      status: 'active',
      validFromMicros: validFromMicros!,
      validToMicros: validToMicros!,
      revokedAtMicros: revokedAtMicros!,
    } as const;
    keys.set(keyId, { publicKey, validity });
  }
  return { agentId, tenantId, keys };
}

function readBound(value: unknown): bigint | null | undefined {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? parseInstant(value) : undefined;
}
