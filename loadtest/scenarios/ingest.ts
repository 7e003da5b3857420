import type { Session } from '../session.js';
import type { ScenarioResult } from './index.js';

/** Prepared for more than is expected to be done, so that requests do not run out. */
const SPARE = 1.05;

/** Signed events in batches, over one of the protocols. */
export async function runIngest(session: Session): Promise<ScenarioResult> {
  const { protocol, rate, batch, connections, window, warmupMs, durationMs, expectedRate } = session.options;
  const events = ((rate ?? expectedRate) * SPARE * (warmupMs + durationMs)) / 1000;
  await session.prepare(events, batch, protocol);
  const row = await session.measure(`${protocol}, batch ${batch}`, {
    ...{ protocol, connections, window, batch, warmupMs, measureMs: durationMs },
    ...(rate === undefined ? {} : { ratePerSec: rate / batch }),
  });
  return { rows: [row] };
}
