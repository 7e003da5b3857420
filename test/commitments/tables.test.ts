import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { vesCommitmentRowCheck } from '../../engine/store/ves-commitments.js';
import { appendLegacy, appendVes, freshStream, refusalOf, startCommitments } from './support.js';

let c: Awaited<ReturnType<typeof startCommitments>>;
const stream = freshStream();
beforeAll(async () => {
  c = await startCommitments();
  await appendVes(c.sql, stream, 30);
  await appendLegacy(c.sql, stream, 30);
  for (let start = 1n; start <= 10n; start++) {
    await c.service.commitVes(stream, start, start);
    await c.service.commitLegacy(stream, start, start);
  }
});
afterAll(() => c.stop());

describe.each(['ves_commitments', 'commitments'])('%s', (table) => {
  const columns = async () => {
    const rows = await c.sql<{ name: string }[]>`
      select column_name as name from information_schema.columns where table_name = ${table}`;
    return rows.map((row) => row.name);
  };
  const anchoring = ['chain_id', 'chain_tx_hash', 'chain_block_number', 'anchored_at', 'row_check'];
  const other: Record<string, string> = {
    uuid: 'gen_random_uuid()',
    bigint: '99',
    integer: '99',
    bytea: `sha256('x')`,
    'timestamp with time zone': 'now()',
  };

  test('lets nothing change but what is known of anchoring', async () => {
    for (const name of await columns()) {
      const [column] = await c.sql<{ type: string }[]>`
        select data_type as type from information_schema.columns where table_name = ${table} and column_name = ${name}`;
      const change = c.sql.begin(async (tx) => {
        await tx.unsafe(`update ${table} set ${name} = ${other[column!.type]} where sequence_start = 5`);
        throw new Error('allowed');
      });
      const [, message] = await refusalOf(change);
      if (anchoring.includes(name)) expect(message, name).toBe('allowed');
      else expect(message, name).toBe(`${table} may gain anchors only: UPDATE refused`);
    }
  });

  test('lets nothing go away', async () => {
    expect(await refusalOf(c.sql.unsafe(`delete from ${table} where sequence_start = 5`))).toEqual([
      '23001',
      `${table} may gain anchors only: DELETE refused`,
    ]);
    expect((await refusalOf(c.sql.unsafe(`truncate ${table}`)))[1]).toContain('TRUNCATE refused');
  });

  test('takes no rows that contradict themselves', async () => {
    const insert = async (changes: Record<string, string>) => {
      const names = (await columns()).filter((name) => !anchoring.slice(0, 4).includes(name));
      const values = names.map((name) => changes[name] ?? name);
      const [code] = await refusalOf(
        c.sql.unsafe(
          `insert into ${table} (${names}) select ${values} from ${table} where sequence_start = 10`,
        ),
      );
      return code;
    };
    const next = { sequence_start: '11', sequence_end: '11', batch_id: 'gen_random_uuid()' };
    expect(await insert({ ...next, sequence_start: '10', sequence_end: '10' })).toBe('23505');
    expect(await insert({ ...next, batch_id: 'batch_id' })).toBe('23505');
    expect(await insert({ ...next, sequence_end: '12' })).toBe('23514');
    expect(await insert({ ...next, sequence_end: '10' })).toBe('23514');
    expect(await insert({ ...next, new_state_root: `'short'` })).toBe('23514');
  });
});

describe('lists', () => {
  test('go on behind a number and end at their limit', async () => {
    for (const list of [c.service.listVes, c.service.listLegacy]) {
      const starts = async (after: bigint, limit: number) =>
        (await list(stream, { after, limit, anchored: true })).map((each) => Number(each.sequenceStart));
      expect(await starts(0n, 3)).toEqual([1, 2, 3]);
      expect(await starts(3n, 3)).toEqual([4, 5, 6]);
      expect(await starts(8n, 30)).toEqual([9, 10]);
      expect(await starts(10n, 3)).toEqual([]);
    }
    expect(await c.service.listVes(freshStream(), { after: 0n, limit: 3, anchored: true })).toEqual([]);
  });

  test('use their indexes', async () => {
    const plan = await c.sql.begin(async (tx) => {
      await tx`select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
        set_config('enable_sort', 'off', true)`;
      const rows = await tx<
        { 'QUERY PLAN': string }[]
      >`explain select * from ves_commitments where chain_tx_hash is null
        order by committed_at, batch_id limit 10`;
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
    expect(plan).toContain('Index Scan using ves_commitments_pending');
    expect(plan).not.toContain('Sort');
  });
});

describe('marking as anchored', () => {
  const txHash = new Uint8Array(32).fill(7);
  const anchor = { txHash, chainId: 4_294_967_295, blockNumber: 123_456_789_012n };

  test('is written down once, takes the commitment off the lists, and keeps the row sound', async () => {
    const commitments = await c.service.listVes(stream, { after: 0n, limit: 10, anchored: true });
    const before = commitments[3]!;
    expect(await c.service.markAnchored(before.batchId, anchor)).toBe('anchored');
    expect(await c.service.markAnchored(before.batchId, anchor)).toBe('already_anchored');
    const after = (await c.service.getVes(before.batchId))!;
    expect(after).toEqual({
      ...before,
      chainId: anchor.chainId,
      chainTxHash: txHash,
      chainBlockNumber: anchor.blockNumber,
      anchoredAtMicros: expect.any(BigInt),
    });
    const [row] = await c.sql`select row_check from ves_commitments where batch_id = ${before.batchId}`;
    expect(row!.row_check).toBe(vesCommitmentRowCheck(after));
    const open = await c.service.listVes(stream, { after: 0n, limit: 100, anchored: false });
    expect(open.map((each) => Number(each.sequenceStart))).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10]);
    expect((await c.service.listPending(100)).map((each) => each.batchId)).toEqual(
      open.map((each) => each.batchId),
    );
    expect(await c.service.listPending(2)).toHaveLength(2);
  });

  test('by another transaction, or of nothing, is refused', async () => {
    const commitments = await c.service.listVes(stream, { after: 0n, limit: 10, anchored: true });
    const { batchId } = commitments[4]!;
    await c.service.markAnchored(batchId, { ...anchor, blockNumber: null });
    expect((await c.service.getVes(batchId))!.chainBlockNumber).toBeNull();
    const other = { ...anchor, txHash: new Uint8Array(32).fill(8) };
    expect(await refusalOf(c.service.markAnchored(batchId, other))).toEqual([
      'ALREADY_EXISTS',
      `The commitment is anchored by transaction 0x${'07'.repeat(32)}`,
    ]);
    expect((await refusalOf(c.service.markAnchored('00000000-0000-4000-8000-000000000000', anchor)))[0]).toBe(
      'BATCH_NOT_FOUND',
    );
  });

  test('by many at once has one that does it', async () => {
    const commitments = await c.service.listVes(stream, { after: 0n, limit: 10, anchored: true });
    const { batchId } = commitments[5]!;
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) =>
        c.service.markAnchored(batchId, { ...anchor, txHash: new Uint8Array(32).fill(i) }),
      ),
    );
    expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
  });
});
