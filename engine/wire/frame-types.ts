/** The frames of the binary WebSocket and what both ends agree on. Numbers are part of the wire contract: never reuse one. */

/** WebSocket subprotocol (RFC 6455 section 1.9). */
export const SUBPROTOCOL = 'ves.v1.msgpack';
/** Path of the endpoint. */
export const ENDPOINT_PATH = '/ws';
/** Version of the frames; `hello` says which ones a client speaks. */
export const WIRE_VERSION = 1;

/** First element of every frame. Below 32: from the client. */
export const FRAME = {
  hello: 1,
  push: 2,
  subscribe: 3,
  subscribeTenant: 4,
  ack: 5,
  unsubscribe: 6,
  ping: 7,

  welcome: 33,
  result: 34,
  error: 35,
  subscribed: 36,
  events: 37,
  storeEvents: 38,
  caughtUp: 39,
  ended: 40,
  acked: 41,
  pong: 42,
} as const;

/** Second element of frames that belong to no request. */
export const CONNECTION_ID = 0;
/** Greatest id a client may choose. */
export const FRAME_ID_MAX = 0xffff_ffff;

/** Receipts a push asks for: a sum of these. */
export const WANT_EVENT_RECEIPTS = 1;
export const WANT_GROUP_RECEIPTS = 2;

/** Most values in one list of a filter, most stores a subscription may name, and most stores in a cursor. */
export const FILTER_VALUES_MAX = 256;
export const STORES_MAX = 1024;
export const CURSOR_STORES_MAX = 65_536;
/** Most credits a subscription may hold. */
export const CREDITS_MAX = 1_000_000;
/** Longest text of a frame besides payloads, in bytes. */
export const TEXT_BYTES_MAX = 4096;

/**
 * Close codes. 4400 to 4599 say 4000 + the HTTP status of the error in the `error` frame before; the others are those of RFC 6455
 * section 7.4.1 and two of our own.
 */
export const CLOSE = {
  normal: 1000,
  /** The service stops: connect again, to another instance if there is one. */
  goingAway: 1001,
  tooLarge: 1009,
  malformed: 4400,
  unauthenticated: 4401,
  /** No `hello` in time. */
  helloTimeout: 4408,
  /** The client did not read; the `ended` frames before it, if they got through, hold the cursors. */
  slowConsumer: 4800,
  /** No version of the frames that both ends speak. */
  version: 4801,
} as const;
