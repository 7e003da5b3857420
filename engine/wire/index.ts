/** The frames of the binary WebSocket: pure, for the service, for clients and for browsers. */
export * from './client-frames.js';
export * from './event-record.js';
export { type FrameHead, readHead } from './frame-head.js';
export * from './frame-types.js';
export { createFrameWriter, type FrameWriter } from './frame-writer.js';
export * from './msgpack-reader.js';
export * from './msgpack-writer.js';
export * from './push-frame.js';
export * from './push-result.js';
export * from './server-frames.js';
