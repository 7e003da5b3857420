/** Subscriptions: what is stored and what is being stored, as one sequence without gap or repetition. */
export { EVENT_FORMATS, type EventChunk, type EventFormat, eventBytes, type StreamName } from './chunk.js';
export { cutChunk } from './cut-chunk.js';
export { createJsonEncoder } from './encode-json.js';
export { createMsgpackEncoder } from './encode-msgpack.js';
export { createProtoEncoder } from './encode-proto.js';
export { createSink, type EventEncoder, reserve, type Sink } from './encoder.js';
export { type EventFilter, filterName } from './filter.js';
export { createSubscriptionHub } from './hub.js';
export type {
  EventSink,
  HubStats,
  SubscribeRequest,
  Subscription,
  SubscriptionHub,
  TenantSink,
  TenantSubscribeRequest,
  TenantSubscription,
} from './hub-types.js';
export { createTail, type Tail, type TailOptions } from './tail.js';
export type {
  CommittedPiece,
  CommitWatch,
  TailAnswer,
  TailPort,
  TailRequest,
} from './tail-messages.js';
