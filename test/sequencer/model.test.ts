/**
 * The machine and the planner against the plainest model there is: events taken one at a time, in order of arrival, by a
 * database that never fails. Groups, failures, lost commits and splitting must not show in any answer.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrontier, emptyFrontier, encodeFrontier, type Frontier } from '../../engine/log/index.js';
import {
  outcome as code,
  collectNeeds,
  createPartition,
  type GroupNeeds,
  type GroupWrite,
  type PartitionEffect,
  type Snapshot,
  STREAM_LEGACY,
  STREAM_VES,
  type StoredEvent,
  type Submission,
  streamKey,
} from '../../engine/sequencer/index.js';
import { digestOf, type JudgedEnvelope, type SimulatedEnvelope } from '../../engine/simulation/envelope.js';
import { codes, id, LIMITS, NOW_MICROS, planGroup, sequences, submission } from './support.js';

type Row = SimulatedEnvelope & { readonly sequence: number };

/** The model: rows in the order they were stored. */
const createModel = () => {
  const rows: Row[] = [];
  const inStream = (a: SimulatedEnvelope, b: SimulatedEnvelope) =>
    a.kind === b.kind && a.tenant === b.tenant && a.store === b.store;
  return {
    rows,
    head: (of: SimulatedEnvelope) => rows.filter((row) => inStream(row, of)).length,
    version: (of: SimulatedEnvelope) =>
      rows.filter((row) => row.tenant === of.tenant && row.store === of.store && row.entityId === of.entityId)
        .length,
    take({ envelope, verdict }: JudgedEnvelope): [code: number, sequence: number] {
      if (verdict === code.REPEATED_EVENT_ID) return [verdict, 0];
      const same = rows.find(
        (row) => row.kind === envelope.kind && row.tenant === envelope.tenant && row.id === envelope.id,
      );
      if (same) {
        if (envelope.kind === STREAM_LEGACY || !inStream(same, envelope))
          return [code.EVENT_ID_TAKEN, same.sequence];
        return [digestOf(same) === digestOf(envelope) ? code.REPLAYED : code.EVENT_ID_DIFFERS, same.sequence];
      }
      if (verdict !== 0) return [verdict, 0];
      const { command, base } = envelope;
      if (command && rows.some((row) => inStream(row, envelope) && row.command === command))
        return [code.COMMAND_ID_TAKEN, 0];
      const version = this.version(envelope);
      if (base !== undefined && base !== version) return [code.VERSION_CONFLICT, version];
      if (envelope.poison) return [code.REFUSED_BY_STORE, 0];
      const sequence = this.head(envelope) + 1;
      rows.push({ ...envelope, sequence });
      return [code.ACCEPTED, sequence];
    },
  };
};

const event = fc.record({
  id: fc.nat(25),
  content: fc.nat(1),
  command: fc.option(fc.nat(5), { freq: 3, nil: undefined }),
  base: fc.option(fc.nat(4), { freq: 2, nil: undefined }),
  entityId: fc.nat(2),
  verdict: fc.constantFrom(0, 0, 0, 0, 0, code.VERDICT_BASE, code.VERDICT_BASE + 1),
  poison: fc.constantFrom(false, false, false, false, true),
});
const request = fc.record({
  kind: fc.constantFrom(STREAM_VES, STREAM_VES, STREAM_LEGACY),
  store: fc.nat(1),
  events: fc.array(event, { maxLength: 6 }),
});
const fault = fc.constantFrom(
  'none',
  'none',
  'none',
  'fenced',
  'unavailable',
  'lost',
  'lost but stored',
  'spurious refusal',
);
const run = fc.array(fc.oneof({ arbitrary: request, weight: 1 }, { arbitrary: fault, weight: 3 }), {
  maxLength: 60,
  size: 'max',
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;
type Fault = typeof fault extends fc.Arbitrary<infer T> ? T : never;

const judge = ({ kind, store, events }: Request): JudgedEnvelope[] => {
  const seen = new Set<number>();
  return events.map((each) => {
    const envelope: SimulatedEnvelope = {
      kind,
      tenant: id('tenant'),
      store: id(`store ${store}`),
      id: id(each.id),
      ...(each.command === undefined ? {} : { command: id(`command ${each.command}`) }),
      ...(each.base === undefined ? {} : { base: each.base }),
      entityType: 'thing',
      entityId: `${each.entityId}`,
      content: `${each.content}`,
      poison: each.poison,
    };
    const repeated = seen.size === seen.add(each.id).size;
    return { envelope, verdict: repeated ? code.REPEATED_EVENT_ID : each.verdict };
  });
};

/** The database side of the machine: what is stored, and the answers to look-ups. */
const createDatabase = (envelopes: Map<string, SimulatedEnvelope>) => {
  const rows: Row[] = [];
  const frontiers = new Map<string, Uint8Array>();
  const headOf = (key: string) =>
    rows.filter((row) => streamKey(row.kind, row.tenant, row.store) === key).length;
  const answer = (needs: GroupNeeds): Snapshot => {
    const streams = new Map<string, { head: number; frontier: Frontier | undefined }>();
    for (const [key, { kind }] of needs.streams) {
      const head = headOf(key);
      const frontier = frontiers.has(key) ? decodeFrontier(head, frontiers.get(key)!) : emptyFrontier();
      streams.set(key, { head, frontier: kind === STREAM_VES ? frontier : undefined });
    }
    const events = new Map<string, StoredEvent[]>();
    const commands = new Set<string>();
    for (const row of rows) {
      const stream = streamKey(row.kind, row.tenant, row.store);
      const { tenant, sequence } = row;
      const known = {
        stream,
        tenant,
        digest: digestOf(row),
        sequence,
        sequencedAtMicros: NOW_MICROS,
        sequencer: '',
        keyVersion: 1,
      };
      if (needs.eventIds[row.kind].includes(row.id)) events.set(`${row.kind}${row.id}`, [known]);
      if (row.command && needs.commands.get(stream)?.includes(row.command))
        commands.add(stream + row.command);
    }
    const versions = new Map<string, number>();
    for (const entity of needs.entities.values()) {
      const mine = rows.filter((row) => row.store === entity.store && row.entityId === entity.id);
      versions.set(entity.key, mine.length);
    }
    return { streams, events, commands, versions };
  };
  const envelopeAt = ({ batch, event: index }: GroupWrite['rows'][0][number]) =>
    envelopes.get(`${batchNumber.get(batch)} ${index}`)!;
  const store = (write: GroupWrite) => {
    for (const { stream, first, last, frontier } of write.streams) {
      expect(first).toBe(headOf(stream.key) + 1); // L1
      const mine = write.rows[stream.kind].filter((row) => streamOf(envelopeAt(row)) === stream.key);
      expect(mine.length).toBe(last - first + 1);
      rows.push(...mine.map((row, i) => ({ ...envelopeAt(row), sequence: first + i })));
      if (frontier) frontiers.set(stream.key, encodeFrontier(frontier));
    }
  };
  return {
    rows,
    answer,
    store,
    poisoned: (write: GroupWrite) => write.rows.flat().some((row) => envelopeAt(row).poison),
  };
};

const streamOf = ({ kind, tenant, store }: SimulatedEnvelope) => streamKey(kind, tenant, store);
const batchNumber = new WeakMap<object, number>();

test('groups, failures and retries never show in the answers', () => {
  fc.assert(
    fc.property(run, (actions) => {
      const model = createModel();
      const envelopes = new Map<string, SimulatedEnvelope>();
      const database = createDatabase(envelopes);
      const partition = createPartition(
        { collectNeeds, planGroup },
        { ...LIMITS, queueEventsMax: 1e6, queueBytesMax: 1e9 },
      );
      const submissions: Submission[] = [];
      const expected: [number, number][][] = [];
      const replied: Submission[] = [];
      let waiting: PartitionEffect | undefined;

      const take = (effects: PartitionEffect[]) => {
        for (const effect of effects) {
          if (effect.type === 'reply') replied.push(effect.submission);
          else if (effect.type === 'open' || effect.type === 'write' || effect.type === 'pause') {
            expect(waiting).toBeUndefined();
            waiting = effect;
          }
        }
      };
      const answer = (how: Fault) => {
        const effect = waiting;
        if (!effect) return;
        waiting = undefined;
        const nowMs = 0;
        if (effect.type === 'pause') take(partition.step({ type: 'wake', nowMs }));
        else if (effect.type === 'open') {
          if (how === 'fenced') take(partition.step({ type: 'fenced' }));
          else if (how === 'unavailable' || how === 'lost') take(partition.step({ type: how, nowMs }));
          else
            take(
              partition.step({
                type: 'opened',
                snapshot: database.answer(effect.needs),
                nowMicros: NOW_MICROS,
              }),
            );
        } else if (effect.type === 'write') {
          const write = effect.plan.write!;
          if (how === 'unavailable') take(partition.step({ type: how, nowMs }));
          // A row is refused long before a COMMIT that could be lost.
          else if (database.poisoned(write)) take(partition.step({ type: 'refused', nowMs }));
          else if (how === 'lost') take(partition.step({ type: how, nowMs }));
          // One refusal without a reason is healed by the second attempt; halves that are refused would be blamed.
          else if (how === 'spurious refusal' && !refused.has(effect.plan) && write.rows.flat().length > 1) {
            refused.add(effect.plan);
            take(partition.step({ type: 'refused', nowMs }));
          } else {
            database.store(write);
            take(partition.step(how === 'lost but stored' ? { type: 'lost', nowMs } : { type: 'committed' }));
          }
        }
      };
      const refused = new WeakSet<object>();

      for (const action of actions) {
        if (typeof action === 'string') {
          answer(action);
          continue;
        }
        const events = judge(action);
        if (events.length === 0) continue;
        expected.push(events.map((each) => model.take(each)));
        const request = submission(events);
        batchNumber.set(request.batch, submissions.length);
        for (const [i, { envelope }] of events.entries())
          envelopes.set(`${submissions.length} ${i}`, envelope);
        submissions.push(request);
        take(partition.step({ type: 'submit', submission: request }));
      }
      for (let i = 0; waiting; i++) {
        expect(i).toBeLessThan(5000);
        answer('none');
      }
      // Streams are independent: only the order within each counts.
      const stored = (rows: readonly Row[]) =>
        rows.map((row) => `${streamOf(row)} ${row.sequence} ${digestOf(row)}`).sort();
      expect(stored(database.rows)).toEqual(stored(model.rows));
      expect(new Set(replied).size).toBe(submissions.length);
      expect(replied.length).toBe(submissions.length);
      submissions.forEach((each, i) => {
        expect(codes(each).map((c, e) => [c, sequences(each)[e]])).toEqual(expected[i]);
      });
      expect([partition.phase, partition.queuedEvents]).toEqual(['idle', 0]);
    }),
    { numRuns: 300 },
  );
}, 120_000);
