import type { Session } from '../session.js';
import { startSubscribers } from '../subscribers.js';
import { compareHeard, deliveryFigures, readerOf } from './fan-out.js';
import type { ScenarioResult } from './index.js';

const STORE = 0;
const TIMEOUT_MS = 300_000;

/** One subscriber reads a stream that is long already. */
export async function runCatchUp(session: Session): Promise<ScenarioResult> {
  await session.fill(session.options.events);
  const { faults, ...figures } = await measureCatchUp(session, 1);
  return { rows: [], figures, faults };
}

/** So many subscribers at once read the population's first stream from its beginning. Events per second are those of all together. */
export async function measureCatchUp(session: Session, subscribers: number) {
  const { target, population, client } = session;
  const stream = { tenantId: population.tenantId, storeId: population.storeIds[STORE]! };
  const head = await client.readHead(stream);
  const thread = startSubscribers();
  try {
    session.say(`${subscribers} of catch-up: reading ${head} events …`);
    const { host, port, apiKey } = target;
    await thread.begin();
    await thread.open({ host, port, apiKey, sockets: subscribers, subscription: { ...stream, after: 0 } });
    const complete = await thread.await(head, TIMEOUT_MS);
    const { delivery_ms: _, deliveries_per_second, ...figures } = deliveryFigures(await thread.end());
    const heard = await thread.close();
    const faults = [...heard.faults, ...(await compareHeard(heard, readerOf(session), stream.storeId))];
    if (!complete) faults.push(`L7: a subscriber is at ${heard.leastCursor}, the stream at ${head}`);
    return { subscribers, events: head, events_per_second: deliveries_per_second, ...figures, faults };
  } catch (error) {
    await thread.close().catch(() => {});
    throw error;
  }
}
