/** Subscribers of one stream, and whether they heard all of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ID_BYTES } from '../acknowledgements.js';
import type { ReadStream } from '../correctness.js';
import { mergeLatencies } from '../latency.js';
import { databaseReader, httpReader } from '../read-stream.js';
import { type LatencyMs, type LoadRow, latencyMs } from '../report.js';
import type { MeasurePlan, Session } from '../session.js';
import type { DeliveryCounts, HeardLog } from '../subscriber-messages.js';
import { startSubscribers } from '../subscribers.js';

export interface FanOutResult {
  /** The writing. */
  readonly row: LoadRow;
  readonly subscribers: number;
  readonly deliveries_per_second: number;
  readonly megabytes_per_second: number;
  readonly events_per_frame: number;
  /** From `sequenced_at` to arrival. */
  readonly delivery_ms: LatencyMs;
  readonly faults: readonly string[];
}

/** The stream everybody listens to: the population's first. */
const STORE = 0;
const DRAIN_TIMEOUT_MS = 60_000;
const FAULTS_MAX = 20;

/** Subscribes, runs the writing plan (which has to be prepared), and waits until every subscriber has everything. */
export async function measureFanOut(
  session: Session,
  subscribers: number,
  plan: MeasurePlan,
): Promise<FanOutResult> {
  const { target, population, client } = session;
  const stream = { tenantId: population.tenantId, storeId: population.storeIds[STORE]! };
  const after = await client.readHead(stream);
  const thread = startSubscribers();
  try {
    session.say(`subscribing ${subscribers} times …`);
    const { host, port, apiKey } = target;
    await thread.open({ host, port, apiKey, sockets: subscribers, subscription: { ...stream, after } });
    const writing = session.measure(`fan-out, ${subscribers} subscribers`, plan);
    // Counting both ends inside of the measured time.
    await sleep(plan.warmupMs);
    await thread.begin();
    await sleep(plan.measureMs);
    const counts = await thread.end();
    const row = await writing;
    const head = await client.readHead(stream);
    const complete = await thread.await(head, DRAIN_TIMEOUT_MS);
    const heard = await thread.close();
    const faults = [...heard.faults];
    if (!complete) faults.push(`L7: a subscriber is at ${heard.leastCursor}, the stream at ${head}`);
    faults.push(...(await compareHeard(heard, readerOf(session), stream.storeId)));
    return { row, subscribers, ...deliveryFigures(counts), faults: faults.slice(0, FAULTS_MAX) };
  } catch (error) {
    await thread.close().catch(() => {});
    throw error;
  }
}

export const readerOf = ({ target, population, client }: Session): ReadStream =>
  target.local
    ? databaseReader(target.local.sql, population.tenantId)
    : httpReader(client, population.tenantId);

/** Figures of the deliveries of some time. */
export function deliveryFigures({ seconds, deliveries, frames, bytes, latencies }: DeliveryCounts) {
  return {
    deliveries_per_second: Math.round(deliveries / seconds),
    megabytes_per_second: Number((bytes / seconds / 1e6).toFixed(1)),
    events_per_frame: Number((deliveries / Math.max(1, frames)).toFixed(1)),
    delivery_ms: latencyMs(mergeLatencies([latencies])),
  };
}

/** What was heard, against what is stored. Answers what is wrong. */
export async function compareHeard(
  { first, ids }: HeardLog,
  readStream: ReadStream,
  storeId: string,
): Promise<string[]> {
  let expected = first;
  for await (const page of readStream(storeId))
    for (const { sequence, id } of page) {
      if (sequence < first) continue;
      const at = (sequence - first) * ID_BYTES;
      if (at >= ids.length) return [`L7: event ${sequence} is stored and was not heard`];
      if (Buffer.compare(ids.subarray(at, at + ID_BYTES), id) !== 0)
        return [`L7: event ${sequence} is another one than was heard`];
      expected = sequence + 1;
    }
  const heard = first + ids.length / ID_BYTES;
  return heard === expected ? [] : [`L7: ${heard - expected} events were heard that are not stored`];
}
