/** What the service sends, except the bodies of results and events, which are written where they arise. */
import { formatUuid, parseUuid } from '../protocol/index.js';
import { readCursor, type StoreCursor, writeCursor } from './client-frames.js';
import { type EventRecord, readEventRecord } from './event-record.js';
import { readHead } from './frame-head.js';
import { CONNECTION_ID, FRAME, TEXT_BYTES_MAX } from './frame-types.js';
import { createFrameWriter, type FrameWriter } from './frame-writer.js';
import {
  createReader,
  type Reader,
  readArray,
  readBin,
  readBool,
  readEnd,
  readOptional,
  readStr,
  readUint,
  WireError,
} from './msgpack-reader.js';
import { type PushResultFrame, RESULT_ITEMS, readPushResult } from './push-result.js';

/** Answer to `hello`: what this connection may do. Sizes in bytes. */
export interface Welcome {
  readonly version: number;
  /** Names the connection in the operator's log; a UUID. */
  readonly sessionId: string;
  readonly serverVersion: string;
  /** The service pings this often at least; a peer silent for twice as long is gone. */
  readonly heartbeatSecs: number;
  readonly frameBytesMax: number;
  readonly eventsMax: number;
  readonly inflightPushesMax: number;
  readonly inflightBytesMax: number;
  readonly subscriptionsMax: number;
}

/** A request failed, or (id 0) the connection did. */
export interface ErrorFrame {
  readonly id: number;
  /** Code of the error registry, and its number. */
  readonly code: string;
  readonly numeric: number;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterSecs: number | undefined;
  /** JSON text. */
  readonly details: string | undefined;
}

/** A subscription is over. */
export interface Ended {
  readonly id: number;
  /** undefined: the client asked for it. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly retryAfterSecs: number | undefined;
  /** Where to go on, by store. */
  readonly cursor: readonly StoreCursor[];
}

export interface Acked {
  readonly id: number;
  readonly acknowledged: number;
  readonly head: number;
}

const begin = (type: number, id: number, items: number, bytes = 96): FrameWriter =>
  createFrameWriter(bytes).array(items).uint(type).uint(id);

export function encodeWelcome(frame: Welcome): Uint8Array<ArrayBuffer> {
  const writer = begin(FRAME.welcome, CONNECTION_ID, 11);
  writer
    .uint(frame.version)
    .bin(parseUuid(frame.sessionId)!)
    .str(frame.serverVersion)
    .uint(frame.heartbeatSecs);
  writer.uint(frame.frameBytesMax).uint(frame.eventsMax).uint(frame.inflightPushesMax);
  return writer.uint(frame.inflightBytesMax).uint(frame.subscriptionsMax).done();
}

export function encodeError(frame: ErrorFrame): Uint8Array<ArrayBuffer> {
  const writer = begin(FRAME.error, frame.id, 8, 256);
  writer.str(frame.code).uint(frame.numeric).str(frame.message).bool(frame.retryable);
  return writer.optional(frame.retryAfterSecs, writer.uint).optional(frame.details, writer.str).done();
}

/** A subscription has begun: where. For a tenant, where every stream begins that there is. */
export function encodeSubscribed(id: number, cursor: readonly StoreCursor[]): Uint8Array<ArrayBuffer> {
  const writer = begin(FRAME.subscribed, id, 3);
  writeCursor(writer, cursor);
  return writer.done();
}

export function encodeCaughtUp(id: number, head: number | undefined): Uint8Array<ArrayBuffer> {
  const writer = begin(FRAME.caughtUp, id, 3);
  return writer.optional(head, writer.uint).done();
}

export function encodeEnded(frame: Ended): Uint8Array<ArrayBuffer> {
  const writer = begin(FRAME.ended, frame.id, 6, 256);
  writer.optional(frame.code, writer.str).optional(frame.message, writer.str);
  writeCursor(writer.optional(frame.retryAfterSecs, writer.uint), frame.cursor);
  return writer.done();
}

export const encodeAcked = ({ id, acknowledged, head }: Acked): Uint8Array<ArrayBuffer> =>
  begin(FRAME.acked, id, 4).uint(acknowledged).uint(head).done();

export const encodePong = (id: number): Uint8Array<ArrayBuffer> => begin(FRAME.pong, id, 2).done();

/** The numbers of an events frame: it covers `first..last`, whether or not an event of that number passed the filter. */
export interface EventsHead {
  readonly first: number;
  readonly last: number;
  readonly head: number;
  readonly count: number;
}

/**
 * `[events, id, first, last, head, events]`, or `[storeEvents, id, store bin16, first, last, head, events]` of a tenant's
 * subscription.
 *
 * @param body the encoded events, one behind the other
 */
export function encodeEvents(
  id: number,
  { first, last, head, count }: EventsHead,
  body: Uint8Array,
  storeId?: string,
): Uint8Array<ArrayBuffer> {
  const writer =
    storeId === undefined
      ? begin(FRAME.events, id, 6, 48 + body.length)
      : begin(FRAME.storeEvents, id, 7, 64 + body.length).bin(parseUuid(storeId)!);
  return writer.uint(first).uint(last).uint(head).array(count).raw(body).done();
}

export interface EventsFrame extends EventsHead {
  readonly type: typeof FRAME.events | typeof FRAME.storeEvents;
  readonly id: number;
  /** Of a tenant's subscription. */
  readonly storeId: string | undefined;
  readonly events: readonly EventRecord[];
}

/** A decoded frame of the service. */
export type ServerFrame =
  | ({ readonly type: typeof FRAME.welcome } & Welcome)
  | PushResultFrame
  | ({ readonly type: typeof FRAME.error } & ErrorFrame)
  | { readonly type: typeof FRAME.subscribed; readonly id: number; readonly cursor: readonly StoreCursor[] }
  | EventsFrame
  | { readonly type: typeof FRAME.caughtUp; readonly id: number; readonly head: number | undefined }
  | ({ readonly type: typeof FRAME.ended } & Ended)
  | ({ readonly type: typeof FRAME.acked } & Acked)
  | { readonly type: typeof FRAME.pong; readonly id: number };

/** Elements of each frame. */
const ITEMS: Partial<Record<number, number>> = {
  [FRAME.welcome]: 11,
  [FRAME.result]: RESULT_ITEMS,
  [FRAME.error]: 8,
  [FRAME.subscribed]: 3,
  [FRAME.events]: 6,
  [FRAME.storeEvents]: 7,
  [FRAME.caughtUp]: 3,
  [FRAME.ended]: 6,
  [FRAME.acked]: 4,
  [FRAME.pong]: 2,
};

/** Decodes a frame of the service. @throws WireError */
export function decodeServerFrame(bytes: Uint8Array): ServerFrame {
  const reader = createReader(bytes);
  const { type, id, items } = readHead(reader);
  const expected = ITEMS[type];
  if (expected === undefined) throw new WireError(`${type} is not a frame that services send`);
  if (items !== expected)
    throw new WireError(`a frame of type ${type} has ${expected} elements, not ${items}`);
  const frame = decodeBody(reader, type, id);
  readEnd(reader);
  return frame;
}

function decodeBody(reader: Reader, type: number, id: number): ServerFrame {
  const uint = (what: string) => readUint(reader, what);
  const text = (what: string) => readStr(reader, what, TEXT_BYTES_MAX);
  switch (type) {
    case FRAME.welcome:
      return {
        type,
        version: uint('version'),
        sessionId: formatUuid(readBin(reader, 'session', 16)),
        serverVersion: text('server version'),
        heartbeatSecs: uint('heartbeat'),
        frameBytesMax: uint('frame bytes'),
        eventsMax: uint('events'),
        inflightPushesMax: uint('pushes'),
        inflightBytesMax: uint('bytes of pushes'),
        subscriptionsMax: uint('subscriptions'),
      };
    case FRAME.result:
      return readPushResult(reader, id);
    case FRAME.error:
      return {
        type,
        id,
        code: text('code'),
        numeric: uint('number'),
        message: text('message'),
        retryable: readBool(reader, 'retryable'),
        retryAfterSecs: readOptional(reader, () => uint('retry after')),
        details: readOptional(reader, () => text('details')),
      };
    case FRAME.subscribed:
      return { type, id, cursor: readCursor(reader) };
    case FRAME.events:
    case FRAME.storeEvents:
      return readEvents(reader, type, id);
    case FRAME.caughtUp:
      return { type, id, head: readOptional(reader, () => uint('head')) };
    case FRAME.ended:
      return {
        type,
        id,
        code: readOptional(reader, () => text('code')),
        message: readOptional(reader, () => text('message')),
        retryAfterSecs: readOptional(reader, () => uint('retry after')),
        cursor: readCursor(reader),
      };
    case FRAME.acked:
      return { type, id, acknowledged: uint('acknowledged'), head: uint('head') };
    default:
      return { type: FRAME.pong, id };
  }
}

function readEvents(reader: Reader, type: EventsFrame['type'], id: number): EventsFrame {
  const storeId = type === FRAME.events ? undefined : formatUuid(readBin(reader, 'store', 16));
  const first = readUint(reader, 'first');
  const last = readUint(reader, 'last');
  const head = readUint(reader, 'head');
  const count = readArray(reader, 'events', 0xffff_ffff);
  const events: EventRecord[] = [];
  for (let i = 0; i < count; i++) events.push(readEventRecord(reader));
  return { type, id, storeId, first, last, head, count, events };
}
