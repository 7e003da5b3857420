import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { verifyVesInclusion, vesStateRoot, vesStreamId } from '../../engine/protocol/index.js';
import { vesCommitmentRowCheck } from '../../engine/store/ves-commitments.js';
import { sha256Into } from '../../workers/native-crypto.js';
import {
  appendVes,
  freshStream,
  hex,
  refusalOf,
  type Stream,
  sha256,
  startCommitments,
  uuidBytes,
  vesRootOf,
  ZERO,
} from './support.js';

let c: Awaited<ReturnType<typeof startCommitments>>;
beforeAll(async () => {
  c = await startCommitments();
});
afterAll(() => c.stop());

async function streamOf(count: number): Promise<Stream> {
  const stream = freshStream();
  await appendVes(c.sql, stream, count);
  return stream;
}
const all = { after: 0n, limit: 1000, anchored: true };
const streamId = (stream: Stream) =>
  vesStreamId(Buffer.concat([uuidBytes(stream.tenantId), uuidBytes(stream.storeId)]));

describe('committing a VES range', () => {
  test('gives the root of its events and the next link of the chain', async () => {
    const stream = await streamOf(20);
    const first = await c.service.commitVes(stream, 1n, 13n);
    expect(first).toMatchObject({
      ...stream,
      sequenceStart: 1n,
      sequenceEnd: 13n,
      vesVersion: 1,
      treeDepth: 4,
      leafCount: 13,
      paddedLeafCount: 16,
      chainTxHash: null,
      anchoredAtMicros: null,
    });
    expect(first.batchId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(hex(first.merkleRoot)).toBe(hex(await vesRootOf(c.sql, stream, 1, 13)));
    expect(hex(first.prevStateRoot)).toBe(hex(ZERO));
    const second = await c.service.commitVes(stream, 14n, 20n);
    expect(hex(second.prevStateRoot)).toBe(hex(first.newStateRoot));
    for (const each of [first, second])
      expect(hex(each.newStateRoot)).toBe(hex(vesStateRoot({ ...each, streamId: streamId(stream) }, sha256)));
    expect(second.committedAtMicros).toBeGreaterThanOrEqual(first.committedAtMicros);
    expect(Math.abs(Number(second.committedAtMicros) / 1000 - Date.now())).toBeLessThan(60_000);
    // What is answered is what is stored, check values included.
    expect(await c.service.getVes(first.batchId)).toEqual(first);
    expect(await c.service.listVes(stream, all)).toEqual([first, second]);
    const checks =
      await c.sql`select batch_id, row_check from ves_commitments where tenant_id = ${stream.tenantId}
      order by sequence_start`;
    expect(checks.map((row) => [row.batch_id, row.row_check])).toEqual(
      [first, second].map((each) => [each.batchId, vesCommitmentRowCheck(each)]),
    );
  });

  test('is right over several pages of events', async () => {
    const stream = await streamOf(9001);
    const commitment = await c.service.commitVes(stream, 2n, 9001n);
    expect(hex(commitment.merkleRoot)).toBe(hex(await vesRootOf(c.sql, stream, 2, 9001)));
    expect(commitment).toMatchObject({ leafCount: 9000, paddedLeafCount: 16384, treeDepth: 14 });
  });

  test('of one event has its leaf as root', async () => {
    const stream = await streamOf(3);
    const one = await c.service.commitVes(stream, 2n, 2n);
    expect(one).toMatchObject({ treeDepth: 0, leafCount: 1, paddedLeafCount: 1 });
    const proof = await c.service.proveVes(stream, 2n);
    expect(proof).toMatchObject({ leafIndex: 0, path: [], directions: [] });
    expect(hex(proof.leafHash)).toBe(hex(one.merkleRoot));
  });

  test('again answers the stored commitment; another end is refused', async () => {
    const stream = await streamOf(10);
    const first = await c.service.commitVes(stream, 1n, 3n);
    await c.service.commitVes(stream, 4n, 5n);
    expect(await c.service.commitVes(stream, 1n, 3n)).toEqual(first);
    expect(await refusalOf(c.service.commitVes(stream, 1n, 5n))).toEqual([
      'INVALID_FIELD_VALUE',
      'commitment already exists for start 1 but ends at 3 (requested 5)',
    ]);
    expect(await c.service.listVes(stream, all)).toHaveLength(2);
  });

  test('starts where the last commitment ended; only the first may start anywhere', async () => {
    const stream = await streamOf(10);
    await c.service.commitVes(stream, 3n, 5n);
    for (const start of [1n, 2n, 4n, 5n, 7n])
      expect(await refusalOf(c.service.commitVes(stream, start, 8n))).toEqual([
        'INVALID_FIELD_VALUE',
        'commitment range must start at 6 (next after last committed sequence 5)',
      ]);
    expect((await c.service.commitVes(stream, 6n, 8n)).sequenceEnd).toBe(8n);
  });

  test('needs a range whose events all exist', async () => {
    const stream = await streamOf(5);
    const refusals: [bigint, bigint, string][] = [
      [1n, 9n, 'VES commitment range 1..=9 contains 5 events but expected 9'],
      [6n, 9n, 'no VES events in range for commitment'],
      [3n, 2n, 'invalid sequence range: it must start at 1 or later and not end before it starts'],
      [0n, 2n, 'invalid sequence range: it must start at 1 or later and not end before it starts'],
      [1n, 1_000_001n, 'a commitment covers at most 1000000 events: commit the range in parts'],
    ];
    for (const [start, end, message] of refusals)
      expect(await refusalOf(c.service.commitVes(stream, start, end))).toEqual([
        'INVALID_FIELD_VALUE',
        message,
      ]);
    expect(await refusalOf(c.service.commitVes(freshStream(), 1n, 1n))).toEqual([
      'INVALID_FIELD_VALUE',
      'no VES events in range for commitment',
    ]);
    expect(await c.service.listVes(stream, all)).toEqual([]);
  });

  test('refuses a stream with a gap', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 3);
    await c.sql`update ves_sequence_counters set current_sequence = 4 where tenant_id = ${stream.tenantId}`;
    await appendVes(c.sql, stream, 2);
    expect(await refusalOf(c.service.commitVes(stream, 1n, 6n))).toEqual([
      'SEQUENCE_GAP',
      'Only 5 of the events 1 to 6 are stored',
    ]);
    expect((await c.service.commitVes(stream, 1n, 3n)).leafCount).toBe(3);
  });
});

describe('many at once', () => {
  test('the same range is committed once, whenever it is asked for', async () => {
    const others = createCommitmentService({ sql: c.sql, sha256: sha256Into });
    for (let round = 0; round < 10; round++) {
      const stream = await streamOf(500);
      const results = await Promise.all(
        Array.from({ length: 12 }, async (_, i) => {
          await new Promise((resolve) => setTimeout(resolve, i * round));
          return (i % 2 ? others : c.service).commitVes(stream, 1n, 500n);
        }),
      );
      expect(new Set(results.map((each) => each.batchId)).size).toBe(1);
      expect(await c.service.listVes(stream, all)).toEqual([results[0]]);
    }
  });

  test('of ranges that exclude each other one wins, and the chain stays whole', async () => {
    const stream = await streamOf(60);
    const ends = [10n, 20n, 30n, 40n, 50n, 60n];
    const results = await Promise.allSettled(ends.map((end) => c.service.commitVes(stream, 1n, end)));
    expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    for (const each of results)
      if (each.status === 'rejected')
        expect(each.reason.message).toMatch(/^commitment already exists for start 1/);
    // Everybody appends what comes next, until all is committed.
    const appender = async () => {
      for (;;) {
        const next = (await c.service.listVes(stream, all)).at(-1)!.sequenceEnd + 1n;
        if (next > 60n) return;
        await c.service.commitVes(stream, next, next + (60n - next > 3n ? 3n : 60n - next)).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: 6 }, appender));
    let prev: Uint8Array = ZERO;
    let next = 1n;
    for (const each of await c.service.listVes(stream, all)) {
      expect([each.sequenceStart, hex(each.prevStateRoot)]).toEqual([next, hex(prev)]);
      next = each.sequenceEnd + 1n;
      prev = each.newStateRoot;
    }
    expect(next).toBe(61n);
  });

  test('waits for the lock of the stream, which is held without hashing', async () => {
    const stream = await streamOf(5);
    const key = streamId(stream);
    const lock = Buffer.from(key).readBigInt64BE(0);
    const order: string[] = [];
    let unlock = () => {};
    const holding = c.sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${lock})`;
      order.push('locked');
      await new Promise<void>((resolve) => {
        unlock = resolve;
      });
      order.push('released');
    });
    while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const committing = c.service.commitVes(stream, 1n, 5n).then(() => order.push('committed'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(order).toEqual(['locked']);
    unlock();
    await Promise.all([holding, committing]);
    expect(order).toEqual(['locked', 'released', 'committed']);
  });
});

describe('proving an event', () => {
  test('finds the commitment that covers it, and the proof verifies', async () => {
    const stream = await streamOf(40);
    const batches = [];
    for (const [start, end] of [
      [3n, 7n],
      [8n, 8n],
      [9n, 40n],
    ] as const)
      batches.push(await c.service.commitVes(stream, start, end));
    // A service that has built none of the trees.
    const fresh = createCommitmentService({ sql: c.sql, sha256: sha256Into });
    for (const batch of batches)
      for (let sequence = batch.sequenceStart; sequence <= batch.sequenceEnd; sequence++) {
        const proof = await fresh.proveVes(stream, sequence);
        expect(await c.service.proveVes(stream, sequence, batch.batchId)).toEqual(proof);
        expect(proof).toMatchObject({ sequence, batchId: batch.batchId, root: batch.merkleRoot });
        expect(proof.leafIndex).toBe(Number(sequence - batch.sequenceStart));
        expect(
          verifyVesInclusion(proof.leafHash, proof.leafIndex, proof.path, batch.merkleRoot, sha256),
        ).toBe(true);
      }
  });

  test('says why there is none', async () => {
    const stream = await streamOf(9);
    const other = await streamOf(3);
    const batch = await c.service.commitVes(stream, 3n, 7n);
    const prove = (sequence: bigint, batchId?: string, of = stream) =>
      refusalOf(c.service.proveVes(of, sequence, batchId));
    expect(await prove(8n)).toEqual(['BATCH_NOT_FOUND', 'Event 8 is not committed yet']);
    expect(await prove(1n, undefined, other)).toEqual(['BATCH_NOT_FOUND', 'Event 1 is not committed yet']);
    expect(await prove(2n)).toEqual([
      'BATCH_NOT_FOUND',
      "Event 2 is older than the stream's first commitment and is in none",
    ]);
    for (const sequence of [0n, 10n])
      expect(await prove(sequence)).toEqual([
        'EVENT_NOT_FOUND',
        `There is no event ${sequence}; the stream's head is 9`,
      ]);
    expect(await prove(8n, batch.batchId)).toEqual([
      'INVALID_FIELD_VALUE',
      'Sequence number not in commitment range',
    ]);
    expect(await prove(3n, batch.batchId, other)).toEqual([
      'INSUFFICIENT_PERMISSIONS',
      'Commitment access denied',
    ]);
    expect(await prove(3n, '00000000-0000-4000-8000-000000000000')).toEqual([
      'BATCH_NOT_FOUND',
      'Commitment not found',
    ]);
    const details = await c.service.proveVes(stream, 8n).catch((error) => error.details);
    expect(details).toEqual({
      status: 'not_committed',
      sequence_number: 8,
      head_sequence: 9,
      committed_through: 7,
    });
  });

  test('never answers from events that do not give the committed root', async () => {
    const stream = await streamOf(9);
    const batch = await c.service.commitVes(stream, 1n, 9n);
    await c.sql`alter table ves_events disable trigger user`;
    await c.sql`update ves_events set hashes = sha256('forged') || substr(hashes, 33)
      where tenant_id = ${stream.tenantId} and sequence_number = 4`;
    await c.sql`alter table ves_events enable trigger user`;
    const fresh = createCommitmentService({ sql: c.sql, sha256: sha256Into });
    expect(await refusalOf(fresh.proveVes(stream, 1n))).toEqual([
      'INTERNAL_ERROR',
      `the events of commitment ${batch.batchId} do not give its root: the store is damaged`,
    ]);
  });

  test('costs one tree for many proofs, also for those that ask at the same time', async () => {
    const stream = await streamOf(3000);
    await c.service.commitVes(stream, 1n, 3000n);
    let hashes = 0;
    const counting = createCommitmentService({
      sql: c.sql,
      sha256: (bytes, target, offset) => {
        hashes++;
        sha256Into(bytes, target, offset);
      },
    });
    await Promise.all(Array.from({ length: 50 }, (_, i) => counting.proveVes(stream, BigInt(1 + i * 50))));
    const built = hashes;
    expect(built).toBeLessThan(6100 + 50 * 13);
    await counting.proveVes(stream, 2999n);
    expect(hashes - built).toBeLessThan(20);
  });
});

test('any chain of ranges gives proofs that verify and state roots that follow from each other', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      async (first, sizes) => {
        const stream = await streamOf(first - 1 + sizes.reduce((sum, size) => sum + size, 0));
        let start = first;
        let prev: Uint8Array = ZERO;
        for (const size of sizes) {
          const batch = await c.service.commitVes(stream, BigInt(start), BigInt(start + size - 1));
          expect(hex(batch.merkleRoot)).toBe(hex(await vesRootOf(c.sql, stream, start, start + size - 1)));
          expect(hex(batch.prevStateRoot)).toBe(hex(prev));
          const proof = await c.service.proveVes(stream, BigInt(start + Math.floor(size / 2)));
          expect(verifyVesInclusion(proof.leafHash, proof.leafIndex, proof.path, batch.merkleRoot)).toBe(
            true,
          );
          prev = batch.newStateRoot;
          start += size;
        }
      },
    ),
    { numRuns: 15 },
  );
});

test('a long computation lets the thread do other things', async () => {
  const stream = await streamOf(60_000);
  let longest = 0;
  let last = performance.now();
  let turning = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (turning) setImmediate(turn);
  };
  setImmediate(turn);
  const start = performance.now();
  await c.service.commitVes(stream, 1n, 60_000n);
  turning = false;
  const took = performance.now() - start;
  console.log(
    `60,000 events committed in ${took.toFixed(0)} ms, longest time without a turn ${longest.toFixed(1)} ms`,
  );
  expect(longest).toBeLessThan(Math.max(25, took / 4));
});
