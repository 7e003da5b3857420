import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batch,
  createBatchBuilder,
  type EventEntry,
  readBatch,
  type StreamKind,
} from '../../engine/sequencer/index.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const event = fc.record({
  id: bytes(16),
  command: fc.option(bytes(16), { nil: undefined }),
  digest: bytes(32),
  entityKey: bytes(8),
  baseVersion: fc.option(fc.maxSafeNat(), { nil: undefined }),
  verdict: fc.oneof(fc.constant(0), fc.nat(2 ** 32 - 1)),
  type: text,
  entityId: text,
  proof: bytes(96),
  padding: fc.nat(3000),
});
const request = fc.record({
  slot: fc.nat(2 ** 32 - 1),
  kind: fc.constantFrom<StreamKind>(0, 1),
  tenant: bytes(16),
  store: bytes(16),
  deadline: fc.double({ noNaN: true }),
  events: fc.array(event, { maxLength: 40 }),
});
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');
const column = (value: Uint8Array) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(value.length);
  return Buffer.concat([length, value]);
};

/** A row with the sequencer's two columns first, then padding, proof and entity. */
const rowOf = ({ padding, proof, type, entityId }: Event) =>
  Buffer.concat([
    Buffer.alloc(26 + padding, 0xee),
    proof,
    column(Buffer.from(type)),
    column(Buffer.from(entityId)),
  ]);

const build = (builder: ReturnType<typeof createBatchBuilder>, requests: readonly Request[]) => {
  for (const { slot, kind, tenant, store, deadline, events } of requests) {
    builder.request(slot, kind, tenant, store, deadline);
    for (const each of events) {
      const row = rowOf(each);
      const { target, offset } = builder.reserve(row.length + 50);
      target.set(row, offset);
      const entry: EventEntry = {
        // Ids are read out of larger blocks.
        idBytes: Buffer.concat([Buffer.alloc(5), each.id]),
        idOffset: 5,
        commandBytes: each.command && Buffer.concat([Buffer.alloc(9), each.command]),
        commandOffset: 9,
        digest: each.digest,
        entityKey: each.entityKey,
        baseVersion: each.baseVersion,
        verdict: each.verdict,
        proof: 26 + each.padding,
        entity: 26 + each.padding + 96,
      };
      builder.event(entry, offset + row.length);
    }
  }
  return readBatch(builder.finish());
};

const checkSame = (packed: ReturnType<typeof readBatch>, requests: readonly Request[]) => {
  expect(packed.requestCount).toBe(requests.length);
  expect(packed.eventCount).toBe(requests.reduce((sum, each) => sum + each.events.length, 0));
  let index = 0;
  requests.forEach((each, r) => {
    expect(batch.requestSlot(packed, r)).toBe(each.slot);
    expect(batch.requestKind(packed, r)).toBe(each.kind);
    expect(batch.requestTenant(packed, r)).toBe(hex(each.tenant));
    expect(batch.requestStore(packed, r)).toBe(hex(each.store));
    expect(batch.requestDeadline(packed, r)).toBe(each.deadline);
    expect(batch.requestFirstEvent(packed, r)).toBe(index);
    expect(batch.requestEventCount(packed, r)).toBe(each.events.length);
    for (const one of each.events) {
      const row = rowOf(one);
      expect(batch.eventId(packed, index)).toBe(hex(one.id));
      expect(batch.eventCommand(packed, index)).toBe(one.command && hex(one.command));
      expect(batch.eventDigest(packed, index)).toBe(hex(one.digest));
      expect(batch.eventEntityKey(packed, index)).toBe(hex(one.entityKey));
      expect(batch.eventBaseVersion(packed, index)).toBe(one.baseVersion);
      expect(batch.eventVerdict(packed, index)).toBe(one.verdict);
      expect(batch.eventEntity(packed, index)).toEqual({ type: one.type, id: one.entityId });
      const at = batch.rowOffset(packed, index);
      expect(batch.rowLength(packed, index)).toBe(row.length);
      expect(packed.bytes.subarray(at, at + row.length).equals(row)).toBe(true);
      const proof = batch.proofOffset(packed, index);
      expect(hex(packed.bytes.subarray(proof, proof + 96))).toBe(hex(one.proof));
      index++;
    }
  });
};

describe('a packed batch', () => {
  test('holds what was put into it, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 20 }), (requests) => {
        checkSame(build(createBatchBuilder(), requests), requests);
      }),
      { numRuns: 60 },
    );
  });

  test('comes out of a builder that is used again and again, without a trace of the one before', () => {
    const builder = createBatchBuilder();
    fc.assert(
      fc.property(fc.array(request, { maxLength: 6 }), (requests) => {
        const packed = build(builder, requests);
        expect(builder.events).toBe(0);
        checkSame(packed, requests);
      }),
      { numRuns: 60 },
    );
  });

  test('grows beyond every arena: many requests, many events, rows of megabytes', () => {
    const one: Event = {
      id: Buffer.alloc(16, 1),
      command: undefined,
      digest: Buffer.alloc(32, 2),
      entityKey: Buffer.alloc(8, 3),
      baseVersion: undefined,
      verdict: 0,
      type: 't',
      entityId: 'i',
      proof: Buffer.alloc(96, 4),
      padding: 1_500_000,
    };
    const small = { ...one, padding: 0 };
    const head = {
      slot: 7,
      kind: 0 as const,
      tenant: Buffer.alloc(16, 5),
      store: Buffer.alloc(16, 6),
      deadline: 1,
    };
    const requests: Request[] = [
      { ...head, events: Array.from({ length: 4 }, () => one) },
      ...Array.from({ length: 40 }, (_, slot) => ({
        ...head,
        slot,
        events: Array.from({ length: 20 }, () => small),
      })),
    ];
    const builder = createBatchBuilder();
    checkSame(build(builder, requests), requests);
    checkSame(build(builder, requests.slice(3)), requests.slice(3));
  });

  test('takes the number and the time into its rows at the places of the first two columns', () => {
    const safe = fc.maxSafeNat();
    fc.assert(
      fc.property(event, safe, safe, (one, sequence, micros) => {
        const head = { slot: 0, kind: 0 as const, tenant: one.id, store: one.id, deadline: 0 };
        const packed = build(createBatchBuilder(), [{ ...head, events: [one, one] }]);
        batch.patchRow(packed, 1, sequence, micros);
        const [first, second] = [batch.rowOffset(packed, 0), batch.rowOffset(packed, 1)];
        expect(packed.bytes.readBigInt64BE(second + batch.ROW_SEQUENCE)).toBe(BigInt(sequence));
        expect(packed.bytes.readBigInt64BE(second + batch.ROW_SEQUENCED_AT)).toBe(BigInt(micros));
        const row = rowOf(one);
        expect(packed.bytes.subarray(first, first + row.length).equals(row)).toBe(true);
        expect(packed.bytes.subarray(second + 26, second + row.length).equals(row.subarray(26))).toBe(true);
      }),
    );
  });

  test('is refused when its header does not fit its bytes', () => {
    const head = {
      slot: 0,
      kind: 0 as const,
      tenant: Buffer.alloc(16),
      store: Buffer.alloc(16),
      deadline: 0,
    };
    const packed = build(createBatchBuilder(), [{ ...head, events: [] }]);
    const copy = (change: (u32: Uint32Array) => void) => {
      const buffer = new ArrayBuffer(packed.bytes.length);
      new Uint8Array(buffer).set(packed.bytes);
      change(new Uint32Array(buffer));
      return () => readBatch(buffer);
    };
    expect(copy(() => {})).not.toThrow();
    for (const word of [0, 1, 2, 3])
      expect(copy((u32) => u32.set([u32[word]! + 1000], word))).toThrow(RangeError);
  });
});
