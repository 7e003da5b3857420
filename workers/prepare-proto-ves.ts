/** One event of a v2 push: the wire's fields to an envelope with its canonical payload. */
import { isUtf8 } from 'node:buffer';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type ByteSink,
  CREATED_AT_BYTES_MAX,
  checkText,
  DOMAIN,
  decodeEncryptedPayload,
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  type EncryptedPayload,
  EVENT_TYPE_BYTES_MAX,
  encodeBase64Url,
  FIXED,
  FIXED_BYTES,
  normalizeSignatureScheme,
  type ParsedEncryptedPayload,
  payloadAad,
  payloadCipherHash,
  type SignatureBundle,
  type VesEnvelope,
} from '../engine/protocol/index.js';
import { createWireReader, v2, type WireReader } from '../engine/wire-proto/index.js';
import { createCanonicalCheck } from './canonical-json.js';
import { nativeSha256, sha256Into } from './native-crypto.js';
import { appendCanonical, preparePayload } from './prepare-payload.js';
import {
  EventFault,
  exactUint,
  instantFrom,
  instantText,
  octetsFrom,
  textOf,
  uuidFrom,
} from './proto-values.js';
import type { CreatedAtChoice, PreparedVesEvent } from './request-context.js';

const LABEL_BYTES = DOMAIN.payloadPlain.length;
const PLAINTEXT = 1;
const ENCRYPTED = 2;
/** Stands for a payload whose canonical text lies in the request's `payloads` already. */
const PRESENT = true;
const NULL_BYTES = 4;
/** Schemes whose Ed25519 signature may be left out. */
const ML_DSA = 2;

/** The events of one request that could be read. */
export interface ReadEvents {
  readonly events: PreparedVesEvent[];
  readonly payloads: ByteSink;
}

export interface VesEventReader {
  /** Begins a request of at most `count` events. */
  open(body: Buffer, count: number): ReadEvents;
  /** Reads the event at [from, to) and adds it. @throws EventFault, WireError; the event is not added then */
  read(from: number, to: number): void;
  /** What else the timestamp of the last event may have been when it was signed. */
  otherCreatedAt: CreatedAtChoice | undefined;
}

/** What is gathered of an event before it is put together. */
interface Parts {
  entityType: string;
  entityId: string;
  eventType: string;
  createdAtText: string;
  /** Where the timestamp lies, -1: nowhere. */
  createdAtFrom: number;
  createdAtTo: number;
  vesVersion: number;
  payloadKind: number;
  keyId: number;
  baseVersion: number;
  baseVersionSet: boolean;
  scheme: number;
  payloadFrom: number;
  payloadTo: number;
  encryptedFrom: number;
  encryptedTo: number;
  bundle: SignatureBundle | undefined;
  /** Which fixed-width fields were there: a sum of {@link GIVEN}. */
  given: number;
}

const GIVEN = {
  plainHash: 1,
  cipherHash: 2,
  signature: 4,
  eventId: 8,
  commandId: 16,
  tenantId: 32,
  storeId: 64,
  agent: 128,
} as const;

/** Makes a reader. Not re-entrant. */
export function createVesEventReader(payloadBytesMax: number): VesEventReader {
  const wire = createWireReader();
  const inner = createWireReader();
  const isCanonical = createCanonicalCheck();
  let body = Buffer.alloc(0) as Buffer;
  let fixed = Buffer.alloc(0) as Buffer;
  let payloads: ByteSink = { bytes: body, length: 0 };
  let events: PreparedVesEvent[] = [];

  const reader: VesEventReader = {
    otherCreatedAt: undefined,
    open(bytes, count) {
      body = bytes;
      fixed = Buffer.allocUnsafe(count * FIXED_BYTES);
      // Canonical payloads are about as long as the body that carried them.
      payloads = { bytes: Buffer.allocUnsafe(bytes.length + 64), length: 0 };
      events = [];
      return { events, payloads };
    },
    read(from, to) {
      const at = events.length * FIXED_BYTES;
      fixed.fill(0, at, at + FIXED_BYTES);
      const parts = readParts(wire, inner, body, from, to, fixed, at);
      checkParts(parts, payloadBytesMax);
      const plaintext = parts.payloadKind === PLAINTEXT;
      // The text of a timestamp takes precedence over the instant.
      const instant =
        parts.createdAtText === ''
          ? instantText(instantFrom(body, inner, parts.createdAtFrom, parts.createdAtTo, 'created_at'))
          : undefined;
      // The one canonical text that is no payload is null.
      const canonical =
        plaintext &&
        parts.payloadTo - parts.payloadFrom !== NULL_BYTES &&
        isCanonical(body, parts.payloadFrom, parts.payloadTo);
      const envelope: VesEnvelope = {
        vesVersion: parts.vesVersion === 0 ? 1 : parts.vesVersion,
        agentKeyId: parts.keyId,
        entityType: parts.entityType,
        entityId: parts.entityId,
        eventType: parts.eventType,
        createdAt: instant === undefined ? parts.createdAtText : `${instant}+00:00`,
        payloadKind: plaintext ? 0 : 1,
        payload: canonical ? PRESENT : jsonOf(body, parts.payloadFrom, parts.payloadTo),
        payloadEncrypted:
          parts.encryptedFrom < 0
            ? undefined
            : encryptedOf(body.subarray(parts.encryptedFrom, parts.encryptedTo)),
        hasCommandId: (parts.given & GIVEN.commandId) !== 0,
        baseVersion: parts.baseVersionSet || parts.baseVersion > 0 ? parts.baseVersion : undefined,
        signatureScheme: normalizeSignatureScheme(parts.scheme),
        signatureBundle: parts.bundle,
        fixed,
        fixedOffset: at,
      };
      requirePayload(envelope);
      const event = canonical
        ? appendCanonical(envelope, body.subarray(parts.payloadFrom, parts.payloadTo), payloads)
        : preparePayload(envelope, payloads);
      const bytes = event.payloadEnd - event.payloadStart;
      if (bytes > payloadBytesMax)
        throw new EventFault(`payload has ${bytes} bytes, ${payloadBytesMax} are allowed`);
      if (plaintext && !(parts.given & GIVEN.plainHash) && event.payloadProblem === undefined)
        sha256Into(
          payloads.bytes.subarray(event.payloadStart - LABEL_BYTES, event.payloadEnd),
          fixed,
          at + FIXED.payloadPlainHash,
        );
      const other = instant === undefined ? undefined : `${instant}Z`;
      const computed = !plaintext && !(parts.given & GIVEN.cipherHash);
      if (computed) fixed.set(cipherHashOf(envelope) ?? [], at + FIXED.payloadCipherHash);
      reader.otherCreatedAt =
        other === undefined
          ? undefined
          : {
              createdAt: other,
              cipherHash: computed ? cipherHashOf({ ...envelope, createdAt: other }) : undefined,
            };
      events.push(event);
    },
  };
  return reader;
}

function readParts(
  wire: WireReader,
  inner: WireReader,
  body: Buffer,
  from: number,
  to: number,
  fixed: Buffer,
  at: number,
): Parts {
  const parts: Parts = {
    entityType: '',
    entityId: '',
    eventType: '',
    createdAtText: '',
    createdAtFrom: -1,
    createdAtTo: -1,
    vesVersion: 0,
    payloadKind: 0,
    keyId: 0,
    baseVersion: 0,
    baseVersionSet: false,
    scheme: 0,
    payloadFrom: 0,
    payloadTo: 0,
    encryptedFrom: -1,
    encryptedTo: -1,
    bundle: undefined,
    given: 0,
  };
  const text = (name: string) => (wire.run() ? textOf(body, wire.start, wire.end, name) : '');
  const id = (offset: number, bit: number, name: string) => {
    if (!wire.run() || wire.start === wire.end) return;
    uuidFrom(body, wire.start, wire.end, fixed, at + offset, name);
    parts.given |= bit;
  };
  const octets = (offset: number, length: number, bit: number, name: string) => {
    if (octetsFrom(body, wire, fixed, at + offset, length, name)) parts.given |= bit;
  };
  wire.open(body, from, to);
  for (let field = wire.next(); field !== 0; field = wire.next()) {
    switch (field) {
      case 1:
        id(FIXED.eventId, GIVEN.eventId, 'event_id');
        break;
      case 2:
        id(FIXED.commandId, GIVEN.commandId, 'command_id');
        break;
      case 3:
        id(FIXED.tenantId, GIVEN.tenantId, 'tenant_id');
        break;
      case 4:
        id(FIXED.storeId, GIVEN.storeId, 'store_id');
        break;
      case 5:
        parts.entityType = text('entity_type');
        break;
      case 6:
        parts.entityId = text('entity_id');
        break;
      case 7:
        parts.eventType = text('event_type');
        break;
      case 8:
        id(FIXED.sourceAgentId, GIVEN.agent, 'source_agent');
        break;
      case 9:
        parts.vesVersion = wire.uint32();
        break;
      case 10:
        parts.payloadKind = wire.uint32();
        break;
      case 11:
        if (wire.run()) [parts.payloadFrom, parts.payloadTo] = [wire.start, wire.end];
        break;
      case 12:
        if (wire.run()) [parts.encryptedFrom, parts.encryptedTo] = [wire.start, wire.end];
        break;
      case 13:
        octets(FIXED.payloadPlainHash, 32, GIVEN.plainHash, 'payload_plain_hash');
        break;
      case 14:
        octets(FIXED.payloadCipherHash, 32, GIVEN.cipherHash, 'payload_cipher_hash');
        break;
      case 15:
        parts.keyId = wire.uint32();
        break;
      case 16:
        octets(FIXED.agentSignature, 64, GIVEN.signature, 'agent_signature');
        break;
      case 17:
        parts.baseVersion = exactUint(wire, 'base_version');
        break;
      case 18:
        if (wire.run()) [parts.createdAtFrom, parts.createdAtTo] = [wire.start, wire.end];
        break;
      case 19:
        parts.scheme = wire.uint32();
        break;
      case 20:
        if (wire.run()) parts.bundle = bundleOf(body, inner, wire.start, wire.end);
        break;
      case 21:
        parts.createdAtText = text('created_at_text');
        break;
      case 22:
        parts.baseVersionSet = wire.bool();
        break;
      default:
        wire.skip();
    }
  }
  return parts;
}

const REQUIRED = [
  [GIVEN.eventId, 'event_id'],
  [GIVEN.tenantId, 'tenant_id'],
  [GIVEN.storeId, 'store_id'],
  [GIVEN.agent, 'source_agent'],
] as const;

/** What must be there, and how long texts may be. */
function checkParts(parts: Parts, payloadBytesMax: number): void {
  for (const [bit, name] of REQUIRED)
    if (!(parts.given & bit)) throw new EventFault(`${name} must be a UUID`);
  if (parts.payloadKind !== PLAINTEXT && parts.payloadKind !== ENCRYPTED)
    throw new EventFault('payload_kind required: PLAINTEXT or ENCRYPTED');
  if (!(parts.given & GIVEN.signature) && parts.scheme !== ML_DSA)
    throw new EventFault('agent_signature must have 64 bytes');
  if (parts.payloadKind === ENCRYPTED && !(parts.given & GIVEN.plainHash))
    throw new EventFault('payload_plain_hash must have 32 bytes for encrypted events');
  if (parts.createdAtText === '' && parts.createdAtFrom < 0) throw new EventFault('created_at is required');
  // White space may make the text longer than what is stored, but not without limit.
  if (parts.payloadTo - parts.payloadFrom > 4 * payloadBytesMax)
    throw new EventFault(`payload is too large: ${payloadBytesMax} bytes are allowed`);
  const fault =
    checkText('entity_type', parts.entityType, ENTITY_TYPE_BYTES_MAX) ??
    checkText('entity_id', parts.entityId, ENTITY_ID_BYTES_MAX) ??
    checkText('event_type', parts.eventType, EVENT_TYPE_BYTES_MAX) ??
    (parts.createdAtText === ''
      ? undefined
      : checkText('created_at_text', parts.createdAtText, CREATED_AT_BYTES_MAX));
  if (fault !== undefined) throw new EventFault(fault.message);
}

function requirePayload({ payloadKind, payload, payloadEncrypted }: VesEnvelope): void {
  if (payloadKind === 0 && payload === undefined)
    throw new EventFault('payload is required for plaintext events');
  if (payloadKind === 1 && payloadEncrypted === undefined)
    throw new EventFault('payload_encrypted is required for encrypted events');
}

/** A JSON value; `undefined` when it is absent or null, which counts as absent. */
function jsonOf(bytes: Buffer, from: number, to: number): unknown {
  if (from === to) return undefined;
  if (!isUtf8(bytes.subarray(from, to))) throw new EventFault('payload is not valid UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8', from, to)) ?? undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new EventFault(`payload is not valid JSON: ${error.message}`);
  }
}

function bundleOf(bytes: Buffer, wire: WireReader, from: number, to: number): SignatureBundle {
  const bundle: SignatureBundle = {};
  wire.open(bytes, from, to);
  for (let field = wire.next(); field !== 0; field = wire.next()) {
    if (field !== 1 && field !== 2) wire.skip();
    else if (wire.run() && wire.end > wire.start)
      bundle[field === 1 ? 'ed25519Signature' : 'mlDsa65Signature'] = Uint8Array.from(
        bytes.subarray(wire.start, wire.end),
      );
  }
  return bundle;
}

/** An encrypted payload in the form in which it is hashed and stored. */
function encryptedOf(bytes: Uint8Array): ParsedEncryptedPayload {
  const message = (() => {
    try {
      return fromBinary(v2.EncryptedPayloadSchema, bytes);
    } catch {
      throw new EventFault('payload_encrypted is not a message');
    }
  })();
  const { mode = '', kem = '', kdf = '', aead = '' } = message.hpke ?? {};
  const json: EncryptedPayload = {
    enc_version: message.encVersion === 0 ? 1 : message.encVersion,
    aead: message.aead,
    nonce_b64u: encodeBase64Url(message.nonce),
    ciphertext_b64u: encodeBase64Url(message.ciphertext),
    tag_b64u: encodeBase64Url(message.tag),
    hpke: { mode, kem, kdf, aead },
    recipients: message.recipients.map((recipient) => ({
      recipient_kid: recipient.recipientKid,
      enc_b64u: encodeBase64Url(recipient.ephemeralPublicKey),
      ct_b64u: encodeBase64Url(recipient.wrappedDek),
    })),
  };
  const decoded = decodeEncryptedPayload(json);
  return 'path' in decoded
    ? { json, bytes: undefined, faultPath: decoded.path }
    : { json, bytes: decoded.bytes };
}

/** The hash a client leaves out; it covers the text of the timestamp. */
function cipherHashOf(envelope: VesEnvelope): Uint8Array | undefined {
  const bytes = envelope.payloadEncrypted?.bytes;
  return bytes && payloadCipherHash(bytes, payloadAad(envelope, nativeSha256), nativeSha256);
}
