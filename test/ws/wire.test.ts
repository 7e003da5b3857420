import { readFileSync } from 'node:fs';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import {
  createFrameWriter,
  createReader,
  decodeClientFrame,
  decodeServerFrame,
  type EventsFrame,
  encodeEvents,
  encodeSubscribe,
  FRAME,
  readStr,
  readUint,
  WireError,
} from '../../engine/wire/index.js';
import { createMsgpackReader } from '../../workers/prepare-msgpack.js';
import { CLIENT_FRAMES, damage, SERVER_FRAMES, STORE, samplePush, seeded, TENANT } from './frames.js';

/** An independent implementation. */
const other = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'number' });
const otherWriter = new Packr({ useRecords: false });

const VECTORS = JSON.parse(
  readFileSync(new URL('../../docs/protocol/vectors/websocket.json', import.meta.url), 'utf8'),
) as { name: string; from: 'client' | 'server'; hex: string; value: unknown }[];

const limits = { batchEventsMax: 1000, payloadBytesMax: 1 << 20 };
const vectorsOf = (type: number) =>
  VECTORS.filter(({ value }) => (value as number[])[0] === type).map(({ hex }) => ({
    bytes: Buffer.from(hex, 'hex'),
  }));

const readPush = createMsgpackReader(limits, false);
const arrival = (body: Uint8Array) => ({
  slot: 0,
  body,
  scope: { tenant: null, stores: [], agent: null },
  deadlineMs: 0,
  receipts: 0,
  codec: 'msgpack' as const,
});

describe('frames', () => {
  test.each(CLIENT_FRAMES)('$name is read as it was written', ({ bytes }) => {
    const frame = decodeClientFrame(bytes);
    expect(decodeClientFrame(otherWriter.pack(other.unpack(bytes)))).toEqual(frame);
  });

  test.each(SERVER_FRAMES)('$name is read as it was written', ({ bytes }) => {
    const frame = decodeServerFrame(bytes);
    expect(decodeServerFrame(otherWriter.pack(other.unpack(bytes)))).toEqual(frame);
  });

  test('are the published vectors', () => {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    const made = [
      ...CLIENT_FRAMES.map(({ name, bytes }) => [name, 'client', hex(bytes)]),
      ['push', 'client', hex(samplePush())],
      ...SERVER_FRAMES.map(({ name, bytes }) => [name, 'server', hex(bytes)]),
    ];
    const published = VECTORS.map(({ name, from, hex }) => [name, from, hex]);
    expect(published.slice(0, made.length)).toEqual(made);
    expect(VECTORS.slice(made.length).map(({ value }) => (value as number[])[0])).toEqual([
      FRAME.result,
      FRAME.result,
      FRAME.events,
      FRAME.storeEvents,
    ]);
    for (const { hex: text, value } of VECTORS)
      expect(jsonOf(other.unpack(Buffer.from(text, 'hex')))).toEqual(value);
  });

  test('of every type are among the published vectors', () => {
    const published = new Set(VECTORS.map(({ value }) => (value as number[])[0]!));
    expect([...published].sort((a, b) => a - b)).toEqual(Object.values(FRAME).sort((a, b) => a - b));
  });

  // These were written by another implementation (msgpack for Python), from the description alone.
  test('with results and events are read as described', () => {
    const [result, empty] = vectorsOf(FRAME.result).map(({ bytes }) => decodeServerFrame(bytes));
    expect(result).toMatchObject({
      id: 5,
      accepted: 2,
      rejected: 1,
      replayed: 1,
      first: 42,
      last: 44,
      head: 44,
      numbers: [42, 44],
      rejections: [{ event: 1, reason: 'invalid_signature' }],
      receipts: [
        { event: 3, sequence: 17, sequencedAtMicros: 1_769_860_800_000_001, keyVersion: 0 },
        { event: 0, sequence: 42, sequencerId: '88888888-8888-4888-8888-888888888888', keyVersion: 1 },
      ],
      groups: [
        {
          treeSize: 44,
          proofs: [
            { sequence: 42, path: [0, 1] },
            { sequence: 44, path: [1] },
          ],
        },
      ],
    });
    expect(empty).toMatchObject({ accepted: 0, first: undefined, last: undefined, head: 44 });
    const [frame] = vectorsOf(FRAME.events).map(({ bytes }) => decodeServerFrame(bytes));
    expect(frame).toMatchObject({ id: 7, first: 42, last: 45, head: 45 });
    const { events } = frame as EventsFrame;
    expect(events.map(({ sequence, payload, createdAt }) => [sequence, payload, createdAt])).toEqual([
      [42, '{"currency":"EUR","total":12.5}', '2026-01-31T12:00:00Z'],
      [44, '', '2026-01-31T12:00:00Z'],
    ]);
    const [ofStore] = vectorsOf(FRAME.storeEvents).map(({ bytes }) => decodeServerFrame(bytes));
    expect(ofStore).toMatchObject({ id: 9, storeId: STORE, first: 42, last: 42, head: 45 });
  });

  test('with events are written as published', () => {
    for (const type of [FRAME.events, FRAME.storeEvents] as const)
      for (const { bytes } of vectorsOf(type)) {
        const frame = decodeServerFrame(bytes) as EventsFrame;
        const span = { first: frame.first, last: frame.last, head: frame.head, count: frame.events.length };
        const headBytes = encodeEvents(frame.id, span, new Uint8Array(0), frame.storeId).length;
        const events = bytes.subarray(headBytes);
        expect(Buffer.from(encodeEvents(frame.id, span, events, frame.storeId))).toEqual(bytes);
      }
  });

  test('may be written by any library: integers and lengths in larger encodings are read', () => {
    const reader = (hex: string) => createReader(Buffer.from(hex, 'hex'));
    for (const hex of [
      '05',
      'cc05',
      'cd0005',
      'ce00000005',
      'cf0000000000000005',
      'd005',
      'd10005',
      'd200000005',
      'd30000000000000005',
      'cb4014000000000000',
    ])
      expect(readUint(reader(hex), 'n')).toBe(5);
    for (const hex of [
      'ff',
      'd0ff',
      'cfffffffffffffffff',
      'cb4014800000000000',
      'cbc014000000000000',
      'c0',
      'a135',
      '',
    ])
      expect(() => readUint(reader(hex), 'n')).toThrow(WireError);
    for (const hex of ['a161', 'd90161', 'da000161', 'db0000000161'])
      expect(readStr(reader(hex), 's', 10)).toBe('a');
    expect(() => readStr(reader('a1ff'), 's', 10)).toThrow('UTF-8');
  });

  test('texts of all lengths are what another implementation writes', () => {
    for (const unit of ['a', 'é', '😀'])
      for (const length of [0, 1, 15, 16, 31, 32, 100, 127, 128, 255, 256, 300, 21_845, 65_535, 65_536]) {
        const text = unit.repeat(length);
        const bytes = createFrameWriter().str(text).done();
        expect(other.unpack(bytes)).toBe(text);
        expect(readStr(createReader(bytes), 's', 1 << 20)).toBe(text);
      }
  });

  test('a hundred thousand damaged ones are refused or read, and nothing else happens', () => {
    const random = seeded(2026);
    const sources = [...CLIENT_FRAMES, ...SERVER_FRAMES].map(({ bytes }) => bytes).concat(samplePush());
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      const bytes = damage(sources[random(sources.length)]!, random);
      for (const read of [decodeClientFrame, decodeServerFrame]) {
        try {
          read(bytes);
        } catch (error) {
          refused++;
          if (!(error instanceof WireError)) throw error;
        }
      }
    }
    expect(refused).toBeGreaterThan(100_000);
  });

  test('damaged pushes fail as requests, with an error of the registry', () => {
    const random = seeded(7);
    const push = samplePush();
    const codes = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      try {
        readPush(arrival(damage(push, random)));
      } catch (error) {
        const { name, code } = error as { name: string; code: string };
        if (name !== 'ServiceError') throw error;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    }
    expect([...codes.keys()].sort()).toEqual(
      expect.arrayContaining(['INVALID_FIELD_VALUE', 'INVALID_REQUEST_BODY']),
    );
  });

  test('every prefix of a frame is refused', () => {
    for (const { bytes } of CLIENT_FRAMES)
      for (let length = 0; length < bytes.length; length++)
        expect(() => decodeClientFrame(bytes.subarray(0, length))).toThrow(WireError);
    const push = samplePush();
    for (let length = 0; length < push.length; length++)
      expect(() => readPush(arrival(push.subarray(0, length)))).toThrow();
  });

  test('limits hold before anything is built', () => {
    const long = { id: 1, tenantId: TENANT, storeId: STORE, after: 0, credits: 1, agentId: undefined };
    const filter = { entityTypes: Array(257).fill('a'), entityIds: [], eventTypes: [], agents: [] };
    expect(() => decodeClientFrame(encodeSubscribe({ ...long, filter }))).toThrow('256 items');
    expect(() =>
      decodeClientFrame(encodeSubscribe({ ...long, credits: 1_000_001, filter: undefined })),
    ).toThrow('at most 1000000');
  });
});

/** Bytes as `hex:…`. */
function jsonOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex:${Buffer.from(value).toString('hex')}`;
  return Array.isArray(value) ? value.map(jsonOf) : value;
}
