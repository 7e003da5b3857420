/** Answers in Protocol Buffers: `stateset.sequencer.v2.PushResponse` and `stateset.sequencer.v1.PushResponse`. */
import { randomUUID } from 'node:crypto';
import { FIXED, formatUuid, type Rejection } from '../engine/protocol/index.js';
import { outcome } from '../engine/sequencer/index.js';
import { createWireWriter, v2, type WireWriter } from '../engine/wire-proto/index.js';
import type { Decided } from './decide.js';
import type { MalformedEvent, PreparedRequest } from './request-context.js';

/** Reason of a v1 event that could not be read. */
const UNREADABLE = 'SchemaValidation';

/** Writes an answer. It carries no receipts: readers get the receipt's hash with the event. */
export function renderProto(request: PreparedRequest, decided: Decided): Uint8Array {
  const writer = createWireWriter();
  if (request.kind === 'ves') writeV2(writer, request, decided);
  else writeV1(writer, request, decided);
  return writer.finish();
}

const malformedOf = (request: PreparedRequest): readonly MalformedEvent[] => request.proto?.malformed ?? [];

function eventIdOf(request: PreparedRequest, event: number): string {
  const { fixed, fixedOffset } = request.events[event]!.envelope;
  return formatUuid(fixed, fixedOffset + FIXED.eventId);
}

function writeV2(writer: WireWriter, request: PreparedRequest, decided: Decided): void {
  const { accepted, replayed, refused, first, last, head } = decided;
  const malformed = malformedOf(request);
  writer.text(1, randomUUID());
  writer.text(2, request.proto?.requestId ?? '');
  writer.uint(3, accepted.length);
  writer.uint(4, refused.length + malformed.length);
  writer.uint(5, first);
  writer.uint(6, last);
  writer.uint(7, head);
  const reject = (eventId: string, reason: v2.RejectionReason, message: string) =>
    writer.message(8, (rejection) => {
      rejection.text(1, eventId);
      rejection.uint(2, reason);
      rejection.text(3, message);
    });
  for (const { event, rejection } of refused)
    reject(eventIdOf(request, event), reasonOf(rejection), rejection.message);
  for (const { eventId, message } of malformed) reject(eventId, v2.RejectionReason.INVALID_FORMAT, message);
  for (const event of replayed)
    writer.message(10, (replay) => {
      replay.text(1, eventIdOf(request, event));
      replay.uint(2, request.outcome!.events[event * outcome.EVENT_NUMBERS + 1]!);
    });
}

function writeV1(writer: WireWriter, request: PreparedRequest, decided: Decided): void {
  const { accepted, refused, first, last, head } = decided;
  writer.text(1, randomUUID());
  writer.uint(2, accepted.length);
  const reject = (eventId: string, reason: string, message: string) =>
    writer.message(3, (rejection) => {
      rejection.text(1, eventId);
      rejection.text(2, reason);
      rejection.text(3, message);
    });
  for (const { event, rejection } of refused)
    reject(eventIdOf(request, event), rejection.reason, rejection.message);
  for (const { eventId, message } of malformedOf(request)) reject(eventId, UNREADABLE, message);
  writer.uint(4, first);
  writer.uint(5, last);
  writer.uint(6, head);
}

const { RejectionReason } = v2;
/** By the part of a reason in front of its colon. Reasons that are nobody's fault but ours are unspecified. */
const REASONS: Readonly<Record<string, v2.RejectionReason>> = {
  duplicate_event_id: RejectionReason.DUPLICATE_EVENT,
  duplicate_command_id: RejectionReason.DUPLICATE_COMMAND,
  invalid_payload_hash: RejectionReason.INVALID_HASH,
  invalid_cipher_hash: RejectionReason.INVALID_HASH,
  invalid_signature: RejectionReason.INVALID_SIGNATURE,
  unsupported_version: RejectionReason.INVALID_FORMAT,
  schema_validation: RejectionReason.INVALID_FORMAT,
  version_conflict: RejectionReason.VERSION_CONFLICT,
};

function reasonOf({ reason, message }: Rejection): v2.RejectionReason {
  const name = reason.split(':', 1)[0]!;
  if (name === 'agent_key_invalid')
    return message.includes('revoked') ? RejectionReason.REVOKED_KEY : RejectionReason.UNKNOWN_KEY;
  return REASONS[name] ?? RejectionReason.UNSPECIFIED;
}
