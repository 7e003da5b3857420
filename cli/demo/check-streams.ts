/** The streams read back from the first event to the head, and compared with what the agents wrote down. */
import { hash } from 'node:crypto';
import type { SequencerClient, StreamId } from '../../agent/client.js';
import { encodeHex, type Sha256 } from '../../engine/protocol/index.js';
import { envelopeDigest } from '../../loadtest/envelope-digest.js';
import type { LedgerEntry } from './ledger.js';

const PAGE_EVENTS = 1000;
const FAULTS_MAX = 20;

const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');

export interface StreamCheck {
  readonly storeId: string;
  readonly events: number;
  readonly faults: readonly string[];
}

/**
 * Checks one stream: numbers 1..head without a gap, every event once, every acknowledged event at its number with its
 * content, and nothing besides.
 *
 * @param acknowledged the ledger's entries of this stream
 */
export async function checkStream(
  client: Pick<SequencerClient, 'readEvents'>,
  stream: StreamId,
  acknowledged: readonly LedgerEntry[],
): Promise<StreamCheck> {
  const faults: string[] = [];
  const fault = (what: string) => {
    if (faults.length < FAULTS_MAX) faults.push(`stream ${stream.storeId}: ${what}`);
  };
  const expected = new Map<string, LedgerEntry>();
  for (const entry of acknowledged) {
    if (expected.has(entry.eventId)) fault(`event ${entry.eventId} was acknowledged twice`);
    expected.set(entry.eventId, entry);
  }
  const seen = new Set<string>();
  let at = 1;
  for (let head = 1; at <= head; ) {
    const page = await client.readEvents(stream, at, PAGE_EVENTS);
    head = page.head;
    if (page.events.length === 0) break;
    for (const envelope of page.events) {
      const { event_id: id, sequence_number: number } = envelope;
      if (number !== at) fault(`number ${number} where ${at} must be`);
      at = number + 1;
      if (seen.has(id)) fault(`event ${id} is there twice`);
      seen.add(id);
      const entry = expected.get(id);
      if (!entry) fault(`event ${id} at ${number} was acknowledged to nobody`);
      else if (entry.receipt.sequenceNumber !== number)
        fault(`event ${id} is at ${number}, its receipt says ${entry.receipt.sequenceNumber}`);
      else if (entry.digest !== encodeHex(envelopeDigest(envelope, sha256)))
        fault(`event ${id} at ${number} is not what was sent`);
    }
  }
  for (const id of expected.keys()) if (!seen.has(id)) fault(`event ${id} was acknowledged and is not there`);
  return { storeId: stream.storeId, events: seen.size, faults };
}
