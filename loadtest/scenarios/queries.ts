import { createRandom } from '../event-source.js';
import type { LoadRow } from '../report.js';
import type { Session } from '../session.js';
import { getRequest } from './get-requests.js';
import type { ScenarioResult } from './index.js';

/** Different requests of each kind; they are sent over and over. */
const VARIETY = 500;
const PAGE = 100;

/** Reads of what was stored before: each kind on its own, then all of them mixed. */
export async function runQueries(session: Session): Promise<ScenarioResult> {
  const { options, target } = session;
  await session.fill(options.events);
  const paths = await makePaths(session);
  const kinds = [...Object.entries(paths), ['mixed', interleave(Object.values(paths))] as const];
  const rows: LoadRow[] = [];
  for (const [name, all] of kinds) {
    await session.generators.take(all.map((path) => getRequest(target, path)));
    rows.push(
      await session.measure(name, {
        ...{ protocol: 'http', window: 1, batch: 1, repeat: true, expect: 'answers' },
        ...{ connections: options.connections, warmupMs: options.warmupMs, measureMs: options.durationMs },
        ...(options.rate === undefined ? {} : { ratePerSec: options.rate }),
      }),
    );
  }
  return { rows };
}

async function makePaths(session: Session): Promise<Record<string, string[]>> {
  const { client, population, options } = session;
  const { tenantId, storeIds } = population;
  const random = createRandom(options.seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const streams = await Promise.all(
    storeIds.map(async (storeId) => {
      const { events, head } = await client.readEvents({ tenantId, storeId }, 1, PAGE);
      return { query: `tenant_id=${tenantId}&store_id=${storeId}`, events, head };
    }),
  );
  const filled = streams.filter((stream) => stream.head > 0);
  const many = (make: (stream: (typeof streams)[number]) => string) =>
    Array.from({ length: VARIETY }, () => make(pick(filled)));
  return {
    head: many(({ query }) => `/api/v1/ves/head?${query}`),
    'page of 100': many(({ query, head }) => {
      const from = 1 + Math.floor(random() * Math.max(1, head - PAGE));
      return `/api/v1/ves/events?${query}&from=${from}&limit=${PAGE}`;
    }),
    'event by id': many(({ events }) => `/api/v1/ves/events/${pick(events).event_id}?tenant_id=${tenantId}`),
    entity: many(({ query, events }) => {
      const { entity_type: type, entity_id: id } = pick(events);
      return `/api/v1/ves/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}?${query}`;
    }),
  };
}

/** One of each list in turn. */
export const interleave = <T>(lists: readonly (readonly T[])[]): T[] =>
  Array.from({ length: Math.max(0, ...lists.map((list) => list.length)) }, (_, i) =>
    lists.flatMap((list) => (i < list.length ? [list[i]!] : [])),
  ).flat();
