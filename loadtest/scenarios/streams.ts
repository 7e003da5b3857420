import type { Session } from '../session.js';
import { measureFanOut } from './fan-out.js';
import type { ScenarioResult } from './index.js';

const RATE_DEFAULT = 500;
/** So many requests per second at least, so that events do not come in bursts of our own making. */
const REQUESTS_PER_SEC_MIN = 50;
const SPARE = 1.05;

/** Subscribers of one stream while events are written at a rate. */
export async function runStreams(session: Session): Promise<ScenarioResult> {
  const { options } = session;
  const { subscribers, protocol, connections, window, warmupMs, durationMs } = options;
  const rate = options.rate ?? RATE_DEFAULT;
  const batch = Math.min(options.batch, Math.max(1, Math.floor(rate / REQUESTS_PER_SEC_MIN)));
  await session.prepare((rate * SPARE * (warmupMs + durationMs)) / 1000, batch, protocol);
  const { row, faults, delivery_ms, ...figures } = await measureFanOut(session, subscribers, {
    ...{ protocol, connections, window, batch, warmupMs },
    ...{ measureMs: durationMs, ratePerSec: rate / batch },
  });
  const latencies = Object.entries(delivery_ms).map(([name, ms]): [string, number] => [
    `commit_to_client_${name}_ms`,
    ms,
  ]);
  return { rows: [row], figures: { ...figures, ...Object.fromEntries(latencies) }, faults };
}
