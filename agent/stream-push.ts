/** Pushes under way on a line: within the service's limits, sent again after a reconnect, answered one by one. */
import type { ReceiptJson, VesEnvelopeJson } from '../engine/protocol/index.js';
import {
  type ErrorFrame,
  encodePush,
  idOf,
  type PushResultFrame,
  pushEventOf,
  receiptJsonOf,
  WANT_EVENT_RECEIPTS,
  WANT_GROUP_RECEIPTS,
  type Welcome,
  type WireGroupReceipt,
} from '../engine/wire/index.js';
import type { PushRejection } from './client.js';
import { type Line, StreamFailed } from './stream-socket.js';

/** Receipts a push asks for. */
export type WantedReceipts = 'none' | 'event' | 'group' | 'both';

const FLAGS: Record<WantedReceipts, number> = {
  none: 0,
  event: WANT_EVENT_RECEIPTS,
  group: WANT_GROUP_RECEIPTS,
  both: WANT_EVENT_RECEIPTS + WANT_GROUP_RECEIPTS,
};

/** What became of a push. */
export interface StreamPushResult {
  /** Numbers by event id: of events stored now and, where they have a receipt, of those stored before. */
  readonly numbers: ReadonlyMap<string, number>;
  /** Receipts by event id: those asked for, and of every event that had been stored before. */
  readonly receipts: ReadonlyMap<string, ReceiptJson>;
  readonly groupReceipts: readonly WireGroupReceipt[];
  readonly rejections: readonly PushRejection[];
  readonly accepted: number;
  readonly replayed: number;
  readonly headSequence: number;
}

interface Pending {
  readonly id: number;
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly eventIds: readonly string[];
  readonly resolve: (result: StreamPushResult) => void;
  readonly reject: (failure: StreamFailed) => void;
  sent: boolean;
}

export interface PushQueue {
  /** Events of one agent and one stream. @throws StreamFailed, RangeError for malformed envelopes */
  push(
    agentId: string,
    events: readonly VesEnvelopeJson[],
    receipts: WantedReceipts,
  ): Promise<StreamPushResult>;
  onResult(frame: PushResultFrame): void;
  /** Whether the error was of a push. */
  onError(frame: ErrorFrame): boolean;
  up(welcome: Welcome): void;
  down(): void;
  over(failure: StreamFailed): void;
}

const RETRY_MS_MIN = 100;

/** @param line the line as soon as there is one */
export function createPushQueue(line: () => Line | undefined, nextId: () => number): PushQueue {
  /** In the order of the calls. */
  const pending = new Map<number, Pending>();
  let limits: Welcome | undefined;
  let failure: StreamFailed | undefined;
  /** Nothing is sent before: the service asked for a pause. */
  let paused = false;

  function pump(): void {
    if (limits === undefined || paused) return;
    let underWay = 0;
    let bytes = 0;
    for (const each of pending.values()) {
      underWay++;
      bytes += each.frame.length;
      if (underWay > limits.inflightPushesMax || (underWay > 1 && bytes > limits.inflightBytesMax)) return;
      if (each.sent) continue;
      each.sent = true;
      line()?.send(each.frame);
    }
  }

  function settle(id: number): Pending | undefined {
    const found = pending.get(id);
    pending.delete(id);
    return found;
  }

  return {
    push(agentId, events, receipts) {
      if (failure !== undefined) return Promise.reject(failure);
      const first = events[0];
      if (first === undefined) return Promise.reject(new RangeError('a push needs events'));
      const id = nextId();
      return new Promise((resolve, reject) => {
        const frame = encodePush({
          id,
          tenant: idOf(first.tenant_id, 'tenant_id'),
          store: idOf(first.store_id, 'store_id'),
          agent: idOf(agentId, 'agent id'),
          receipts: FLAGS[receipts],
          events: events.map(pushEventOf),
        });
        const eventIds = events.map((event) => event.event_id);
        pending.set(id, { id, frame, eventIds, resolve, reject, sent: false });
        pump();
      });
    },
    onResult(frame) {
      const found = settle(frame.id);
      found?.resolve(resultOf(frame, found.eventIds));
      pump();
    },
    onError(frame) {
      const found = pending.get(frame.id);
      if (found === undefined) return false;
      if (frame.retryable) {
        // Later pushes that were taken are answered as stored already when they are sent again; order within a push is kept.
        found.sent = false;
        pause(Math.max(RETRY_MS_MIN, 1000 * (frame.retryAfterSecs ?? 0)));
      } else {
        settle(frame.id);
        found.reject(new StreamFailed(frame.message, frame.code, frame.retryAfterSecs));
        pump();
      }
      return true;
    },
    up(welcome) {
      limits = welcome;
      pump();
    },
    down() {
      limits = undefined;
      for (const each of pending.values()) each.sent = false;
    },
    over(reason) {
      failure = reason;
      for (const each of pending.values()) each.reject(reason);
      pending.clear();
    },
  };

  function pause(ms: number): void {
    if (paused) return;
    paused = true;
    setTimeout(() => {
      paused = false;
      pump();
    }, ms);
  }
}

function resultOf(frame: PushResultFrame, eventIds: readonly string[]): StreamPushResult {
  const receipts = new Map<string, ReceiptJson>();
  const numbers = new Map<string, number>();
  const apart = new Set<number>();
  for (const receipt of frame.receipts) {
    const eventId = eventIds[receipt.event]!;
    receipts.set(eventId, receiptJsonOf(receipt, eventId));
    numbers.set(eventId, receipt.sequence);
  }
  const rejections = frame.rejections.map(({ event, reason, message }) => {
    apart.add(event);
    return { eventId: eventIds[event]!, reason, message };
  });
  // Events that are neither refused nor stored before were accepted, in their order. Receipts come first of those stored before.
  for (const receipt of frame.receipts.slice(0, frame.replayed)) apart.add(receipt.event);
  const accepted = eventIds.filter((_, index) => !apart.has(index));
  for (let i = 0; i < accepted.length; i++) numbers.set(accepted[i]!, frame.numbers?.[i] ?? frame.first! + i);
  return {
    numbers,
    receipts,
    groupReceipts: frame.groups,
    rejections,
    accepted: frame.accepted,
    replayed: frame.replayed,
    headSequence: frame.head,
  };
}
