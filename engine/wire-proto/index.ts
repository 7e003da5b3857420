/** The messages of proto/: generated types, and readers and writers of single fields for the hot path. Imports nothing of ours. */
export * as health from './generated/grpc/health/v1/health_pb.js';
export * as reflection from './generated/grpc/reflection/v1/reflection_pb.js';
export * as reflectionAlpha from './generated/grpc/reflection/v1alpha/reflection_pb.js';
export * as v1 from './generated/sequencer_pb.js';
export * as v2 from './generated/sequencer_v2_pb.js';
export { createWireReader, WireError, type WireReader } from './wire-reader.js';
export { createWireWriter, type WireWriter } from './wire-writer.js';
