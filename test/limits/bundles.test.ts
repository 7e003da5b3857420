import { describe, expect, test } from 'vitest';
import { createBlockPool } from '../../workers/block-pool.js';
import { BUNDLE_BYTES, createBundleQueue, MIXED_BUNDLE_BYTES } from '../../workers/bundle-queue.js';
import type { IngestRequest } from '../../workers/ingest-port.js';
import { createTurns } from '../../workers/turns.js';

const request = (bytes: number, lane = 1): IngestRequest => ({
  ...{ kind: 'ves', codec: 'json', scope: { tenant: null, stores: [], agent: null } },
  ...{ body: Buffer.alloc(bytes), deadlineMs: 0, receipts: 0, lane, reply: () => {} },
});
const everybody = () => true;

describe('bundles', () => {
  test('a large request of one tenant and a small one of another do not wait for each other', () => {
    const queue = createBundleQueue(createBlockPool(0));
    for (let i = 0; i < 8; i++) queue.push('flood', request(70_000));
    queue.push('modest', request(700));
    const bundles = [queue.next(everybody)!, queue.next(everybody)!];
    expect(bundles.map(({ tenants }) => [...tenants])).toEqual([['flood'], ['modest']]);
    expect(bundles[1]!.requests.length).toBe(1);
  });

  test('small requests of many tenants travel together', () => {
    const queue = createBundleQueue(createBlockPool(0));
    for (let i = 0; i < 200; i++) queue.push(`tenant ${i}`, request(700));
    const bundle = queue.next(everybody)!;
    expect(bundle.tenants.size).toBe(Math.floor(MIXED_BUNDLE_BYTES / 700));
  });

  test('a tenant alone fills a bundle, in order of arrival; one larger request passes alone', () => {
    const queue = createBundleQueue(createBlockPool(0));
    const requests = Array.from({ length: 300 }, (_, lane) => request(700, lane));
    for (const each of requests) queue.push('a', each);
    const taken: IngestRequest[] = [];
    for (let bundle = queue.next(everybody); bundle !== undefined; bundle = queue.next(everybody)) {
      expect(bundle.bytes).toBeLessThanOrEqual(BUNDLE_BYTES);
      taken.push(...bundle.requests.map((held) => held.request));
    }
    expect(taken).toEqual(requests);
    queue.push('a', request(2 * BUNDLE_BYTES));
    queue.push('a', request(1));
    expect(queue.next(everybody)!.requests.length).toBe(1);
    expect(queue.size).toBe(1);
  });

  test('a tenant with enough under way is passed over', () => {
    const queue = createBundleQueue(createBlockPool(0));
    queue.push('flood', request(70_000));
    queue.push('modest', request(700));
    expect([...queue.next((tenant) => tenant !== 'flood')!.tenants]).toEqual(['modest']);
    expect(queue.next((tenant) => tenant !== 'flood')).toBeUndefined();
    expect(queue.size).toBe(1);
  });
});

describe('turns in a verify worker', () => {
  /** Bundles arrive in this order while the worker is busy with the first; the order in which they are taken. */
  async function orderOf(...bundles: (string | null)[]): Promise<number[]> {
    const turns = createTurns();
    const order: number[] = [];
    await Promise.all(
      bundles.map(async (tenants, i) => {
        const turn = await turns.wait(tenants === null ? undefined : new Set(tenants), false);
        order.push(i);
        await new Promise(setImmediate);
        turn.done();
      }),
    );
    return order;
  }

  test('go from tenant to tenant', async () => {
    expect(await orderOf('a', 'a', 'a', 'b', 'c')).toEqual([0, 3, 1, 4, 2]);
  });

  test('keep the order of bundles that have a tenant in common', async () => {
    expect(await orderOf('a', 'a', 'ab', 'b')).toEqual([0, 1, 2, 3]);
    expect(await orderOf('a', 'a', 'b', 'bc', 'c')).toEqual([0, 2, 1, 3, 4]);
  });

  test('never go past a bundle of the operator, who may write for anybody', async () => {
    expect(await orderOf('a', 'a', null, 'b')).toEqual([0, 1, 2, 3]);
  });

  test('a small bundle goes between the parts of a larger one of other tenants, and nothing goes between its own', async () => {
    const turns = createTurns();
    const large = await turns.wait(new Set('a'), false);
    const guests = [
      turns.wait(new Set('b'), false),
      turns.wait(new Set('a'), true),
      turns.wait(new Set('c'), true),
    ];
    const paused = large.pause();
    const guest = await guests[2]!;
    expect([guest.isGuest, guest.pause()]).toEqual([true, undefined]);
    guest.done();
    await paused;
    expect(large.pause()).toBeUndefined();
    large.done();
    const second = await guests[0]!;
    expect(second.isGuest).toBe(false);
    second.done();
    (await guests[1]!).done();
  });
});
