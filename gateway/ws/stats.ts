import type { GatewayStat } from '../metrics/metrics.js';

/** Counters since the start, and what is open now. */
export interface WebSocketStats {
  connections: number;
  subscriptions: number;
  accepted: number;
  refused: number;
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  slowConsumers: number;
  malformed: number;
}

export const createStats = (): WebSocketStats => ({
  connections: 0,
  subscriptions: 0,
  accepted: 0,
  refused: 0,
  framesIn: 0,
  framesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  slowConsumers: 0,
  malformed: 0,
});

const HELP: Record<keyof WebSocketStats, readonly [name: string, help: string]> = {
  connections: ['ws_connections', 'WebSocket connections that are open'],
  subscriptions: ['ws_subscriptions', 'Subscriptions on WebSocket connections'],
  accepted: ['ws_connections_accepted', 'WebSocket connections since the start'],
  refused: ['ws_connections_refused', 'Upgrades refused for credentials, limits or a missing subprotocol'],
  framesIn: ['ws_frames_in', 'Frames received'],
  framesOut: ['ws_frames_out', 'Frames sent'],
  bytesIn: ['ws_bytes_in', 'Bytes of frames received'],
  bytesOut: ['ws_bytes_out', 'Bytes of frames sent'],
  slowConsumers: ['ws_slow_consumers_cut', 'Connections cut because they did not read'],
  malformed: ['ws_malformed_frames', 'Frames that broke the rules; each ended its connection'],
};

/** The numbers under the names of `/metrics`. */
export const collectWebSocketStats = (stats: WebSocketStats): GatewayStat[] =>
  (Object.keys(HELP) as (keyof WebSocketStats)[]).map((key) => ({
    name: HELP[key][0],
    help: HELP[key][1],
    value: stats[key],
  }));
