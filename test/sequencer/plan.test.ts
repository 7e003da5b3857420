import { describe, expect, test } from 'vitest';
import {
  createNodeHasher,
  emptyFrontier,
  encodeFrontier,
  frontierRoot,
  leafHash,
} from '../../engine/log/index.js';
import { vesLeaf } from '../../engine/protocol/leaf.js';
import {
  batch,
  outcome as code,
  collectNeeds,
  STREAM_LEGACY,
  STREAM_VES,
  type StoredEvent,
  type Submission,
  streamKey,
  wholeSlice,
} from '../../engine/sequencer/index.js';
import { digestOf, encodeRow, type SimulatedEnvelope } from '../../engine/simulation/envelope.js';
import { naiveRoot, sha256Into } from '../../engine/simulation/sha256.js';
import {
  codes,
  envelope,
  id,
  KEY_VERSION,
  NOW_MICROS,
  outcomes,
  planGroup,
  STORE,
  sequences,
  snapshot,
  submission,
  TENANT,
  vesStream,
} from './support.js';

type Known = Parameters<typeof snapshot>[1];

/** Plans and settles a group of whole submissions. */
const decide = (submissions: readonly Submission[], known?: Known) => {
  const plan = planGroup(submissions.map(wholeSlice), snapshot(submissions, known), NOW_MICROS);
  plan.settle();
  return plan;
};

const SEQUENCER = id('another sequencer');
/** What the database knows of an envelope that was stored at `sequence`. */
const stored = (of: SimulatedEnvelope, sequence: number): [string, StoredEvent] => [
  `${of.kind}${of.id}`,
  {
    stream: streamKey(of.kind, of.tenant, of.store),
    tenant: of.tenant,
    digest: digestOf(of),
    sequence,
    sequencedAtMicros: 5_000_000 + sequence,
    sequencer: SEQUENCER,
    keyVersion: 1,
  },
];

describe('a plan', () => {
  test('numbers new events after the head, in the order of requests and events', () => {
    const a = submission([envelope(1), envelope(2)]);
    const b = submission([envelope(3)]);
    const { write } = decide([a, b], { head: 41 });
    expect(sequences(a)).toEqual([42, 43]);
    expect(sequences(b)).toEqual([44]);
    expect(outcomes(b)).toEqual([{ code: code.ACCEPTED, sequence: 44, at: NOW_MICROS, key: KEY_VERSION }]);
    expect([a.outcome.head, b.outcome.head]).toEqual([44, 44]);
    expect(write?.streams.map(({ first, last }) => [first, last])).toEqual([[42, 44]]);
    expect(write?.sequencedAtMicros).toBe(NOW_MICROS);
    expect(write?.rows[STREAM_VES].map((row) => row.event)).toEqual([0, 1, 0]);
    for (const [row, sequence] of write!.rows[STREAM_VES].map(
      (each, i) => [each, 42n + BigInt(i)] as const,
    )) {
      const at = batch.rowOffset(row.batch, row.event);
      expect(row.batch.bytes.readBigInt64BE(at + batch.ROW_SEQUENCE)).toBe(sequence);
      const micros = row.batch.bytes.readBigInt64BE(at + batch.ROW_SEQUENCED_AT);
      expect(micros).toBe(BigInt(NOW_MICROS) - BigInt(Date.UTC(2000, 0, 1)) * 1000n);
    }
  });

  test('decides nothing before it is settled', () => {
    const a = submission([envelope(1)]);
    planGroup([wholeSlice(a)], snapshot([a]), NOW_MICROS);
    expect([a.undecided, a.outcome.head, ...sequences(a)]).toEqual([1, 0, 0]);
  });

  test('counts every stream on its own', () => {
    const streams = [
      envelope(1),
      envelope(2, { kind: STREAM_LEGACY }),
      envelope(3, { store: id('second store') }),
      envelope(4, { tenant: id('second tenant') }),
    ].map((each) => submission([each]));
    const { write } = decide(streams);
    expect(streams.map(sequences)).toEqual([[1], [1], [1], [1]]);
    expect(write?.rows.map((rows) => rows.length)).toEqual([3, 1]);
    expect(write?.streams.map(({ stream }) => stream.key)).toEqual(streams.map(({ stream }) => stream));
    expect(write?.streams.map(({ frontier }) => frontier?.size)).toEqual([1, undefined, 1, 1]);
  });

  test('extends the Merkle log of a VES stream by the leaf of each accepted event', () => {
    const events = [envelope(1), envelope(2), envelope(3)];
    const { write } = decide([submission(events)], { head: 0 });
    const entries = events.map((each, i) => {
      const { bytes, proof } = encodeRow(each);
      const fixed = new Uint8Array(208);
      fixed.set(Buffer.from(TENANT + STORE, 'hex'));
      fixed.set(bytes.subarray(proof + 32, proof + 96), 144);
      return vesLeaf({ fixed, fixedOffset: 0 }, i + 1, bytes.subarray(proof, proof + 32));
    });
    const frontier = write!.streams[0]!.frontier!;
    const root = frontierRoot(frontier, createNodeHasher(sha256Into), sha256Into);
    const leaves = entries.map((entry) => leafHash(entry, sha256Into));
    expect(Buffer.from(root).toString('hex')).toBe(naiveRoot(leaves).toString('hex'));
    expect(encodeFrontier(frontier).length).toBe(64);
  });

  test('answers the first receipt to the same envelope and has nothing to write', () => {
    const again = submission([envelope(1)]);
    const { write } = decide([again], { head: 9, events: [stored(envelope(1), 4)] });
    expect(write).toBeUndefined();
    expect(outcomes(again)).toEqual([{ code: code.REPLAYED, sequence: 4, at: 5_000_004, key: 1 }]);
    expect(again.outcome.sequencers).toEqual(new Map([[0, SEQUENCER]]));
    expect(again.outcome.head).toBe(9);
  });

  test.each<[string, Partial<SimulatedEnvelope>, number]>([
    ['other content', { content: 'changed' }, code.EVENT_ID_DIFFERS],
    ['another entity', { entityId: 'changed' }, code.EVENT_ID_DIFFERS],
    ['another command id', { command: id('c') }, code.EVENT_ID_DIFFERS],
    ['another base version', { base: 0 }, code.EVENT_ID_DIFFERS],
    ['another store of the tenant', { store: id('second store') }, code.EVENT_ID_TAKEN],
  ])('refuses an id that is stored with %s', (_, changes, expected) => {
    const conflict = submission([envelope(1, changes)]);
    const { write } = decide([conflict], { events: [stored(envelope(1), 4)] });
    expect([codes(conflict), write]).toEqual([[expected], undefined]);
    const within = submission([envelope(1, changes)]);
    decide([submission([envelope(1)]), within]);
    expect(codes(within)).toEqual([expected]);
  });

  test('keeps the ids of tenants and of the two kinds of streams apart', () => {
    const other = submission([envelope(1, { tenant: id('second tenant') })]);
    const legacy = submission([envelope(1, { kind: STREAM_LEGACY })]);
    decide([other, legacy], { events: [stored(envelope(1), 4)] });
    expect([codes(other), codes(legacy)]).toEqual([[code.ACCEPTED], [code.ACCEPTED]]);
  });

  test('finds the own tenant among several that hold the id', () => {
    const again = submission([envelope(1)]);
    const foreign = envelope(1, { tenant: id('second tenant') });
    decide([again], { events: [stored(foreign, 7), stored(envelope(1), 4)] });
    expect(sequences(again)).toEqual([4]);
  });

  test('never replays a legacy event: its id is taken', () => {
    const event = envelope(1, { kind: STREAM_LEGACY });
    const again = submission([event]);
    decide([again], { events: [stored(event, 4)] });
    expect(codes(again)).toEqual([code.EVENT_ID_TAKEN]);
    const twice = [submission([event]), submission([event])];
    decide(twice);
    expect(twice.map(codes)).toEqual([[code.ACCEPTED], [code.EVENT_ID_TAKEN]]);
  });

  test('gives a request the receipt of the same envelope in a request before it', () => {
    const first = submission([envelope(0), envelope(1)]);
    const second = submission([envelope(1), envelope(2)]);
    const { write } = decide([first, second]);
    expect(codes(second)).toEqual([code.REPLAYED, code.ACCEPTED]);
    expect(outcomes(second)[0]).toEqual({ ...outcomes(first)[1], code: code.REPLAYED });
    expect(write?.rows[STREAM_VES].length).toBe(3);
  });

  test('accepts what a lost commit did store, and only for the request that wrote it', () => {
    for (const kind of [STREAM_VES, STREAM_LEGACY] as const) {
      const mine = submission([envelope(1, { kind }), envelope(2, { kind })]);
      planGroup([wholeSlice(mine)], snapshot([mine]), NOW_MICROS).markTentative();
      const other = submission([envelope(1, { kind })]);
      decide([other, mine], { head: 1, events: [stored(envelope(1, { kind }), 1)] });
      expect(outcomes(mine)[0]).toEqual({ code: code.ACCEPTED, sequence: 1, at: 5_000_001, key: 1 });
      expect(outcomes(mine)[1]).toMatchObject({ code: code.ACCEPTED, sequence: 2, at: NOW_MICROS });
      expect(codes(other)).toEqual([kind === STREAM_VES ? code.REPLAYED : code.EVENT_ID_TAKEN]);
    }
  });

  test('keeps what it had decided beside a lost commit that did happen', () => {
    const entity = { entityId: 'o-1' };
    const request = () => submission([envelope(1, { ...entity, base: 1 }), envelope(2, entity)]);
    const duplicate = () => submission([envelope(2, entity)]);
    const lose = (group: Submission[]) => {
      const versions = versionsOf(group, 0);
      planGroup(
        group.map(wholeSlice),
        snapshot(group, { versions: [...versions] }),
        NOW_MICROS,
      ).markTentative();
    };
    const again = (group: Submission[], event: StoredEvent) => {
      const known = {
        head: 1,
        events: [[`0${id(2)}`, event]] as [string, StoredEvent][],
        versions: [...versionsOf(group, 1)],
      };
      return decide(group, known).write?.rows[STREAM_VES].length ?? 0;
    };
    const mine = { ...stored(envelope(2, entity), 1)[1], sequencedAtMicros: NOW_MICROS };
    const happened = [request(), duplicate()] as const;
    lose([...happened]);
    expect(again([...happened], mine)).toBe(0);
    expect(happened.map(codes)).toEqual([[code.VERSION_CONFLICT, code.ACCEPTED], [code.REPLAYED]]);
    expect(happened.map(sequences)).toEqual([[0, 1], [1]]);
    // Somebody else stored the same envelope, at another number: then everything is decided anew.
    const failed = [request(), duplicate()] as const;
    lose([...failed]);
    expect(again([...failed], { ...mine, sequence: 4, sequencedAtMicros: NOW_MICROS + 1 })).toBe(1);
    expect(failed.map(sequences)).toEqual([[2, 4], [4]]);
  });

  test('does not take a foreign event for the one a lost commit may have stored', () => {
    const mine = submission([envelope(1)]);
    planGroup([wholeSlice(mine)], snapshot([mine]), NOW_MICROS).markTentative();
    decide([mine], { head: 1, events: [stored(envelope(1, { content: 'foreign' }), 1)] });
    expect(codes(mine)).toEqual([code.EVENT_ID_DIFFERS]);
  });

  test('checks in order: repeated id, stored id, id in the group, verdict, command, base version', () => {
    const verdict = code.VERDICT_BASE + 2;
    const event = envelope(1, { command: id('c'), base: 9 });
    const everything = { events: [stored(event, 4)], commands: [vesStream + id('c')] };
    const one = (v: number, known: Known, before: Submission[] = []) => {
      const it = submission([{ envelope: event, verdict: v }]);
      decide([...before, it], known);
      return codes(it)[0];
    };
    const groupMate = () => submission([envelope(1, { content: 'mate' })]);
    expect(one(code.REPEATED_EVENT_ID, everything)).toBe(code.REPEATED_EVENT_ID);
    expect(one(verdict, everything)).toBe(code.REPLAYED);
    expect(one(verdict, { commands: everything.commands }, [groupMate()])).toBe(code.EVENT_ID_DIFFERS);
    expect(one(verdict, { commands: everything.commands })).toBe(verdict);
    expect(one(code.REPEATED_COMMAND_ID, {})).toBe(code.REPEATED_COMMAND_ID);
    expect(one(0, { commands: everything.commands })).toBe(code.COMMAND_ID_TAKEN);
    expect(one(0, {})).toBe(code.VERSION_CONFLICT);
  });

  test('lets one event of a stream use a command id', () => {
    const command = id('c');
    const a = submission([envelope(1, { command }), envelope(2)]);
    const b = submission([envelope(3, { command })]);
    const otherStore = submission([envelope(4, { command, store: id('second store') })]);
    const legacy = submission([envelope(5, { command, kind: STREAM_LEGACY })]);
    decide([a, b, otherStore, legacy]);
    expect([a, b, otherStore, legacy].map((each) => codes(each)[0])).toEqual([
      0,
      code.COMMAND_ID_TAKEN,
      0,
      0,
    ]);
    const rejected = submission([{ envelope: envelope(6, { command }), verdict: code.VERDICT_BASE }]);
    const after = submission([envelope(7, { command })]);
    decide([rejected, after]);
    expect(codes(after)).toEqual([code.ACCEPTED]); // a rejected event used nothing up
  });

  test('counts versions through the group: a checked event sees the events before it', () => {
    const entity = { entityType: 'order', entityId: 'o-1' };
    const group = submission([
      envelope(1, { ...entity, base: 5 }),
      envelope(2, { ...entity, base: 5 }), // the first made it 6
      envelope(3, entity),
      envelope(4, { ...entity, base: 7 }),
      envelope(5, { entityId: 'o-2', base: 0 }),
      envelope(6, { entityId: 'o-2', base: 0 }),
    ]);
    const key = [...collectNeeds([wholeSlice(group)]).entities.values()].find((e) => e.id === 'o-1')!.key;
    const { write } = decide([group], { head: 100, versions: [[key, 5]] });
    expect(codes(group)).toEqual([0, code.VERSION_CONFLICT, 0, 0, 0, code.VERSION_CONFLICT]);
    expect(outcomes(group)[1]).toMatchObject({ sequence: 6, at: 5 });
    expect(outcomes(group)[5]).toMatchObject({ sequence: 1, at: 0 });
    const versions = write!.versions.map(({ entity: { type, id: name }, version }) => [type, name, version]);
    expect(versions).toEqual([
      ['order', 'o-1', 8],
      ['order', 'o-2', 1],
    ]);
  });

  test('counts an unchecked event of an entity that a later request checks', () => {
    const entity = { entityId: 'o-1' };
    const first = submission([envelope(1, entity)]);
    const second = submission([envelope(2, { ...entity, base: 1 })]);
    decide([first, second], { versions: [...versionsOf([first, second], 0)] });
    expect([codes(first), codes(second)]).toEqual([[0], [0]]);
  });

  test('shares versions between the VES and the legacy stream of a store', () => {
    const entity = { entityId: 'o-1' };
    const legacy = submission([envelope(1, { ...entity, kind: STREAM_LEGACY, base: 0 })]);
    const ves = submission([envelope(2, { ...entity, base: 1 })]);
    const { write } = decide([legacy, ves], { versions: [...versionsOf([legacy, ves], 0)] });
    expect([codes(legacy), codes(ves)]).toEqual([[0], [0]]);
    expect(write?.versions.map(({ version }) => version)).toEqual([2]);
  });

  test('asks the database for everything it decides by', () => {
    const a = submission([
      envelope(1, { command: id('c'), base: 3 }),
      { envelope: envelope(1), verdict: code.REPEATED_EVENT_ID },
      { envelope: envelope(2, { command: id('d'), base: 1 }), verdict: code.VERDICT_BASE },
    ]);
    const b = submission([
      envelope(3, { kind: STREAM_LEGACY, entityType: 'ördér', entityId: '日本', base: 0 }),
    ]);
    const needs = collectNeeds([wholeSlice(a), wholeSlice(b)]);
    expect(needs.eventIds).toEqual([[id(1), id(2)], [id(3)]]);
    expect([...needs.commands]).toEqual([[vesStream, [id('c')]]]);
    expect([...needs.entities.values()].map(({ type, id: name }) => [type, name])).toEqual([
      ['order', '1'],
      ['ördér', '日本'],
    ]);
    expect(needs.streams.get(a.stream)).toEqual({
      key: a.stream,
      kind: STREAM_VES,
      tenant: TENANT,
      store: STORE,
    });
    expect(needs.streams.has(b.stream)).toBe(true);
  });

  test('holds both logs of a store still while it checks a version, and only then', () => {
    const kinds = (changes: Partial<SimulatedEnvelope>) =>
      [...collectNeeds([wholeSlice(submission([envelope(1, changes)]))]).streams.values()].map(
        ({ kind }) => kind,
      );
    expect(kinds({})).toEqual([STREAM_VES]);
    expect(kinds({ base: 0 })).toEqual([STREAM_VES, STREAM_LEGACY]);
    expect(kinds({ base: 0, kind: STREAM_LEGACY })).toEqual([STREAM_LEGACY, STREAM_VES]);
  });

  test('plans a part of a request without touching the rest', () => {
    const whole = submission([envelope(1), envelope(2), envelope(3)]);
    const plan = planGroup([{ submission: whole, from: 1, to: 2 }], snapshot([whole]), NOW_MICROS);
    plan.settle();
    expect(sequences(whole)).toEqual([0, 1, 0]);
    expect(whole.undecided).toBe(2);
  });

  test('starts from an empty log', () => {
    expect(emptyFrontier().size).toBe(0);
    const none = submission([]);
    expect(decide([none], { head: 3 }).write).toBeUndefined();
    expect(none.outcome.head).toBe(3);
  });
});

/** Versions of every entity that the submissions check. */
function versionsOf(submissions: readonly Submission[], version: number): Map<string, number> {
  const { entities } = collectNeeds(submissions.map(wholeSlice));
  return new Map([...entities.keys()].map((key) => [key, version]));
}
