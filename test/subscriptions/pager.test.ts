/** Whose page is read next. The tail is played by the test, which decides when a page is there. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createPager, type PageReader } from '../../engine/subscriptions/pager.js';
import type { PageRequest, TailRequest } from '../../engine/subscriptions/tail-messages.js';

type Page = Extract<TailRequest, { type: 'page' }>;

function startPager() {
  const asked: Page[] = [];
  const pager = createPager({ post: (request) => void asked.push(request as Page) });
  let answered = 0;
  return {
    pager,
    /** Pages asked of the database so far, in order. */
    asked,
    /** The oldest page that is being read arrives. */
    arrive(): void {
      const { page, from, to } = asked[answered++]!;
      const bytes = new Uint8Array(1);
      const [ends, sequences] = [Uint32Array.of(1), Float64Array.of(from)];
      const chunk = { first: from, last: to, head: to, count: 1, bytes, ends, sequences };
      pager.answer({ type: 'page', page, chunk });
    },
  };
}

const request = (tenantId: string, from: number): PageRequest => ({
  stream: { tenantId, storeId: randomUUID() },
  filter: {},
  format: 'json',
  from,
  to: from,
  eventsMax: 1000,
});

const reader = (parts: Partial<PageReader> = {}): PageReader => ({
  done: () => {},
  wanted: () => true,
  dropped: () => {},
  ...parts,
});

describe('pages', () => {
  test('of one tenant are read in order; another tenant’s waits for its turn, not for all of them', () => {
    const { pager, asked, arrive } = startPager();
    const [busy, other] = [randomUUID(), randomUUID()];
    for (let n = 1; n <= 100; n++) pager.read(request(busy, n), reader());
    const underWay = asked.length;
    expect(underWay).toBeLessThan(100); // L8
    pager.read(request(other, 1), reader());
    arrive();
    arrive();
    expect(asked.slice(underWay).map(({ stream }) => stream.tenantId)).toContain(other);
    while (asked.length < 101) arrive();
    const numbers = asked.filter(({ stream }) => stream.tenantId === busy).map(({ from }) => from);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  test('whose reader has no room when it is their turn are not read while others wait', () => {
    const { pager, asked, arrive } = startPager();
    const tenant = randomUUID();
    for (let n = 1; n <= 20; n++) pager.read(request(tenant, n), reader());
    const dropped: number[] = [];
    const full = (n: number) => reader({ wanted: () => false, dropped: () => void dropped.push(n) });
    for (let n = 21; n <= 50; n++) pager.read(request(tenant, n), full(n));
    const healthy: unknown[] = [];
    pager.read(request(tenant, 51), reader({ done: (result) => void healthy.push(result) }));
    while (healthy.length === 0) arrive();
    expect(asked.map(({ from }) => from)).toEqual([...Array.from({ length: 20 }, (_, i) => i + 1), 51]);
    expect(dropped).toEqual(Array.from({ length: 30 }, (_, i) => i + 21));
  });

  test('that nobody else waits for are read ahead', () => {
    const { pager, asked } = startPager();
    expect(pager.spare).toBe(true);
    pager.read(request(randomUUID(), 1), reader({ wanted: () => false }));
    expect(asked).toHaveLength(1);
    pager.hold(64 * 1024 * 1024);
    expect(pager.spare).toBe(false);
  });
});
