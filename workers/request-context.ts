/** A request inside a verify worker, from its bytes to its reply. */
import type { AgentPolicy } from '../engine/access/agent-policy.js';
import { type ErrorCode, ServiceError } from '../engine/errors/index.js';
import {
  encodeHex,
  FIXED,
  type LegacyEnvelope,
  type Rejection,
  type VesEnvelope,
} from '../engine/protocol/index.js';
import type { RequestOutcome } from '../engine/sequencer/index.js';
import type { Codec, IngestScope, RequestError } from './messages.js';

/**
 * One event of a request after parsing. Its canonical payload lies at [payloadStart, payloadEnd) of the request's
 * `payloads`, right behind the label of the payload hash; or `payloadProblem` says why it has no canonical form.
 */
export interface PreparedVesEvent {
  readonly envelope: VesEnvelope;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  readonly payloadProblem: string | undefined;
}

export interface PreparedLegacyEvent {
  readonly envelope: LegacyEnvelope & { readonly fixedOffset: 0 };
  readonly canonical: string | undefined;
  readonly canonicalProblem: string | undefined;
}

/** A request as it arrives in a worker. */
export interface Arrival {
  /** Index in the bundle. */
  readonly slot: number;
  readonly body: Uint8Array;
  readonly scope: IngestScope;
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** Receipts wanted: a sum of EVENT_RECEIPTS and GROUP_RECEIPTS. */
  readonly receipts: number;
  readonly codec: Codec;
}

/** An event that could not be read: it is refused on its own. */
export interface MalformedEvent {
  /** As the event has it, '' if it cannot be read. */
  readonly eventId: string;
  readonly message: string;
}

/** What an event's timestamp may also have been when it was signed, for clients that send the instant without its text. */
export interface CreatedAtChoice {
  readonly createdAt: string;
  /** The cipher hash that goes with it, where the client left it out. */
  readonly cipherHash: Uint8Array | undefined;
}

/** What only requests in Protocol Buffers have. */
export interface ProtoParts {
  /** Echoed. */
  readonly requestId: string;
  /** They are not among the request's events. */
  readonly malformed: readonly MalformedEvent[];
  /** By event. */
  readonly otherCreatedAt: readonly (CreatedAtChoice | undefined)[];
}

export interface RequestBase {
  /** Index in the bundle. */
  readonly slot: number;
  readonly deadlineMs: number;
  /** Receipts wanted: a sum of EVENT_RECEIPTS and GROUP_RECEIPTS. */
  readonly receipts: number;
  readonly codec: Codec;
  /** Rejections proposed by the worker, referred to by verdict. */
  readonly rejections: Rejection[];
  /** Event ids and command ids seen so far (16 bytes as latin1), to find repetitions within the request. */
  readonly seenEvents: Set<string>;
  readonly seenCommands: Set<string>;
  outcome: RequestOutcome | undefined;
  /** What its agent may write; unset: anything. */
  policy?: AgentPolicy | undefined;
  readonly proto?: ProtoParts;
}

export interface VesRequest extends RequestBase {
  readonly kind: 'ves';
  readonly events: readonly PreparedVesEvent[];
  /** Per event: the label of the payload hash, then the canonical payload. */
  readonly payloads: Uint8Array;
  /** 32 bytes per event, filled in while judging. */
  readonly signingHashes: Buffer;
  /** One byte per event, the judge's own. */
  readonly findings: Uint8Array;
  /** Events refused whatever their signature, by index, and whether it is for what they say. */
  readonly refusals: Map<number, { readonly rejection: Rejection; readonly isContent: boolean }>;
  /** The client's own number of the request, where its protocol has one: the answer repeats it. */
  readonly frameId?: number;
}

export interface LegacyRequest extends RequestBase {
  readonly kind: 'legacy';
  readonly events: readonly PreparedLegacyEvent[];
}

export type PreparedRequest = VesRequest | LegacyRequest;

/** What judging `events` events needs. */
export const judgement = (events: number): Pick<VesRequest, 'signingHashes' | 'findings' | 'refusals'> => ({
  signingHashes: Buffer.allocUnsafe(events * 32),
  findings: new Uint8Array(events),
  refusals: new Map(),
});

/** The parts of a request's context that do not depend on its kind. */
export function requestBase({ slot, deadlineMs, receipts, codec }: Arrival): RequestBase {
  return {
    slot,
    deadlineMs,
    receipts,
    codec,
    rejections: [],
    seenEvents: new Set(),
    seenCommands: new Set(),
    outcome: undefined,
  };
}

/** Ends the request as a whole with an error of the registry. */
export function refuse(code: ErrorCode, message: string, details?: Record<string, unknown>): never {
  throw new ServiceError(code, message, details ? { details } : {});
}

/** Limits that hold before and while a request is read. */
export interface IngestLimits {
  readonly batchEventsMax: number;
  readonly payloadBytesMax: number;
}

/** Where an event's ids lie: tenant at 0, store at 16, agent at 48 behind `at` (both envelope layouts agree on these). */
export interface EventIds {
  readonly fixed: Uint8Array;
  readonly fixedOffset: number;
}

const AGENT = FIXED.sourceAgentId;

/** The whole-request checks that follow the shape checks, in the protocol's order. `agent` is 16 bytes. */
export function authorise(
  scope: IngestScope,
  agent: Uint8Array,
  events: readonly { readonly envelope: EventIds }[],
  agentField: string,
): void {
  const first = events[0]?.envelope;
  if (!first) return;
  for (let i = 1; i < events.length; i++) {
    const { fixed, fixedOffset } = events[i]!.envelope;
    if (!same(fixed, fixedOffset, first.fixed, first.fixedOffset, 32))
      refuse('INVALID_FIELD_VALUE', 'All events of a request must belong to one tenant and store', {
        event: i,
      });
  }
  if (scope.agent !== null && scope.agent !== encodeHex(agent))
    refuse('INSUFFICIENT_PERMISSIONS', 'Agent mismatch');
  for (let i = 0; i < events.length; i++) {
    const { fixed, fixedOffset } = events[i]!.envelope;
    if (!same(fixed, fixedOffset + AGENT, agent, 0, 16))
      refuse('INVALID_FIELD_VALUE', `events[${i}].${agentField} must equal the agent id of the request`, {
        event: i,
      });
  }
  if (scope.tenant === null) return;
  const { fixed, fixedOffset } = first;
  if (scope.tenant !== encodeHex(fixed, fixedOffset, fixedOffset + 16))
    refuse('INSUFFICIENT_PERMISSIONS', 'Tenant access denied');
  if (scope.stores.length > 0 && !scope.stores.includes(encodeHex(fixed, fixedOffset + 16, fixedOffset + 32)))
    refuse('INSUFFICIENT_PERMISSIONS', 'Store access denied');
}

function same(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
  return true;
}

/** An error of a request, as it travels to the main thread. */
export function requestError(slot: number, error: unknown): RequestError {
  if (!(error instanceof ServiceError)) {
    return { request: slot, code: 'INTERNAL_ERROR', message: 'Internal server error' };
  }
  const { code, message, details } = error;
  return { request: slot, code, message, ...(details ? { details } : {}) };
}
