import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { legacyPathSides, verifyLegacyInclusion } from '../../engine/protocol/index.js';
import { legacyCommitmentRowCheck } from '../../engine/store/legacy-commitments.js';
import { sha256Into } from '../../workers/native-crypto.js';
import {
  appendLegacy,
  appendVes,
  freshStream,
  hex,
  legacyRootOf,
  refusalOf,
  type Stream,
  sha256,
  startCommitments,
  stateRootAt,
  ZERO,
} from './support.js';

let c: Awaited<ReturnType<typeof startCommitments>>;
beforeAll(async () => {
  c = await startCommitments();
});
afterAll(() => c.stop());

async function streamOf(count: number): Promise<Stream> {
  const stream = freshStream();
  await appendLegacy(c.sql, stream, count);
  return stream;
}
const all = { after: 0n, limit: 1000, anchored: true };

describe('committing a legacy range', () => {
  test('gives the root of its events, and the state of all entities of both streams', async () => {
    const stream = await streamOf(20);
    await appendVes(c.sql, stream, 9, { id: `'v' || (n % 4)` });
    const first = await c.service.commitLegacy(stream, 1n, 7n);
    expect(first).toMatchObject({
      ...stream,
      sequenceStart: 1n,
      sequenceEnd: 7n,
      eventCount: 7,
      vesHead: 9n,
      legacyHead: 20n,
    });
    expect(hex(first.eventsRoot)).toBe(hex(await legacyRootOf(c.sql, stream, 1, 7)));
    expect(hex(first.prevStateRoot)).toBe(hex(ZERO));
    expect(hex(first.newStateRoot)).toBe(hex(await stateRootAt(c.sql, stream, 9n, 20n)));

    await appendLegacy(c.sql, stream, 5, { id: `'new' || n` });
    await appendVes(c.sql, stream, 3);
    const second = await c.service.commitLegacy(stream, 8n, 25n);
    expect(second).toMatchObject({ vesHead: 12n, legacyHead: 25n });
    expect(hex(second.prevStateRoot)).toBe(hex(first.newStateRoot));
    expect(hex(second.newStateRoot)).toBe(hex(await stateRootAt(c.sql, stream, 12n, 25n)));
    expect(hex(second.newStateRoot)).not.toBe(hex(first.newStateRoot));

    expect(await c.service.getLegacy(first.batchId)).toEqual(first);
    expect(await c.service.listLegacy(stream, all)).toEqual([first, second]);
    const checks =
      await c.sql`select batch_id, row_check from commitments where tenant_id = ${stream.tenantId}
      order by sequence_start`;
    expect(checks.map((row) => [row.batch_id, row.row_check])).toEqual(
      [first, second].map((each) => [each.batchId, legacyCommitmentRowCheck(each)]),
    );
  });

  test('orders entities by bytes, whatever the collation of the database', async () => {
    const stream = freshStream();
    const names = [`'a'`, `'B'`, `'é'`, `'😀'`, `U&'\\FB33'`, `'b-1'`, `'b1'`, `'B 1'`];
    for (const name of names) await appendLegacy(c.sql, stream, 1, { type: name, id: `${name} || 'x'` });
    for (const name of names) await appendVes(c.sql, stream, 2, { type: name, id: `'x' || ${name}` });
    const commitment = await c.service.commitLegacy(stream, 1n, 8n);
    expect(hex(commitment.newStateRoot)).toBe(hex(await stateRootAt(c.sql, stream, 16n, 8n)));
  });

  test('counts many entities and events in steps', async () => {
    const stream = freshStream();
    await appendLegacy(c.sql, stream, 12_345, { id: `'l' || (n * 7919 % 5003)` });
    await appendVes(c.sql, stream, 31_000, { id: `'l' || (n * 104729 % 9001)` });
    const commitment = await c.service.commitLegacy(stream, 1n, 12_345n);
    expect(hex(commitment.eventsRoot)).toBe(hex(await legacyRootOf(c.sql, stream, 1, 12_345)));
    expect(hex(commitment.newStateRoot)).toBe(hex(await stateRootAt(c.sql, stream, 31_000n, 12_345n)));
  });

  test('again answers the stored commitment; other rules are those of VES streams', async () => {
    const stream = await streamOf(10);
    const first = await c.service.commitLegacy(stream, 2n, 4n);
    await appendVes(c.sql, stream, 2);
    expect(await c.service.commitLegacy(stream, 2n, 4n)).toEqual(first);
    const refusals: [bigint, bigint, string][] = [
      [2n, 5n, 'commitment already exists for start 2 but ends at 4 (requested 5)'],
      [6n, 7n, 'commitment range must start at 5 (next after last committed sequence 4)'],
      [5n, 11n, 'commitment range 5..=11 contains 6 events but expected 7'],
      [5n, 4n, 'invalid sequence range: it must start at 1 or later and not end before it starts'],
    ];
    for (const [start, end, message] of refusals)
      expect(await refusalOf(c.service.commitLegacy(stream, start, end))).toEqual([
        'INVALID_FIELD_VALUE',
        message,
      ]);
    expect(await refusalOf(c.service.commitLegacy(freshStream(), 1n, 1n))).toEqual([
      'INVALID_FIELD_VALUE',
      'no events in range for commitment',
    ]);
  });

  test('refuses a store with a gap in either stream', async () => {
    const stream = await streamOf(5);
    await appendVes(c.sql, stream, 3);
    await c.sql`update ves_sequence_counters set current_sequence = 4 where tenant_id = ${stream.tenantId}`;
    const [code, message] = await refusalOf(c.service.commitLegacy(stream, 1n, 5n));
    expect(code).toBe('SEQUENCE_GAP');
    expect(message).toContain('only 8 events are stored');
    expect(await c.service.listLegacy(stream, all)).toEqual([]);
  });
});

describe('many at once', () => {
  test('while events are appended, every state root is that of the heads stored with it', async () => {
    const stream = await streamOf(50);
    const services = [c.service, createCommitmentService({ sql: c.sql, sha256: sha256Into })];
    const appending = (async () => {
      for (let i = 0; i < 15; i++) {
        await appendLegacy(c.sql, stream, 3, { id: `'o' || (n % 11)` });
        await appendVes(c.sql, stream, 2, { id: `'v' || (n % 5)` });
      }
    })();
    const commit = async (service: (typeof services)[number]) => {
      for (;;) {
        const next = ((await service.listLegacy(stream, all)).at(-1)?.sequenceEnd ?? 0n) + 1n;
        if (next > 50n) return;
        await service.commitLegacy(stream, next, next + 4n).catch((error: Error) => {
          expect(error.message).toMatch(/^(commitment |Other commitments)/);
        });
      }
    };
    await Promise.all([appending, ...services.flatMap((service) => [commit(service), commit(service)])]);
    let prev: Uint8Array = ZERO;
    const commitments = await c.service.listLegacy(stream, all);
    expect(commitments.map((each) => each.sequenceStart)).toEqual([
      1n,
      6n,
      11n,
      16n,
      21n,
      26n,
      31n,
      36n,
      41n,
      46n,
    ]);
    for (const each of commitments) {
      expect(hex(each.prevStateRoot)).toBe(hex(prev));
      expect(hex(each.newStateRoot)).toBe(
        hex(await stateRootAt(c.sql, stream, each.vesHead, each.legacyHead)),
      );
      prev = each.newStateRoot;
    }
  });

  test('the same range is committed once, whenever it is asked for', async () => {
    for (let round = 0; round < 6; round++) {
      const stream = await streamOf(300);
      const results = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          await new Promise((resolve) => setTimeout(resolve, i * round));
          return c.service.commitLegacy(stream, 1n, 300n);
        }),
      );
      expect(new Set(results.map((each) => each.batchId)).size).toBe(1);
    }
  });
});

describe('proving an event', () => {
  test.each([1, 2, 3, 5, 6, 7, 8, 13, 100])('of %i verifies, promoted ones too', async (count) => {
    const stream = await streamOf(count + 2);
    const batch = await c.service.commitLegacy(stream, 3n, BigInt(count + 2));
    const fresh = createCommitmentService({ sql: c.sql, sha256: sha256Into });
    for (let sequence = batch.sequenceStart; sequence <= batch.sequenceEnd; sequence++) {
      const proof = await fresh.proveLegacy(stream, sequence);
      expect(proof).toMatchObject({ sequence, batchId: batch.batchId, root: batch.eventsRoot });
      expect(proof.directions).toEqual(legacyPathSides(proof.leafIndex, proof.path.length));
      expect(
        verifyLegacyInclusion(proof.leafHash, proof.leafIndex, proof.path, batch.eventsRoot, sha256),
      ).toBe(true);
    }
  });

  test('says why there is none', async () => {
    const stream = await streamOf(5);
    expect(await refusalOf(c.service.proveLegacy(stream, 2n))).toEqual([
      'BATCH_NOT_FOUND',
      'Event 2 is not committed yet',
    ]);
    const batch = await c.service.commitLegacy(stream, 1n, 3n);
    expect(await refusalOf(c.service.proveLegacy(stream, 6n))).toEqual([
      'EVENT_NOT_FOUND',
      "There is no event 6; the stream's head is 5",
    ]);
    expect(await refusalOf(c.service.proveLegacy(freshStream(), 1n, batch.batchId))).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'Commitment access denied',
    ]);
    // The two kinds do not know of each other's batches.
    expect(await c.service.getVes(batch.batchId)).toBeUndefined();
  });

  test('never answers from events that do not give the committed root', async () => {
    const stream = await streamOf(5);
    const batch = await c.service.commitLegacy(stream, 1n, 5n);
    await c.sql`alter table events disable trigger user`;
    await c.sql`update events set entity_id = 'forged' where tenant_id = ${stream.tenantId} and sequence_number = 2`;
    await c.sql`alter table events enable trigger user`;
    const fresh = createCommitmentService({ sql: c.sql, sha256: sha256Into });
    expect((await refusalOf(fresh.proveLegacy(stream, 1n)))[1]).toContain(`commitment ${batch.batchId}`);
  });
});

test('a count that was changed by hand goes into no state root', async () => {
  const stream = await streamOf(20);
  await c.service.commitLegacy(stream, 1n, 10n);
  await c.sql`update commitment_entity_versions set version = version + 1
    where tenant_id = ${stream.tenantId} and entity_id = 'o1'`;
  const damaged = 'does not fit its row_check';
  expect((await refusalOf(c.service.commitLegacy(stream, 11n, 20n)))[1]).toContain(damaged);
  await appendLegacy(c.sql, stream, 7);
  expect((await refusalOf(c.service.commitLegacy(stream, 11n, 20n)))[1]).toContain(damaged);
  await c.sql`update commitment_entity_heads set legacy_head = 5 where tenant_id = ${stream.tenantId}`;
  expect((await refusalOf(c.service.commitLegacy(stream, 11n, 20n)))[1]).toContain('commitment_entity_heads');
});

test('counts whose heads are lost are not counted once more', async () => {
  const stream = await streamOf(20);
  await c.service.commitLegacy(stream, 1n, 10n);
  await c.sql`delete from commitment_entity_heads where tenant_id = ${stream.tenantId}`;
  expect((await refusalOf(c.service.commitLegacy(stream, 11n, 20n)))[1]).toContain('is gone');
  await c.sql`delete from commitment_entity_versions where tenant_id = ${stream.tenantId}`;
  const good = await c.service.commitLegacy(stream, 11n, 20n);
  const [first] = await c.service.listLegacy(stream, { after: 0n, limit: 1, anchored: true });
  expect(good.newStateRoot).toEqual(first!.newStateRoot); // the same 20 events are counted
});
