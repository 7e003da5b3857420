/** Consumer groups as their callers see them. */
import type { AuditRecord } from '../store/audit-entry.js';
import type { GroupRef, GroupRow, GroupSettings } from '../store/consumer-groups.js';
import type { HandedOut } from '../store/consumer-groups-deliveries.js';
import type { ParkedRow } from '../store/consumer-groups-parked.js';
import type { ConsumedStream } from './cursor-service.js';

export type { GroupRef, GroupRow, GroupSettings } from '../store/consumer-groups.js';
export type { ParkedRow } from '../store/consumer-groups-parked.js';

/** Where a group begins: at the stream's first event, behind its head as of now, or at a number. */
export type GroupStart = 'beginning' | 'head' | bigint;

/** An event in the hands of a consumer. */
export interface Delivery {
  /** Names this hand-out of the event; acknowledged with it. */
  readonly deliveryId: string;
  readonly sequence: bigint;
  /** 1 at the first hand-out. */
  readonly attempt: number;
  /** Until when it has to be acknowledged, the server's text. */
  readonly deadlineAt: string;
  readonly event: HandedOut;
}

/** What a consumer asks for. */
export interface PullRequest {
  readonly consumer: string;
  /** Most deliveries. */
  readonly max: number;
  /** How long to wait for the first one; 0: not at all. */
  readonly waitMs: number;
  /** The caller has gone: waiting ends, and what was handed out meanwhile is taken back. */
  readonly signal?: AbortSignal;
}

/**
 * Why a delivery could not be settled by this consumer:
 *
 * - `lost`: it was taken back (not acknowledged in time, lease lost, withdrawn, or the group was set back) and is or will be handed out again
 * - `settled`: the event was acknowledged, or discarded
 * - `parked`: the event is parked
 */
export type Refusal = 'lost' | 'settled' | 'parked';

export interface Refused {
  readonly deliveryId: string;
  readonly why: Refusal;
}

export interface Acknowledged {
  readonly acknowledged: number;
  readonly refused: readonly Refused[];
}

/** How deliveries are refused by their consumer. */
export interface Nack {
  readonly deliveryIds: readonly string[];
  /** Not handed out again earlier; 0: at once. */
  readonly delayMs: number;
  /** Gives the event up now. */
  readonly park: boolean;
  readonly reason: string;
}

export interface Nacked {
  readonly returned: number;
  readonly parked: number;
  /** Later deliveries of the same entities that are void now; they are handed out again, and this hand-out is not counted. */
  readonly withdrawn: readonly string[];
  readonly refused: readonly Refused[];
}

/** A partition and its owner; `null`: nobody. */
export interface PartitionOwner {
  readonly partition: number;
  readonly consumer: string | null;
  /** The server's text. */
  readonly leaseUntil: string | null;
  readonly inFlight: number;
}

/** How a group stands. */
export interface GroupState {
  readonly group: GroupRow;
  readonly head: bigint;
  /** Every event up to this number is acknowledged, parked, discarded, or did not pass the filter. */
  readonly settledSequence: bigint;
  /** Events waiting, in flight, or not read yet; those not read are counted before the filter. */
  readonly lag: bigint;
  readonly waiting: bigint;
  readonly inFlight: bigint;
  readonly parked: bigint;
  /** Consumers that have called lately. */
  readonly consumers: readonly string[];
  readonly partitions: readonly PartitionOwner[];
}

/** Which parked events are meant: by number, or all. */
export type ParkedSelection = readonly bigint[] | 'all';

/** A number for `/metrics`. */
export interface ConsumerStat {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

/**
 * Consumer groups of all streams. `audit` goes into the audit log together with the change, if there is one.
 * Methods about a group that does not exist reject with RESOURCE_NOT_FOUND.
 */
export interface ConsumerGroups {
  /**
   * @returns `created: false` when the group is there with the same settings
   * @throws ServiceError ALREADY_EXISTS with other settings, QUOTA_EXCEEDED, INVALID_FIELD_VALUE (start beyond the head)
   */
  create(
    ref: GroupRef,
    settings: GroupSettings & { readonly partitions: number },
    start: GroupStart,
    audit?: AuditRecord,
  ): Promise<{ created: boolean; group: GroupRow }>;
  /** Changes what is given; the filter counts for events read from now on. */
  update(ref: GroupRef, settings: Partial<GroupSettings>, audit?: AuditRecord): Promise<GroupRow>;
  list(stream: ConsumedStream): Promise<readonly GroupRow[]>;
  state(ref: GroupRef): Promise<GroupState>;
  remove(ref: GroupRef, audit?: AuditRecord): Promise<void>;
  /** Sets the group back or forward. What is in flight is lost to its consumers. */
  seek(ref: GroupRef, start: GroupStart, audit?: AuditRecord): Promise<GroupRow>;
  /** @throws ServiceError QUOTA_EXCEEDED, OVERLOADED */
  pull(ref: GroupRef, request: PullRequest): Promise<readonly Delivery[]>;
  /** Settles deliveries for good. */
  ack(ref: GroupRef, consumer: string, deliveryIds: readonly string[]): Promise<Acknowledged>;
  /** Gives deliveries back for another attempt, or parks them. */
  nack(ref: GroupRef, consumer: string, nack: Nack): Promise<Nacked>;
  /** The consumer goes: its partitions and deliveries are free at once, and its hand-outs are not counted. */
  leave(ref: GroupRef, consumer: string): Promise<void>;
  listParked(ref: GroupRef, after: bigint, limit: number): Promise<readonly ParkedRow[]>;
  /** Puts parked events back into the queue with all attempts before them; at most {@link PARKED_CALL_MAX} per call. */
  replayParked(ref: GroupRef, which: ParkedSelection, audit?: AuditRecord): Promise<number>;
  /** Forgets parked events; at most as many per call. */
  discardParked(ref: GroupRef, which: ParkedSelection, audit?: AuditRecord): Promise<number>;
  /** Ends all waiting at once; pulls answer what they have. */
  close(): void;
}

/** Most parked events one call replays or discards. */
export const PARKED_CALL_MAX = 10_000;
