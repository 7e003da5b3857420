/**
 * Second half: each event is judged on its own (rules, hash, key, signature; the first failure wins) and the good ones are
 * encoded as COPY rows. A verdict is a proposal: the partition may still find that the event is stored already, which is
 * why every event gets a content digest, even a rejected one.
 */
import { type AgentPolicy, policyViolation } from '../engine/access/agent-policy.js';
import {
  checkVesEnvelope,
  DOMAIN,
  EVENT_SIGNING_V2_BYTES_MAX,
  eventSigningPreimageBytesMax,
  FIXED,
  formatMicros,
  LEGACY_FIXED,
  LEGACY_REJECTION,
  type LegacyEnvelope,
  payloadAad,
  payloadCipherHash,
  type Rejection,
  refuseSignatureScheme,
  VES_REJECTION,
  type VesEnvelope,
  writeEventSigningPreimage,
  writeEventSigningV2Preimage,
} from '../engine/protocol/index.js';
import {
  type BatchBuilder,
  createContentDigest,
  type EventEntry,
  outcome,
} from '../engine/sequencer/index.js';
import {
  encodeLegacyRow,
  encodeVesRow,
  LEGACY_ROW_FIXED_BYTES,
  VES_ROW_FIXED_BYTES,
} from '../engine/store/copy-row.js';
import { writeEntityKeyPreimage } from '../engine/store/entity-key.js';
import type { Sealer } from '../engine/vault/index.js';
import { agentKeyName, type CachedKey, keyProblem, type UsableKey } from './agent-key-cache.js';
import { nativeSha256, sha256Into } from './native-crypto.js';
import type { CreatedAtChoice, LegacyRequest, PreparedVesEvent, VesRequest } from './request-context.js';
import { sealLegacy, sealVes } from './seal-payload.js';
import { createSignatureChecks, type SignatureChecks } from './signature-checks.js';

/** The cache's name of the key an envelope claims. */
export function keyNameOf(envelope: VesEnvelope): string {
  const { fixed, fixedOffset } = envelope;
  const bytes = fixed as Buffer;
  const tenant = bytes.toString('hex', fixedOffset + FIXED.tenantId, fixedOffset + FIXED.tenantId + 16);
  const agent = bytes.toString(
    'hex',
    fixedOffset + FIXED.sourceAgentId,
    fixedOffset + FIXED.sourceAgentId + 16,
  );
  return agentKeyName(tenant, agent, envelope.agentKeyId);
}

export type KeyOf = (name: string) => CachedKey | undefined;

/** An event is checked first, its signature together with those of many others, then entered. */
export interface Judge {
  /** Finds what can be found about events [from, to) of the request and puts their signatures into the open batch. */
  checkVes(request: VesRequest, from: number, to: number, keyOf: KeyOf, nowMicros: number): void;
  /** Decides the signatures of everything checked so far. */
  decideSignatures(): void;
  /** Judges events [from, to), checked and decided, and adds them to `builder`, whose current request it must be. */
  ves(
    request: VesRequest,
    from: number,
    to: number,
    builder: BatchBuilder,
    keyOf: KeyOf,
    nowMicros: number,
    sealer?: Sealer,
  ): void;
  legacy(request: LegacyRequest, from: number, to: number, builder: BatchBuilder, sealer?: Sealer): void;
}

/** Length of the label in front of a payload's hash preimage. */
const LABEL_BYTES = DOMAIN.payloadPlain.length;

/** {@link VesRequest.findings} besides the verdicts on signatures, 0 and 1. */
const REPEATED = 2;
const REFUSED = 3;
const SIGNATURE_FAILS = 0;

/** Makes a judge with scratch buffers of its own. Not re-entrant. */
export function createJudge(signatures: SignatureChecks = createSignatureChecks()): Judge {
  const contentDigest = createContentDigest(sha256Into);
  const proof = Buffer.alloc(96);
  const hash = Buffer.alloc(32);
  const key = Buffer.alloc(32);
  const v2 = Buffer.alloc(EVENT_SIGNING_V2_BYTES_MAX);
  const encoded = { end: 0, proof: 0, entity: 0 };
  const entry: EventEntry = {
    idBytes: hash,
    idOffset: 0,
    commandBytes: undefined,
    commandOffset: 0,
    digest: Buffer.alloc(32),
    entityKey: key.subarray(0, 8),
    baseVersion: undefined,
    verdict: 0,
    proof: 0,
    entity: 0,
  };
  let scratch = Buffer.alloc(4 * 1024);

  function reserveScratch(bytes: number): Buffer {
    if (scratch.length < bytes) scratch = Buffer.alloc(bytes * 2);
    return scratch;
  }

  function writeSigningHash(envelope: VesEnvelope, target: Buffer, offset: number): void {
    const preimage = reserveScratch(eventSigningPreimageBytesMax(envelope));
    sha256Into(preimage.subarray(0, writeEventSigningPreimage(envelope, preimage, 0)), target, offset);
    if (envelope.vesVersion !== 2) return;
    const end = writeEventSigningV2Preimage(target.subarray(offset, offset + 32), envelope, v2, 0);
    sha256Into(v2.subarray(0, end), target, offset);
  }

  function writeEntityKey(ids: Uint8Array, offset: number, type: string, id: string): void {
    const preimage = reserveScratch(36 + 3 * (type.length + id.length));
    sha256Into(preimage.subarray(0, writeEntityKeyPreimage(preimage, 0, ids, offset, type, id)), key, 0);
  }

  /** What is wrong with the event whoever sent it: rules and hashes, in the protocol's order. */
  function contentFault({ payloads }: VesRequest, event: PreparedVesEvent): Rejection | undefined {
    const { envelope, payloadProblem } = event;
    const fault = checkVesEnvelope(envelope);
    if (fault) return fault;
    if (payloadProblem !== undefined) return VES_REJECTION.schema('payload', payloadProblem);
    return envelope.payloadKind === 0 ? checkPlainHash(payloads, event) : checkCipherHash(envelope);
  }

  /** What is wrong with its key, whatever the signature. */
  function keyFault(
    { signatureScheme }: VesEnvelope,
    cachedKey: CachedKey | undefined,
    nowMicros: number,
  ): Rejection | undefined {
    // L6: no event gets a number unless its signature holds under a key that is valid now.
    const problem = cachedKey ? keyProblem(cachedKey, nowMicros) : 'Agent key not found';
    if (problem !== undefined) return VES_REJECTION.agentKey(problem);
    const scheme = refuseSignatureScheme(signatureScheme);
    return scheme === undefined ? undefined : VES_REJECTION.signatureScheme(scheme);
  }

  /** Whether the signature holds with the other text of the timestamp; if it does, envelope and hash have it from now on. */
  function signedAs(
    other: CreatedAtChoice,
    envelope: VesEnvelope,
    signingHash: Buffer,
    cachedKey: CachedKey | undefined,
  ): boolean {
    if (cachedKey?.publicKey === undefined) return false;
    const { fixed, fixedOffset, createdAt } = envelope;
    const at = fixedOffset + FIXED.payloadCipherHash;
    const cipherHash = Uint8Array.from(fixed.subarray(at, at + 32));
    const write = (text: string, hash: Uint8Array) => {
      envelope.createdAt = text;
      fixed.set(hash, at);
      writeSigningHash(envelope, signingHash, 0);
    };
    write(other.createdAt, other.cipherHash ?? cipherHash);
    if (signatures.verify(cachedKey, signingHash, fixed, fixedOffset + FIXED.agentSignature)) return true;
    write(createdAt, cipherHash);
    return false;
  }

  function checkPlainHash(payloads: Uint8Array, event: PreparedVesEvent): Rejection | undefined {
    const { fixed, fixedOffset } = event.envelope;
    sha256Into(payloads.subarray(event.payloadStart - LABEL_BYTES, event.payloadEnd), hash, 0);
    for (let i = 0; i < 32; i++) {
      if (hash[i] !== fixed[fixedOffset + FIXED.payloadPlainHash + i]) return VES_REJECTION.payloadHash();
    }
    return undefined;
  }

  function checkCipherHash(envelope: VesEnvelope): Rejection | undefined {
    const { fixed, fixedOffset } = envelope;
    const expected = payloadCipherHash(
      envelope.payloadEncrypted!.bytes!,
      payloadAad(envelope, nativeSha256),
      nativeSha256,
    );
    const given = fixed.subarray(
      fixedOffset + FIXED.payloadCipherHash,
      fixedOffset + FIXED.payloadCipherHash + 32,
    );
    return Buffer.compare(expected, given) === 0 ? undefined : VES_REJECTION.cipherHash();
  }

  return {
    checkVes(request, from, to, keyOf, nowMicros) {
      const { events, signingHashes, seenEvents, findings, refusals } = request;
      const keyFor = lookUpKeys(keyOf);
      for (let i = from; i < to; i++) {
        const { envelope } = events[i]!;
        const { fixed, fixedOffset } = envelope;
        writeSigningHash(envelope, signingHashes, i * 32);
        if (events.length > 1 && remember(seenEvents, fixed, fixedOffset + FIXED.eventId)) {
          findings[i] = REPEATED;
          continue;
        }
        const fault = contentFault(request, events[i]!);
        const cachedKey = keyFor(envelope);
        const rejection = fault ?? keyFault(envelope, cachedKey, nowMicros);
        if (rejection !== undefined) {
          findings[i] = REFUSED;
          refusals.set(i, { rejection, isContent: fault !== undefined });
          continue;
        }
        const signingHash = signingHashes.subarray(i * 32, i * 32 + 32);
        const at = fixedOffset + FIXED.agentSignature;
        signatures.add(cachedKey as UsableKey, signingHash, fixed, at, findings, i);
      }
    },

    decideSignatures: () => signatures.decide(),

    ves(request, from, to, builder, keyOf, nowMicros, sealer) {
      const { events, payloads, rejections, signingHashes, seenCommands, findings, refusals } = request;
      const keyFor = lookUpKeys(keyOf);
      for (let i = from; i < to; i++) {
        const event = events[i]!;
        const { envelope } = event;
        const { fixed, fixedOffset } = envelope;
        const payload = payloads.subarray(event.payloadStart, event.payloadEnd);
        const signingHash = signingHashes.subarray(i * 32, i * 32 + 32);

        entry.idBytes = fixed;
        entry.idOffset = fixedOffset + FIXED.eventId;
        entry.commandBytes = envelope.hasCommandId ? fixed : undefined;
        entry.commandOffset = fixedOffset + FIXED.commandId;
        entry.baseVersion = envelope.baseVersion;
        const repeated = findings[i] === REPEATED;
        const refusal = findings[i] === REFUSED ? refusals.get(i) : undefined;
        let fault = refusal?.isContent ? refusal.rejection : undefined;
        let rejection = refusal?.rejection;
        if (findings[i] === SIGNATURE_FAILS) rejection = VES_REJECTION.signature();
        const other = request.proto?.otherCreatedAt[i];
        if (rejection !== undefined && other !== undefined) {
          const cachedKey = keyFor(envelope);
          if (signedAs(other, envelope, signingHash, cachedKey)) {
            fault = contentFault(request, event);
            rejection = fault ?? keyFault(envelope, cachedKey, nowMicros);
          }
        }
        // Last: whoever cannot sign for the agent learns nothing of what it may write.
        if (request.policy !== undefined && !repeated && rejection === undefined)
          rejection = policyFault(request.policy, event);
        if (repeated) entry.verdict = outcome.REPEATED_EVENT_ID;
        else if (rejection) entry.verdict = outcome.VERDICT_BASE + rejections.push(rejection) - 1;
        else if (envelope.hasCommandId && remember(seenCommands, fixed, entry.commandOffset))
          entry.verdict = outcome.REPEATED_COMMAND_ID;
        else entry.verdict = outcome.ACCEPTED;

        // L2: what breaks a rule, or is not what its hash says, is not "the same" as anything stored.
        if (fault) entry.digest.fill(0);
        else {
          signingHash.copy(proof, 0);
          for (let b = 0; b < 64; b++) proof[32 + b] = fixed[fixedOffset + FIXED.agentSignature + b]!;
          const envelopeHash = envelope.payloadKind === 1 ? nativeSha256(payload) : undefined;
          contentDigest(
            proof,
            0,
            96,
            entry.commandBytes,
            entry.commandOffset,
            envelope.baseVersion,
            envelopeHash,
            entry.digest,
            0,
          );
        }
        if (entry.verdict !== outcome.ACCEPTED) {
          entry.proof = 0;
          entry.entity = 0;
          builder.event(entry, builder.reserve(0).offset);
          continue;
        }
        writeEntityKey(fixed, fixedOffset + FIXED.tenantId, envelope.entityType, envelope.entityId);
        const textUnits =
          envelope.entityType.length +
          envelope.entityId.length +
          envelope.eventType.length +
          envelope.createdAt.length;
        // Last of all: nothing is sealed that is not stored, and hashes and signatures are of the plain payload.
        const stored = sealer ? sealVes(sealer, envelope, signingHash, payload) : payload;
        const place = builder.reserve(VES_ROW_FIXED_BYTES + stored.length + 3 * textUnits);
        encodeVesRow(
          place.target,
          place.offset,
          { envelope, payload: stored, entityKey: entry.entityKey, signingHash },
          encoded,
        );
        entry.proof = encoded.proof;
        entry.entity = encoded.entity;
        builder.event(entry, encoded.end);
      }
    },

    legacy(request, from, to, builder, sealer) {
      const { events, rejections, seenEvents, seenCommands } = request;
      for (let i = from; i < to; i++) {
        const { envelope, canonical, canonicalProblem } = events[i]!;
        const { fixed } = envelope;
        const payload = Buffer.from(canonical ?? '', 'utf8');
        entry.idBytes = fixed;
        entry.idOffset = LEGACY_FIXED.eventId;
        entry.commandBytes = envelope.hasCommandId ? fixed : undefined;
        entry.commandOffset = LEGACY_FIXED.commandId;
        entry.baseVersion = envelope.baseVersion === undefined ? undefined : Number(envelope.baseVersion);
        entry.proof = 0;
        entry.entity = 0;
        const repeated = remember(seenEvents, fixed, LEGACY_FIXED.eventId);
        const rejection = repeated
          ? undefined
          : (legacyRejection(envelope, canonical, canonicalProblem, payload) ??
            legacyPolicyFault(request.policy, envelope, payload));
        if (repeated) entry.verdict = outcome.REPEATED_EVENT_ID;
        else if (rejection) entry.verdict = outcome.VERDICT_BASE + rejections.push(rejection) - 1;
        else if (envelope.hasCommandId && remember(seenCommands, fixed, LEGACY_FIXED.commandId))
          entry.verdict = outcome.REPEATED_COMMAND_ID;
        else entry.verdict = outcome.ACCEPTED;

        const payloadHash = fixed.subarray(LEGACY_FIXED.payloadHash, LEGACY_FIXED.payloadHash + 32);
        contentDigest(
          payloadHash,
          0,
          32,
          entry.commandBytes,
          entry.commandOffset,
          entry.baseVersion,
          undefined,
          entry.digest,
          0,
        );
        if (entry.verdict !== outcome.ACCEPTED) {
          builder.event(entry, builder.reserve(0).offset);
          continue;
        }
        writeEntityKey(fixed, LEGACY_FIXED.tenantId, envelope.entityType, envelope.entityId);
        const textUnits =
          envelope.entityType.length + envelope.entityId.length + envelope.eventType.length + 40;
        const stored = sealer ? sealLegacy(sealer, envelope, payload) : payload;
        const place = builder.reserve(
          LEGACY_ROW_FIXED_BYTES + stored.length + (envelope.signature?.length ?? 0) + 3 * textUnits,
        );
        encodeLegacyRow(place.target, place.offset, legacyRow(envelope, stored, payloadHash), encoded);
        entry.entity = encoded.entity;
        builder.event(entry, encoded.end);
      }
    },
  };

  function legacyRejection(
    envelope: LegacyEnvelope,
    canonical: string | undefined,
    canonicalProblem: string | undefined,
    payload: Buffer,
  ): Rejection | undefined {
    if (canonical === undefined) return LEGACY_REJECTION.schema(canonicalProblem!);
    sha256Into(payload, hash, 0);
    const given = envelope.fixed.subarray(LEGACY_FIXED.payloadHash, LEGACY_FIXED.payloadHash + 32);
    return Buffer.compare(hash, given) === 0 ? undefined : LEGACY_REJECTION.payloadHash();
  }

  function legacyRow(envelope: LegacyEnvelope, payload: Uint8Array, payloadHash: Uint8Array) {
    const id = (offset: number) => envelope.fixed.subarray(offset, offset + 16);
    return {
      envelopeVersion: envelope.envelopeVersion,
      tenantId: id(LEGACY_FIXED.tenantId),
      storeId: id(LEGACY_FIXED.storeId),
      eventId: id(LEGACY_FIXED.eventId),
      sourceAgent: id(LEGACY_FIXED.sourceAgentId),
      commandId: envelope.hasCommandId ? id(LEGACY_FIXED.commandId) : undefined,
      baseVersion: entry.baseVersion,
      entityType: envelope.entityType,
      entityId: envelope.entityId,
      eventType: envelope.eventType,
      createdAt: formatMicros(envelope.createdAtMicros, 'Z'),
      payload,
      payloadHash,
      signature: envelope.signature,
      entityKey: entry.entityKey,
    };
  }
}

/** What the agent's policy has against an event. */
function policyFault(
  policy: AgentPolicy,
  { envelope, payloadStart, payloadEnd }: PreparedVesEvent,
): Rejection | undefined {
  const violation = policyViolation(policy, {
    eventType: envelope.eventType,
    entityType: envelope.entityType,
    hasBaseVersion: envelope.baseVersion !== undefined,
    payloadBytes: payloadEnd - payloadStart,
  });
  return violation === undefined ? undefined : VES_REJECTION.policy(violation);
}

/** The same for the older stream, so that a policy cannot be walked around there. */
function legacyPolicyFault(
  policy: AgentPolicy | undefined,
  { eventType, entityType, baseVersion }: LegacyEnvelope,
  payload: Uint8Array,
): Rejection | undefined {
  if (policy === undefined) return undefined;
  const hasBaseVersion = baseVersion !== undefined;
  const violation = policyViolation(policy, {
    eventType,
    entityType,
    hasBaseVersion,
    payloadBytes: payload.length,
  });
  return violation === undefined
    ? undefined
    : LEGACY_REJECTION.unauthorized(`policy_violation: ${violation}`);
}

/** Tenant and agent are the same throughout a request: only the key id can change. */
function lookUpKeys(keyOf: KeyOf): (envelope: VesEnvelope) => CachedKey | undefined {
  let keyId = -1;
  let cachedKey: CachedKey | undefined;
  return (envelope) => {
    if (envelope.agentKeyId !== keyId) {
      keyId = envelope.agentKeyId;
      cachedKey = keyOf(keyNameOf(envelope));
    }
    return cachedKey;
  };
}

/** Adds 16 bytes to the set; true when they were in it. */
function remember(seen: Set<string>, bytes: Uint8Array, offset: number): boolean {
  const size = seen.size;
  seen.add(Buffer.from(bytes.buffer, bytes.byteOffset + offset, 16).toString('latin1'));
  return seen.size === size;
}
