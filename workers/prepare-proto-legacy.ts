/** One event of a v1 push: the wire's fields to a legacy envelope with its canonical payload. */
import { isUtf8 } from 'node:buffer';
import {
  checkText,
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
  JcsError,
  LEGACY_FIXED,
  LEGACY_FIXED_BYTES,
  LEGACY_SIGNATURE_BYTES_MAX,
  type LegacyEnvelope,
  type LosslessJson,
  LosslessJsonError,
  parseLossless,
  printLegacyJson,
} from '../engine/protocol/index.js';
import { createWireReader } from '../engine/wire-proto/index.js';
import { sha256Into } from './native-crypto.js';
import { EventFault, exactUint, instantFrom, octetsFrom, textOf, uuidFrom } from './proto-values.js';
import type { PreparedLegacyEvent } from './request-context.js';

/** Reads the event at [from, to). @throws EventFault, WireError */
export type LegacyEventReader = (
  body: Buffer,
  from: number,
  to: number,
  nowMicros: bigint,
) => PreparedLegacyEvent;

const REQUIRED = ['event_id', 'tenant_id', 'store_id', 'source_agent'] as const;

/** Makes a reader. Not re-entrant. */
export function createLegacyEventReader(payloadBytesMax: number): LegacyEventReader {
  const wire = createWireReader();
  const inner = createWireReader();
  return (body, from, to, nowMicros) => {
    const fixed = new Uint8Array(LEGACY_FIXED_BYTES);
    const given = new Set<string>();
    let [entityType, entityId, eventType] = ['', '', ''];
    let payload: { readonly from: number; readonly to: number } | undefined;
    let createdAtMicros = nowMicros;
    let baseVersion = 0;
    let signature: Uint8Array | undefined;
    const text = (name: string) => (wire.run() ? textOf(body, wire.start, wire.end, name) : '');
    const id = (offset: number, name: string) => {
      if (!wire.run() || wire.start === wire.end) return;
      uuidFrom(body, wire.start, wire.end, fixed, offset, name);
      given.add(name);
    };
    wire.open(body, from, to);
    for (let field = wire.next(); field !== 0; field = wire.next()) {
      switch (field) {
        case 1:
          id(LEGACY_FIXED.eventId, 'event_id');
          break;
        case 2:
          id(LEGACY_FIXED.commandId, 'command_id');
          break;
        case 3:
          id(LEGACY_FIXED.tenantId, 'tenant_id');
          break;
        case 4:
          id(LEGACY_FIXED.storeId, 'store_id');
          break;
        case 5:
          entityType = text('entity_type');
          break;
        case 6:
          entityId = text('entity_id');
          break;
        case 7:
          eventType = text('event_type');
          break;
        case 8:
          if (wire.run()) payload = { from: wire.start, to: wire.end };
          break;
        case 9:
          if (octetsFrom(body, wire, fixed, LEGACY_FIXED.payloadHash, 32, 'payload_hash'))
            given.add('payload_hash');
          break;
        case 10:
          baseVersion = exactUint(wire, 'base_version');
          break;
        case 11:
          if (wire.run()) {
            const { seconds, nanos } = instantFrom(body, inner, wire.start, wire.end, 'created_at');
            createdAtMicros = BigInt(seconds) * 1_000_000n + BigInt(Math.floor(nanos / 1000));
          }
          break;
        case 12:
          id(LEGACY_FIXED.sourceAgentId, 'source_agent');
          break;
        case 13:
          if (wire.run() && wire.end > wire.start) signature = signatureOf(body, wire.start, wire.end);
          break;
        default:
          wire.skip();
      }
    }
    for (const name of REQUIRED) if (!given.has(name)) throw new EventFault(`${name} must be a UUID`);
    const fault =
      checkText('entity_type', entityType, ENTITY_TYPE_BYTES_MAX) ??
      checkText('entity_id', entityId, ENTITY_ID_BYTES_MAX) ??
      checkText('event_type', eventType, EVENT_TYPE_BYTES_MAX);
    if (fault !== undefined) throw new EventFault(fault.message);
    if (payload === undefined || payload.from === payload.to)
      throw new EventFault('payload must be JSON text');
    const value = jsonOf(body.subarray(payload.from, payload.to));
    const envelope: LegacyEnvelope & { fixedOffset: 0 } = {
      envelopeVersion: 1,
      entityType,
      entityId,
      eventType,
      createdAtMicros,
      payload: value,
      hasCommandId: given.has('command_id'),
      baseVersion: baseVersion === 0 ? undefined : BigInt(baseVersion),
      signature,
      fixed,
      fixedOffset: 0,
    };
    return finish(envelope, given.has('payload_hash'), payloadBytesMax);
  };
}

/** Prints the payload as it is hashed, and hashes it where the client left that to the service. */
function finish(
  envelope: PreparedLegacyEvent['envelope'],
  hasHash: boolean,
  payloadBytesMax: number,
): PreparedLegacyEvent {
  let canonical: string;
  try {
    canonical = printLegacyJson(envelope.payload);
  } catch (error) {
    if (!(error instanceof JcsError)) throw error;
    return { envelope, canonical: undefined, canonicalProblem: `payload ${error.message}` };
  }
  const bytes = Buffer.from(canonical, 'utf8');
  if (bytes.length > payloadBytesMax)
    throw new EventFault(`payload has ${bytes.length} bytes, ${payloadBytesMax} are allowed`);
  if (!hasHash) sha256Into(bytes, envelope.fixed, LEGACY_FIXED.payloadHash);
  return { envelope, canonical, canonicalProblem: undefined };
}

function jsonOf(bytes: Buffer): LosslessJson {
  if (!isUtf8(bytes)) throw new EventFault('payload is not valid UTF-8');
  try {
    return parseLossless(bytes.toString('utf8'));
  } catch (error) {
    if (!(error instanceof LosslessJsonError)) throw error;
    throw new EventFault(`payload is not valid JSON: ${error.message}`);
  }
}

function signatureOf(bytes: Buffer, from: number, to: number): Uint8Array {
  if (to - from > LEGACY_SIGNATURE_BYTES_MAX)
    throw new EventFault(`signature may have ${LEGACY_SIGNATURE_BYTES_MAX} bytes`);
  return Uint8Array.from(bytes.subarray(from, to));
}
