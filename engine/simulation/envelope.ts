/**
 * Envelopes of simulated agents and their way into packed batches. The rows are tuples of our own with everything the
 * sequencer looks at in its place (number, time, entity, proof); no real database ever parses them.
 *
 *   u16 columns · i32 8 · number · i32 8 · time · i32 n · entity type · i32 n · entity id · i32 96 · proof · i32 n · content
 */
import {
  batch,
  createBatchBuilder,
  createContentDigest,
  type EventEntry,
  FLAG_GROUP_RECEIPTS,
  type PackedBatch,
  readBatch,
  STREAM_VES,
  type StreamKind,
} from '../sequencer/index.js';
import { sha256, sha256Into } from './sha256.js';

/** What an agent wants stored. Ids are 32 hex digits. Two envelopes are the same when all their members are. */
export interface SimulatedEnvelope {
  readonly kind: StreamKind;
  readonly tenant: string;
  readonly store: string;
  readonly id: string;
  readonly command?: string;
  readonly base?: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly content: string;
  /** A row that no database takes. */
  readonly poison?: boolean;
}

/** An envelope with the verify worker's verdict on it (an outcome code; 0 = fine). */
export interface JudgedEnvelope {
  readonly envelope: SimulatedEnvelope;
  readonly verdict: number;
}

/** One request: envelopes of one stream. */
export interface SimulatedRequest {
  readonly kind: StreamKind;
  readonly tenant: string;
  readonly store: string;
  readonly events: readonly JudgedEnvelope[];
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
}

/** First byte of the content column of a poisonous row. */
const POISON = '!';
/** Offset of everything that is known before the sequencer runs. */
const KNOWN_FROM = batch.ROW_SEQUENCED_AT + 8;

const contentDigest = createContentDigest(sha256Into);

function column(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Event signing hash (32) ‖ signature (64): here any bytes that depend on every member. */
function proofOf(envelope: SimulatedEnvelope): Buffer {
  const { kind, tenant, store, id, command, base, entityType, entityId, content, poison } = envelope;
  const members = JSON.stringify([
    kind,
    tenant,
    store,
    id,
    command,
    base,
    entityType,
    entityId,
    content,
    poison,
  ]);
  const signingHash = sha256(Buffer.from(members));
  return Buffer.concat([signingHash, sha256(signingHash), sha256(signingHash, signingHash)]);
}

function entityKeyOf({ tenant, store, entityType, entityId }: SimulatedEnvelope): Buffer {
  return sha256(Buffer.from(`${tenant}${store}${entityType.length} ${entityType}${entityId}`)).subarray(0, 8);
}

/** A row with number and time left zero, and where its parts are. */
export function encodeRow(envelope: SimulatedEnvelope): { bytes: Buffer; entity: number; proof: number } {
  const open = Buffer.alloc(KNOWN_FROM);
  open.writeUInt16BE(6, 0);
  open.writeInt32BE(8, 2);
  open.writeInt32BE(8, 14);
  const type = column(Buffer.from(envelope.entityType));
  const id = column(Buffer.from(envelope.entityId));
  const content = column(Buffer.from((envelope.poison ? POISON : ' ') + envelope.content));
  const proof = KNOWN_FROM + type.length + id.length + 4;
  return {
    bytes: Buffer.concat([open, type, id, column(proofOf(envelope)), content]),
    entity: KNOWN_FROM,
    proof,
  };
}

/** What an envelope's row holds besides number and time: what must be read back unchanged for ever (L3). */
export function knownBytes(row: Buffer): Buffer {
  return row.subarray(KNOWN_FROM);
}

/** Whether the database refuses the row. */
export function isPoison(row: Buffer): boolean {
  let at = KNOWN_FROM;
  for (let skipped = 0; skipped < 3; skipped++) at += 4 + row.readInt32BE(at);
  return row[at + 4] === POISON.charCodeAt(0);
}

/** The content digest, 64 hex digits, as the verify worker computes it. */
export function digestOf(envelope: SimulatedEnvelope): string {
  return digest(envelope, proofOf(envelope)).toString('hex');
}

function digest(envelope: SimulatedEnvelope, proof: Buffer): Buffer {
  const command = envelope.command === undefined ? undefined : Buffer.from(envelope.command, 'hex');
  const target = Buffer.alloc(32);
  const length = envelope.kind === STREAM_VES ? 96 : 32;
  contentDigest(proof, 0, length, command, 0, envelope.base, undefined, target, 0);
  return target;
}

/** Packs requests the way a verify worker does; slot = index. A builder's arenas are large: keep one. */
export function packRequests(
  requests: readonly SimulatedRequest[],
  builder = createBatchBuilder(),
): PackedBatch {
  requests.forEach((request, slot) => {
    const tenant = Buffer.from(request.tenant, 'hex');
    const store = Buffer.from(request.store, 'hex');
    builder.request(slot, request.kind, tenant, store, request.deadlineMs, FLAG_GROUP_RECEIPTS);
    for (const { envelope, verdict } of request.events) {
      const row = encodeRow(envelope);
      // Rejected events travel without a row.
      const { target, offset } = builder.reserve(verdict === 0 ? row.bytes.length : 0);
      if (verdict === 0) target.set(row.bytes, offset);
      builder.event(entryOf(envelope, verdict, row), verdict === 0 ? offset + row.bytes.length : offset);
    }
  });
  return readBatch(builder.finish());
}

function entryOf(
  envelope: SimulatedEnvelope,
  verdict: number,
  row: ReturnType<typeof encodeRow>,
): EventEntry {
  const proof = row.bytes.subarray(row.proof, row.proof + 96);
  return {
    idBytes: Buffer.from(envelope.id, 'hex'),
    idOffset: 0,
    commandBytes: envelope.command === undefined ? undefined : Buffer.from(envelope.command, 'hex'),
    commandOffset: 0,
    digest: digest(envelope, proof),
    entityKey: entityKeyOf(envelope),
    baseVersion: envelope.base,
    verdict,
    proof: verdict === 0 ? row.proof : 0,
    entity: verdict === 0 ? row.entity : 0,
  };
}
