/** The messages of proto/*.proto: generated types, and a reader for the hot path. Pure: imports nothing of ours. */
export * as v1 from './generated/sequencer_pb.js';
export * as v2 from './generated/sequencer_v2_pb.js';
export { createWireReader, type WireReader, WireError } from './wire-reader.js';
export { createWireWriter, type WireWriter } from './wire-writer.js';
