/** What clients send, except pushes (push-frame.ts). Ids are 16 bytes on the wire and lower-case hyphenated UUIDs in here. */
import { formatUuid, parseUuid } from '../protocol/index.js';
import { type FrameHead, readHead } from './frame-head.js';
import {
  CONNECTION_ID,
  CREDITS_MAX,
  CURSOR_STORES_MAX,
  FILTER_VALUES_MAX,
  FRAME,
  STORES_MAX,
  TEXT_BYTES_MAX,
} from './frame-types.js';
import { createFrameWriter, type FrameWriter } from './frame-writer.js';
import {
  createReader,
  type Reader,
  readArray,
  readBin,
  readBool,
  readEnd,
  readNil,
  readOptional,
  readStr,
  readTuple,
  readUint,
  WireError,
} from './msgpack-reader.js';

/** The first frame of a connection. */
export interface Hello {
  /** Versions of the frames the client speaks, both inclusive. */
  readonly versionMin: number;
  readonly versionMax: number;
  /** As the header `Authorization` would say it; undefined: the headers of the upgrade said it. */
  readonly authorization: string | undefined;
  /** Name and version of the client, for the operator's log. */
  readonly agent: string | undefined;
}

/** Lists of exact values; see the documentation of filters. An empty list lets everything pass. */
export interface WireFilter {
  readonly entityTypes: readonly string[];
  readonly entityIds: readonly string[];
  readonly eventTypes: readonly string[];
  readonly agents: readonly string[];
}

/** A store and the last number the subscriber has of it. */
export type StoreCursor = readonly [storeId: string, sequence: number];

export interface Subscribe {
  readonly id: number;
  readonly tenantId: string;
  readonly storeId: string;
  /** The last number the subscriber has; undefined: the durable cursor of `agentId`, or the head when there is no agent. */
  readonly after: number | undefined;
  /** How many events may be sent before more credits come. */
  readonly credits: number;
  readonly filter: WireFilter | undefined;
  /** Whose durable cursor acknowledgements move. */
  readonly agentId: string | undefined;
}

export interface SubscribeTenant {
  readonly id: number;
  readonly tenantId: string;
  /** undefined: all stores the credential reaches, also those that appear later. */
  readonly storeIds: readonly string[] | undefined;
  readonly cursor: readonly StoreCursor[];
  /** Stores that the cursor does not name begin at their first event; otherwise behind their head as of now. */
  readonly othersFromBeginning: boolean;
  readonly credits: number;
  readonly filter: WireFilter | undefined;
}

export interface Ack {
  /** The subscription. */
  readonly id: number;
  /** Further credits. */
  readonly credits: number;
  /** Moves the durable cursor of the subscription's agent up to this number. */
  readonly sequence: number | undefined;
}

const uuid = (text: string): Uint8Array => {
  const bytes = parseUuid(text);
  if (bytes === undefined) throw new RangeError(`${JSON.stringify(text)} is not a UUID`);
  return bytes;
};

const begin = (type: number, id: number, items: number): FrameWriter =>
  createFrameWriter(128).array(items).uint(type).uint(id);

const end = (writer: FrameWriter): Uint8Array<ArrayBuffer> => writer.done();

export const encodeHello = ({
  versionMin,
  versionMax,
  authorization,
  agent,
}: Hello): Uint8Array<ArrayBuffer> => {
  const writer = begin(FRAME.hello, CONNECTION_ID, 6).uint(versionMin).uint(versionMax);
  writer.optional(authorization, writer.str).optional(agent, writer.str);
  return end(writer);
};

export const encodeSubscribe = (frame: Subscribe): Uint8Array<ArrayBuffer> => {
  const writer = begin(FRAME.subscribe, frame.id, 8).bin(uuid(frame.tenantId)).bin(uuid(frame.storeId));
  writer.optional(frame.after, writer.uint).uint(frame.credits);
  writeFilter(writer, frame.filter);
  return end(writer.optional(frame.agentId, (agent) => writer.bin(uuid(agent))));
};

export const encodeSubscribeTenant = (frame: SubscribeTenant): Uint8Array<ArrayBuffer> => {
  const writer = begin(FRAME.subscribeTenant, frame.id, 8).bin(uuid(frame.tenantId));
  writer.optional(frame.storeIds, (stores) => {
    writer.array(stores.length);
    for (const store of stores) writer.bin(uuid(store));
  });
  writeCursor(writer, frame.cursor);
  writer.bool(frame.othersFromBeginning).uint(frame.credits);
  writeFilter(writer, frame.filter);
  return end(writer);
};

export const encodeAck = ({ id, credits, sequence }: Ack): Uint8Array<ArrayBuffer> => {
  const writer = begin(FRAME.ack, id, 4).uint(credits);
  return end(writer.optional(sequence, writer.uint));
};

export const encodeUnsubscribe = (id: number): Uint8Array<ArrayBuffer> =>
  end(begin(FRAME.unsubscribe, id, 2));
export const encodePing = (id: number): Uint8Array<ArrayBuffer> => end(begin(FRAME.ping, id, 2));

/** Writes a vector cursor. */
export function writeCursor(writer: FrameWriter, cursor: readonly StoreCursor[]): void {
  writer.array(cursor.length);
  for (const [store, sequence] of cursor) writer.array(2).bin(uuid(store)).uint(sequence);
}

function writeFilter(writer: FrameWriter, filter: WireFilter | undefined): void {
  writer.optional(filter, ({ entityTypes, entityIds, eventTypes, agents }) => {
    writer.array(4);
    for (const list of [entityTypes, entityIds, eventTypes]) {
      writer.array(list.length);
      for (const text of list) writer.str(text);
    }
    writer.array(agents.length);
    for (const agent of agents) writer.bin(uuid(agent));
  });
}

/** A decoded frame of a client. */
export type ClientFrame =
  | ({ readonly type: typeof FRAME.hello } & Hello)
  | ({ readonly type: typeof FRAME.subscribe } & Subscribe)
  | ({ readonly type: typeof FRAME.subscribeTenant } & SubscribeTenant)
  | ({ readonly type: typeof FRAME.ack } & Ack)
  | { readonly type: typeof FRAME.unsubscribe; readonly id: number }
  | { readonly type: typeof FRAME.ping; readonly id: number };

/** Decodes a frame of a client that is not a push. @throws WireError */
export function decodeClientFrame(bytes: Uint8Array): ClientFrame {
  const reader = createReader(bytes);
  const head = readHead(reader);
  const frame = decodeBody(reader, head);
  readEnd(reader);
  return frame;
}

/** Elements of each frame. */
const ITEMS: Partial<Record<number, number>> = {
  [FRAME.hello]: 6,
  [FRAME.subscribe]: 8,
  [FRAME.subscribeTenant]: 8,
  [FRAME.ack]: 4,
  [FRAME.unsubscribe]: 2,
  [FRAME.ping]: 2,
};

function decodeBody(reader: Reader, { type, id, items }: FrameHead): ClientFrame {
  const expected = ITEMS[type];
  if (expected === undefined) throw new WireError(`${type} is not a frame that clients send`);
  if (items !== expected)
    throw new WireError(`a frame of type ${type} has ${expected} elements, not ${items}`);
  switch (type) {
    case FRAME.hello:
      return {
        type,
        versionMin: readUint(reader, 'versionMin'),
        versionMax: readUint(reader, 'versionMax'),
        authorization: readOptional(reader, () => readStr(reader, 'authorization', TEXT_BYTES_MAX)),
        agent: readOptional(reader, () => readStr(reader, 'agent', TEXT_BYTES_MAX)),
      };
    case FRAME.subscribe:
      return {
        type,
        id,
        tenantId: readUuid(reader, 'tenant'),
        storeId: readUuid(reader, 'store'),
        after: readOptional(reader, () => readUint(reader, 'after')),
        credits: readUint(reader, 'credits', CREDITS_MAX),
        filter: readFilter(reader),
        agentId: readOptional(reader, () => readUuid(reader, 'agent')),
      };
    case FRAME.subscribeTenant:
      return {
        type,
        id,
        tenantId: readUuid(reader, 'tenant'),
        storeIds: readOptional(reader, () =>
          readList(reader, 'stores', STORES_MAX, () => readUuid(reader, 'store')),
        ),
        cursor: readCursor(reader),
        othersFromBeginning: readBool(reader, 'from beginning'),
        credits: readUint(reader, 'credits', CREDITS_MAX),
        filter: readFilter(reader),
      };
    case FRAME.ack:
      return {
        type,
        id,
        credits: readUint(reader, 'credits', CREDITS_MAX),
        sequence: readOptional(reader, () => readUint(reader, 'sequence')),
      };
    case FRAME.unsubscribe:
      return { type, id };
    default:
      return { type: FRAME.ping, id };
  }
}

const readUuid = (reader: Reader, what: string): string => formatUuid(readBin(reader, what, 16));

/** Reads a vector cursor. @throws WireError */
export const readCursor = (reader: Reader): StoreCursor[] =>
  readList(reader, 'cursor', CURSOR_STORES_MAX, () => {
    readTuple(reader, 'cursor of a store', 2);
    return [readUuid(reader, 'store'), readUint(reader, 'sequence')] as const;
  });

function readList<T>(reader: Reader, what: string, max: number, read: () => T): T[] {
  const count = readArray(reader, what, max);
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(read());
  return list;
}

function readFilter(reader: Reader): WireFilter | undefined {
  if (readNil(reader)) return undefined;
  readTuple(reader, 'filter', 4);
  const texts = (what: string) =>
    readList(reader, what, FILTER_VALUES_MAX, () => readStr(reader, what, TEXT_BYTES_MAX));
  return {
    entityTypes: texts('entity types'),
    entityIds: texts('entity ids'),
    eventTypes: texts('event types'),
    agents: readList(reader, 'agents', FILTER_VALUES_MAX, () => readUuid(reader, 'agent')),
  };
}
