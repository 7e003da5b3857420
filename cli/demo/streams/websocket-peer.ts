/** The binary WebSocket: pushes and the stream share one connection; the client opens it again by itself. */
import { createStreamClient } from '../../../agent/stream-client.js';
import type { Peer, PeerOptions } from './peer.js';

export function createWebSocketPeer({ url, apiKey, tenantId, storeId, agentId }: PeerOptions): Peer {
  let reconnects = 0;
  const client = createStreamClient({ url, apiKey, onDown: () => void reconnects++ });
  return {
    name: 'WebSocket',
    async push(events) {
      const { accepted, replayed } = await client.push(agentId, events);
      return accepted + replayed;
    },
    follow(heard) {
      const subscription = client.subscribe({ tenantId, storeId, after: 0 });
      void (async () => {
        for await (const event of subscription) heard(event.sequence, event.eventId);
      })().catch(() => {}); // closed
    },
    get reconnects() {
      return reconnects;
    },
    close: () => client.close(),
  };
}
