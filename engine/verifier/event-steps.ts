/** The event itself: its hashes, recomputed, and its agent's signature. */
import {
  canonicalize,
  checkVesEnvelope,
  encodeHex,
  equalBytes,
  eventSigningHash,
  FIXED,
  formatUuid,
  JcsError,
  keyStatusAt,
  parseVesEnvelope,
  payloadAad,
  payloadCipherHash,
  payloadPlainHash,
  refuseSignatureScheme,
  type VesEnvelope,
  verifyStrict,
  vesLeaf,
} from '../protocol/index.js';
import { isObject, type JsonObject } from './fields.js';
import { check, type Findings, malformed, unproven } from './findings.js';
import type { Trust } from './trust.js';

/** An event whose hashes were recomputed from its envelope. */
export interface CheckedEvent {
  readonly eventId: string;
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
  readonly envelope: VesEnvelope;
  /** The service erased the payload: there is nothing to hash. What was signed is its hash, which the envelope still has. */
  readonly erased: boolean;
  readonly signingHash: Uint8Array;
  /** Its log entry under a number, 147 bytes. */
  entry(sequence: number | bigint): Uint8Array;
}

/**
 * Checks an envelope as the sequencer does before it takes an event; `undefined` when it is not even readable.
 *
 * @param sequencedAtMicros when it was sequenced, for the validity of a key from a directory; by the sequencer's clock
 */
export function checkEvent(
  findings: Findings,
  value: unknown,
  trust: Trust,
  sequencedAtMicros?: bigint,
): CheckedEvent | undefined {
  const event = readEvent(value);
  if ('problem' in event) return malformed(findings, 'event', event.problem);
  const { envelope } = event;
  if (event.erased) {
    unproven(findings, 'what the payload said: it was erased, and only its signed hash is left');
  } else {
    const rejection = checkVesEnvelope(envelope);
    if (rejection !== undefined)
      check(findings, "the event keeps the protocol's rules", false, rejection.message);
    checkPayload(findings, envelope);
  }
  checkAgentSignature(findings, event, trust, sequencedAtMicros);
  unproven(findings, 'that what the event says is true: only that it was said');
  return event;
}

/** Reads an envelope without checking its hashes and signature. */
export function readEvent(value: unknown): CheckedEvent | { problem: string } {
  const erased = isErased(value);
  const parsed = parseVesEnvelope(erased ? { ...value, payload_kind: 0, payload: {} } : value);
  if (!parsed.ok) return { problem: parsed.message };
  // The kind is signed; only as plaintext does an envelope parse with something in the payload's place.
  const envelope: VesEnvelope = erased
    ? { ...parsed.envelope, payloadKind: value.payload_kind, payload: undefined }
    : parsed.envelope;
  const { fixed, fixedOffset } = envelope;
  const id = (at: number) => formatUuid(fixed, fixedOffset + at);
  const signingHash = eventSigningHash(envelope);
  return {
    eventId: id(FIXED.eventId),
    tenantId: id(FIXED.tenantId),
    storeId: id(FIXED.storeId),
    agentId: id(FIXED.sourceAgentId),
    envelope,
    erased,
    signingHash,
    entry: (sequence) => vesLeaf(envelope, sequence, signingHash),
  };
}

/** Marked as erased, and with nothing where the payload would be. */
const isErased = (value: unknown): value is JsonObject & { readonly payload_kind: 0 | 1 } =>
  isObject(value) &&
  value.payload_erased === true &&
  (value.payload_kind === 0 || value.payload_kind === 1) &&
  (value.payload ?? value.payload_encrypted ?? null) === null;

function checkPayload(findings: Findings, envelope: VesEnvelope): void {
  const { fixed, fixedOffset } = envelope;
  const stored = (at: number) => fixed.subarray(fixedOffset + at, fixedOffset + at + 32);
  if (envelope.payloadKind === 1) {
    const bytes = envelope.payloadEncrypted?.bytes;
    const hash = bytes && payloadCipherHash(bytes, payloadAad(envelope));
    const same = hash !== undefined && equalBytes(hash, stored(FIXED.payloadCipherHash));
    check(findings, 'the encrypted payload has the hash that was signed', same);
    unproven(findings, 'what the encrypted payload says: only its recipients can decrypt it');
    return;
  }
  try {
    const hash = payloadPlainHash(canonicalize(envelope.payload));
    const same = equalBytes(hash, stored(FIXED.payloadPlainHash));
    const detail = same ? undefined : `it hashes to ${encodeHex(hash)}`;
    check(findings, 'the payload has the hash that was signed', same, detail);
  } catch (error) {
    if (!(error instanceof JcsError)) throw error;
    check(findings, 'the payload has the hash that was signed', false, error.message);
  }
}

/** The step about an agent's signature; missing when no key of the agent is known. */
export const AGENT_SIGNED = "the agent's key has signed the event";

function checkAgentSignature(
  findings: Findings,
  event: CheckedEvent,
  trust: Trust,
  sequencedAtMicros: bigint | undefined,
): void {
  const { envelope, signingHash } = event;
  const { fixed, fixedOffset, agentKeyId } = envelope;
  const refusal = refuseSignatureScheme(envelope.signatureScheme);
  if (refusal !== undefined) {
    check(findings, AGENT_SIGNED, false, refusal);
    return;
  }
  const at = fixedOffset + FIXED.agentSignature;
  const signature = fixed.subarray(at, at + 64);
  const directory = trust.agentDirectory;
  const listed = directory?.agentId === event.agentId && directory.tenantId === event.tenantId;
  if (directory !== undefined && listed) {
    const key = directory.keys.get(agentKeyId);
    const good = key !== undefined && verifyStrict(signature, signingHash, key.publicKey);
    const detail = key === undefined ? `the directory has no key ${agentKeyId}` : `key ${agentKeyId}`;
    if (check(findings, AGENT_SIGNED, good, detail) && key !== undefined && sequencedAtMicros !== undefined) {
      const status = keyStatusAt(key.validity, sequencedAtMicros);
      const when = "by the sequencer's clock";
      const found = status === 'active' ? when : `it was ${status.replaceAll('_', ' ')}, ${when}`;
      check(findings, "the agent's key was valid when the event was sequenced", status === 'active', found);
    }
    return;
  }
  if (trust.agentKeys.length > 0) {
    const good = trust.agentKeys.some((key) => verifyStrict(signature, signingHash, key));
    check(findings, AGENT_SIGNED, good, good ? undefined : 'none of the given keys has');
    unproven(findings, "that the agent's key was valid when it signed: only the bare key was given");
    return;
  }
  const why = directory === undefined ? 'no key of the agent was given' : 'the directory is of another agent';
  unproven(findings, `that the agent signed the event: ${why}`);
}

/** Notes whether two readings of an event are of the same event: the same signing hash and signature. */
export function checkSameEvent(findings: Findings, what: string, a: CheckedEvent, b: CheckedEvent): boolean {
  // The number does not matter here, as long as it is the same.
  return check(findings, what, equalBytes(a.entry(0), b.entry(0)));
}
