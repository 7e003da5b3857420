/** The demo's verdict is worth as much as its checks: each must notice the fault it is there for. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkReceipts } from '../../cli/demo/check-receipts.js';
import { checkStream } from '../../cli/demo/check-streams.js';
import type { LedgerEntry } from '../../cli/demo/ledger.js';
import { type Example, makeExample, reader, sequenced } from './support.js';

describe('receipts checked offline', () => {
  const example = makeExample(12);
  const faultsOf = (change: (entry: LedgerEntry) => LedgerEntry, index = 3) => {
    const entries = example.entries.map((entry, i) => (i === index ? change(entry) : entry));
    return checkReceipts(entries, example.tenantId, example.keys);
  };

  test('good ones pass', () => {
    expect(faultsOf((entry) => entry)).toEqual([]);
  });

  test.each<[string, (entry: LedgerEntry) => LedgerEntry]>([
    ['another number', (e) => ({ ...e, receipt: { ...e.receipt, sequenceNumber: 99 } })],
    ['another event', (e) => ({ ...e, receipt: { ...e.receipt, eventId: randomUUID() } })],
    ['another content', (e) => ({ ...e, signingHash: e.digest })],
    ['another stream', (e) => ({ ...e, storeId: randomUUID() })],
    [
      'a signature of something else',
      (e) => ({
        ...e,
        receipt: {
          ...e.receipt,
          sequencerSignature: Buffer.from(example.sequencer.sign(Buffer.alloc(32))).toString('hex'),
        },
      }),
    ],
    ['no signature', (e) => ({ ...e, receipt: { ...e.receipt, sequencerSignature: '' } })],
    ['a key nobody published', (e) => ({ ...e, receipt: { ...e.receipt, sequencerKeyVersion: 2 } })],
  ])('%s is noticed, natively and portably', (_, change) => {
    expect(faultsOf(change)).toHaveLength(1);
    expect(faultsOf(change, 0)).toHaveLength(1); // index 0 also goes through the portable verifier
  });
});

describe('a stream read back', () => {
  const check = ({ tenantId, storeId, entries, stored }: Example) =>
    checkStream(reader(stored), { tenantId, storeId }, entries);

  test('holds when every acknowledged event is there once, in order, as it was sent', async () => {
    const result = await check(makeExample(2500));
    expect(result).toMatchObject({ events: 2500, faults: [] });
  });

  test('a gap is noticed', async () => {
    const example = makeExample(5);
    const missing = example.stored.splice(2, 1)[0]!;
    expect((await check(example)).faults.join()).toMatch(
      new RegExp(`number 4 where 3 .*${missing.event_id} was acknowledged and is not there`),
    );
  });

  test('a lost tail is noticed', async () => {
    const example = makeExample(5);
    example.stored.pop();
    expect((await check(example)).faults).toHaveLength(1);
  });

  test('an event stored twice is noticed', async () => {
    const example = makeExample(5);
    example.stored.push(sequenced(example.stored[0]!, 6));
    expect((await check(example)).faults.join()).toContain('is there twice');
  });

  test('a changed event is noticed', async () => {
    const example = makeExample(5);
    example.stored[1] = { ...example.stored[1]!, payload: { n: 200 } };
    expect((await check(example)).faults.join()).toContain('is not what was sent');
  });

  test('events in another order than acknowledged are noticed', async () => {
    const example = makeExample(5);
    const [a, b] = [example.stored[1]!, example.stored[2]!];
    example.stored[1] = sequenced(b, 2);
    example.stored[2] = sequenced(a, 3);
    expect((await check(example)).faults).toHaveLength(2);
  });

  test('an event nobody acknowledged is noticed', async () => {
    const example = makeExample(5);
    example.entries.pop();
    expect((await check(example)).faults.join()).toContain('acknowledged to nobody');
  });
});
