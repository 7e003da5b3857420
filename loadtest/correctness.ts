/**
 * After a load run: what was acknowledged, against what can be read. Reads the streams in order, so it knows of every event, not only
 * of a sample: L1 (numbers 1..n), L2 (no event twice), L3 (each acknowledged event at its number), and L4 (receipts) for samples.
 */
import type { SequencerClient } from '../agent/client.js';
import {
  decodeHex,
  eventSigningHash,
  formatUuid,
  parseVesEnvelope,
  type ReceiptJson,
  verifyReceipt,
} from '../engine/protocol/index.js';
import { nativeSha256 } from '../workers/native-crypto.js';
import { type Acknowledgements, acknowledgedEvents, forEachRun, ID_BYTES } from './acknowledgements.js';
import type { SampledEvents } from './generator-messages.js';

export interface CheckReport {
  readonly ok: boolean;
  readonly events_stored: number;
  readonly events_acknowledged: number;
  readonly streams: number;
  readonly receipts_verified: number;
  readonly faults: readonly string[];
}

/** An event as stored: its number and its id, 16 bytes. */
export interface StoredEvent {
  readonly sequence: number;
  readonly id: Uint8Array;
}

/** Reads a stream from its first event to its last, a page at a time. */
export type ReadStream = (storeId: string) => AsyncIterable<readonly StoredEvent[]>;

export interface CheckOptions {
  readonly tenantId: string;
  readonly storeIds: readonly string[];
  readonly acknowledgements: readonly Acknowledgements[];
  /** Events of requests without a good answer: they may be stored or not. */
  readonly uncertainEvents: number;
  readonly readStream: ReadStream;
  readonly client: Pick<SequencerClient, 'sequencerKeys' | 'findEvent'>;
  readonly samples: readonly SampledEvents[];
}

const FAULTS_MAX = 20;
/** Receipts are verified with the portable verifier, a millisecond each. */
const RECEIPTS_PER_SAMPLE_MAX = 5;
const HASH_BYTES = 32;

export async function checkRun(options: CheckOptions): Promise<CheckReport> {
  const { acknowledgements, uncertainEvents } = options;
  const faults: string[] = [];
  const acknowledged = acknowledgedEvents(acknowledgements);
  let stored = 0;
  for (const [store, storeId] of options.storeIds.entries())
    stored += await checkStream(
      options.readStream(storeId),
      storeId,
      expectedOf(acknowledgements, store),
      faults,
    );
  if (stored < acknowledged || stored > acknowledged + uncertainEvents)
    faults.push(
      `L3: ${acknowledged} events were acknowledged, of ${uncertainEvents} the outcome is unknown, ${stored} are stored`,
    );
  const { keys } = await options.client.sequencerKeys();
  let receipts = 0;
  for (const sample of options.samples) receipts += await checkSample(options, sample, keys, faults);
  return {
    ok: faults.length === 0,
    events_stored: stored,
    events_acknowledged: acknowledged,
    streams: options.storeIds.length,
    receipts_verified: receipts,
    faults: faults.slice(0, FAULTS_MAX),
  };
}

/** Acknowledged events of a store: id (as latin1 text) -> number, 0 where it is not known. */
function expectedOf(all: readonly Acknowledgements[], store: number): Map<string, number> {
  const expected = new Map<string, number>();
  for (const acknowledgements of all)
    forEachRun(acknowledgements, (its, first, ids) => {
      if (its !== store) return;
      for (let at = 0; at < ids.length; at += ID_BYTES)
        expected.set(textOf(ids.subarray(at, at + ID_BYTES)), first === 0 ? 0 : first + at / ID_BYTES);
    });
  return expected;
}

/** Answers the number of stored events; takes what it finds out of `expected`. */
async function checkStream(
  pages: AsyncIterable<readonly StoredEvent[]>,
  storeId: string,
  expected: Map<string, number>,
  faults: string[],
): Promise<number> {
  const fault = (text: string) => {
    if (faults.length < FAULTS_MAX) faults.push(text);
  };
  const seen = new Set<string>();
  let last = 0;
  let events = 0;
  for await (const page of pages)
    for (const { sequence, id } of page) {
      events++;
      if (sequence !== last + 1) fault(`L1: in stream ${storeId} ${sequence} follows on ${last}`);
      last = sequence;
      const text = textOf(id);
      if (seen.has(text)) fault(`L2: event ${formatUuid(id)} is in stream ${storeId} twice`);
      seen.add(text);
      const promised = expected.get(text);
      if (promised !== undefined && promised !== 0 && promised !== sequence)
        fault(`L3: event ${formatUuid(id)} was acknowledged as ${promised} and is stored as ${sequence}`);
      expected.delete(text);
    }
  for (const [text, sequence] of expected) {
    if (faults.length >= FAULTS_MAX) break;
    fault(`L3: event ${formatUuid(Buffer.from(text, 'latin1'))}, acknowledged as ${sequence}, is not stored`);
  }
  return events;
}

const textOf = (id: Uint8Array): string =>
  Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1');

/** Answers the number of receipts checked: those of the answer, and that of one event asked for afterwards. */
async function checkSample(
  { client, tenantId }: CheckOptions,
  { ids, hashes, text }: SampledEvents,
  keys: ReadonlyMap<number, string>,
  faults: string[],
): Promise<number> {
  const sent = new Map<string, Uint8Array>();
  for (let i = 0; i * ID_BYTES < ids.length; i++)
    sent.set(formatUuid(ids, i * ID_BYTES), hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  const eventId = [...sent.keys()].at(-1)!;
  const found = await client.findEvent(tenantId, eventId);
  if (found === undefined) {
    faults.push(`L3: event ${eventId} was acknowledged and is not found`);
    return 0;
  }
  const { envelope, receipt } = found;
  const answered = text === '' ? [] : ((JSON.parse(text) as { receipts?: ReceiptJson[] }).receipts ?? []);
  const receipts = [...answered.slice(0, RECEIPTS_PER_SAMPLE_MAX), receipt];
  for (const each of receipts) {
    const verdict = verdictOn(each, { tenantId, storeId: envelope.store_id }, sent.get(each.eventId), keys);
    if (verdict !== 'ok') faults.push(`L4: the receipt of event ${each.eventId}: ${verdict}`);
  }
  const parsed = parseVesEnvelope(envelope);
  const same =
    parsed.ok && Buffer.compare(eventSigningHash(parsed.envelope, nativeSha256), sent.get(eventId)!) === 0;
  if (!same) faults.push(`L3: event ${eventId} is not what was sent`);
  if (envelope.sequence_number !== receipt.sequenceNumber)
    faults.push(
      `L4: event ${eventId} is at ${envelope.sequence_number}, its receipt says ${receipt.sequenceNumber}`,
    );
  return receipts.length;
}

function verdictOn(
  receipt: ReceiptJson,
  stream: { tenantId: string; storeId: string },
  signingHash: Uint8Array | undefined,
  keys: ReadonlyMap<number, string>,
): string {
  if (signingHash === undefined) return 'it is about an event that was not sent';
  const key = decodeHex(keys.get(receipt.sequencerKeyVersion) ?? '', 32);
  if (!key) return `key version ${receipt.sequencerKeyVersion} is not published`;
  return verifyReceipt(
    receipt,
    { ...stream, eventId: receipt.eventId, eventSigningHash: signingHash },
    key,
    nativeSha256,
  );
}
