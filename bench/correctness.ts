/** After the load: what was promised, checked against the database and over HTTP. */
import type { SequencerClient } from '../agent/client.js';
import {
  decodeHex,
  eventSigningHash,
  parseVesEnvelope,
  type ReceiptJson,
  type VesEnvelopeJson,
  verifyReceipt,
} from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import { envelopeDigest } from '../loadtest/envelope-digest.js';
import type { Population } from '../loadtest/event-source.js';
import type { AnsweredSample } from '../loadtest/generator-messages.js';
import { nativeSha256 } from '../workers/native-crypto.js';

export interface Correctness {
  readonly ok: boolean;
  readonly events_stored: number;
  readonly events_acknowledged: number;
  readonly streams: number;
  readonly receipts_verified: number;
  readonly events_read_back: number;
  readonly faults: readonly string[];
}

export interface CorrectnessOptions {
  readonly sql: Sql;
  readonly client: Pick<SequencerClient, 'sequencerKeys' | 'findEvent'>;
  readonly population: Population;
  /** Events whose receipts arrived. */
  readonly acknowledged: number;
  /** Requests without a good answer: their events may be stored or not. */
  readonly failures: number;
  readonly samples: readonly AnsweredSample[];
}

/** Receipts are verified with the portable verifier, a millisecond each. */
const RECEIPTS_PER_SAMPLE_MAX = 5;
const FAULTS_MAX = 20;

/** Laws L1 to L4 over everything the bench has stored. */
export async function checkCorrectness(options: CorrectnessOptions): Promise<Correctness> {
  const { acknowledged, failures, samples } = options;
  const faults: string[] = [];
  const stored = await checkStreams(options, faults);
  if (failures === 0 ? stored.events !== acknowledged : stored.events < acknowledged)
    faults.push(`L3: ${acknowledged} events were acknowledged, ${stored.events} are stored`);
  const keys = (await options.client.sequencerKeys()).keys;
  let receipts = 0;
  for (const sample of samples) receipts += await checkSample(options, sample, keys, faults);
  return {
    ok: faults.length === 0,
    events_stored: stored.events,
    events_acknowledged: acknowledged,
    streams: stored.streams,
    receipts_verified: receipts,
    events_read_back: samples.length,
    faults: faults.slice(0, FAULTS_MAX),
  };
}

async function checkStreams({ sql, population }: CorrectnessOptions, faults: string[]) {
  const streams = await sql<{ store: string; n: bigint; low: bigint; high: bigint; head: bigint }[]>`
    select e.store_id as store, count(*) as n, min(e.sequence_number) as low, max(e.sequence_number) as high,
           max(c.current_sequence) as head
    from ves_events e join ves_sequence_counters c using (tenant_id, store_id)
    where e.tenant_id = ${population.tenantId} group by e.store_id`;
  let events = 0;
  for (const { store, n, low, high, head } of streams) {
    events += Number(n);
    // The primary key forbids a number twice, so count and bounds prove that none is missing.
    if (low !== 1n || high !== n || head !== n)
      faults.push(`L1: stream ${store} has ${n} events numbered ${low} to ${high}, its counter says ${head}`);
  }
  const [ids] = await sql<{ n: bigint }[]>`
    select count(distinct event_id) as n from ves_events where tenant_id = ${population.tenantId}`;
  if (Number(ids!.n) !== events) faults.push(`L2: ${events} events have ${ids!.n} different ids`);
  return { events, streams: streams.length };
}

/** One answered request: some receipts offline (L4), one event read back (L3). Answers the number of receipts checked. */
async function checkSample(
  { client, population }: CorrectnessOptions,
  sample: AnsweredSample,
  keys: ReadonlyMap<number, string>,
  faults: string[],
): Promise<number> {
  const sent = new Map(
    (sample.body.events as VesEnvelopeJson[]).map((envelope) => [envelope.event_id, envelope]),
  );
  const { receipts = [] } = JSON.parse(sample.text) as { receipts?: ReceiptJson[] };
  const some = pick(receipts, RECEIPTS_PER_SAMPLE_MAX);
  for (const receipt of some) {
    const verdict = verdictOn(receipt, sent.get(receipt.eventId), keys);
    if (verdict !== 'ok') faults.push(`L4: the receipt of event ${receipt.eventId}: ${verdict}`);
  }
  const receipt = some.at(-1);
  const envelope = receipt && sent.get(receipt.eventId);
  if (!receipt || !envelope) {
    faults.push('L4: a kept answer has no receipt for what was sent');
    return some.length;
  }
  const found = await client.findEvent(population.tenantId, receipt.eventId);
  if (!found) faults.push(`L3: event ${receipt.eventId} was acknowledged and is not found`);
  else if (found.envelope.sequence_number !== receipt.sequenceNumber)
    faults.push(
      `L3: event ${receipt.eventId} is at ${found.envelope.sequence_number}, not ${receipt.sequenceNumber}`,
    );
  else if (
    Buffer.compare(envelopeDigest(found.envelope, nativeSha256), envelopeDigest(envelope, nativeSha256))
  )
    faults.push(`L3: event ${receipt.eventId} is not what was sent`);
  return some.length;
}

function verdictOn(
  receipt: ReceiptJson,
  envelope: VesEnvelopeJson | undefined,
  keys: ReadonlyMap<number, string>,
): string {
  if (!envelope) return 'it is about an event that was not sent';
  const key = decodeHex(keys.get(receipt.sequencerKeyVersion) ?? '', 32);
  if (!key) return `key version ${receipt.sequencerKeyVersion} is not published`;
  const parsed = parseVesEnvelope(envelope);
  if (!parsed.ok) return parsed.message;
  const { tenant_id: tenantId, store_id: storeId, event_id: eventId } = envelope;
  const signingHash = eventSigningHash(parsed.envelope, nativeSha256);
  return verifyReceipt(receipt, { tenantId, storeId, eventId, eventSigningHash: signingHash }, key);
}

/** Up to `count` of the values, spread evenly. */
function pick<T>(values: readonly T[], count: number): T[] {
  const step = Math.max(1, values.length / count);
  const picked: T[] = [];
  for (let at = 0; at < values.length; at += step) picked.push(values[Math.floor(at)]!);
  return picked;
}
