/** The binary WebSocket: frames in, engine calls out. */
export type { WebSocketGatewayDeps } from './deps.js';
export { createWebSocketGateway, type WebSocketGateway } from './gateway.js';
export type { WebSocketStats } from './stats.js';
export type { Cursors } from './subscriptions.js';
