/** JSON over HTTP: one request per push, JSON lines for the stream. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSequencerClient } from '../../../agent/client.js';
import { type Heard, type Peer, type PeerOptions, RECONNECT_MS } from './peer.js';

/** A line of the stream; only events have an envelope. */
type StreamLine = { readonly envelope?: { readonly sequence_number: number; readonly event_id: string } };

export function createHttpPeer(options: PeerOptions): Peer {
  const { url, apiKey, tenantId, storeId, agentId } = options;
  const client = createSequencerClient({ url, apiKey });
  const leaving = new AbortController();
  let reconnects = 0;

  /** Reads until the connection ends; answers the last number read. */
  async function readFrom(after: number, heard: Heard): Promise<number> {
    const query = new URLSearchParams({ tenant_id: tenantId, store_id: storeId, after: String(after) });
    const response = await fetch(`${url}/api/v1/ves/events/stream?${query}`, {
      headers: { authorization: `ApiKey ${apiKey}` },
      signal: leaving.signal,
    });
    let cursor = after;
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          const { envelope } = JSON.parse(line) as StreamLine;
          if (envelope === undefined) continue;
          heard(envelope.sequence_number, envelope.event_id);
          cursor = envelope.sequence_number;
        }
      }
    } catch {
      // cut in the middle: what was read is read
    }
    return cursor;
  }

  return {
    name: 'HTTP',
    async push(events) {
      return (await client.push(agentId, events)).receipts.size;
    },
    follow(heard) {
      void (async () => {
        for (let cursor = 0; !leaving.signal.aborted; reconnects++) {
          cursor = await readFrom(cursor, heard).catch(() => cursor);
          await sleep(RECONNECT_MS);
        }
      })();
    },
    get reconnects() {
      return reconnects;
    },
    close: () => leaving.abort(),
  };
}
