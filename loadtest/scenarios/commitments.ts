import { createRandom } from '../event-source.js';
import type { LoadRow } from '../report.js';
import type { MeasurePlan, Session } from '../session.js';
import { getRequest, postRequest } from './get-requests.js';
import type { ScenarioResult } from './index.js';

/** Events per commitment. */
const RANGE = 256;
/** Different proofs that are asked for, over and over. */
const VARIETY = 500;
/** Enough for the service to make all commitments that were asked for; it ends when they are made. */
const COMMIT_MS = 600_000;

/** Commitments of all ranges of what was stored, each made once; then proofs in them, and proofs of the streams' logs. */
export async function runCommitments(session: Session): Promise<ScenarioResult> {
  const { options, target, population, client, generators } = session;
  await session.fill(options.events);
  const { tenantId, storeIds } = population;
  const heads = await Promise.all(storeIds.map((storeId) => client.readHead({ tenantId, storeId })));
  // The last, shorter range of each stream is left out.
  const ranges = storeIds.flatMap((storeId, store) =>
    Array.from({ length: Math.floor(heads[store]! / RANGE) }, (_, i) => ({
      ...{ tenantId, storeId },
      ...{ sequenceStart: i * RANGE + 1, sequenceEnd: (i + 1) * RANGE },
    })),
  );
  if (ranges.length === 0) throw new Error(`--events: at least ${RANGE} are needed in each stream`);
  const reads: MeasurePlan = {
    ...{ protocol: 'http', window: 1, batch: 1, expect: 'answers' },
    ...{ connections: options.connections, warmupMs: options.warmupMs, measureMs: options.durationMs },
    ...(options.rate === undefined ? {} : { ratePerSec: options.rate }),
    repeat: true,
  };
  const rows: LoadRow[] = [];

  // A stream's commitments are chained, so its next one can be asked for only when the one before is made.
  await generators.take(ranges.map((range) => postRequest(target, '/api/v1/ves/commitments', range)));
  rows.push(
    await session.measure(`commit ${RANGE} events`, {
      ...{ protocol: 'http', window: 1, batch: 1, expect: 'answers' },
      ...{ connections: 1, warmupMs: 0, measureMs: COMMIT_MS },
    }),
  );

  const random = createRandom(options.seed);
  const proofs = (path: (range: (typeof ranges)[number], sequence: number) => string) =>
    Array.from({ length: VARIETY }, () => {
      const range = ranges[Math.floor(random() * ranges.length)]!;
      return getRequest(target, path(range, range.sequenceStart + Math.floor(random() * RANGE)));
    });
  const query = ({ storeId }: { storeId: string }) => `tenant_id=${tenantId}&store_id=${storeId}`;
  for (const [name, requests] of [
    ['proof in a commitment', proofs((range, at) => `/api/v1/ves/proofs/${at}?${query(range)}`)],
    [
      'proof of the log',
      proofs((range, at) => `/api/v1/log/inclusion?${query(range)}&sequence_number=${at}`),
    ],
    ['checkpoint', proofs((range) => `/api/v1/log/checkpoint?${query(range)}`)],
  ] as const) {
    await generators.take(requests);
    rows.push(await session.measure(name, reads));
  }
  return { rows };
}
