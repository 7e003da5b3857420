/** Readers of requests, by codec. */
import type { Codec } from './messages.js';
import { prepareLegacyJson, prepareVesJson } from './prepare-json.js';
import { createMsgpackReader } from './prepare-msgpack.js';
import { createLegacyProtoReader, createVesProtoReader } from './prepare-proto.js';
import type { Arrival, IngestLimits, LegacyRequest, VesRequest } from './request-context.js';

/** Reads requests. All throw ServiceError when the request as a whole is unusable. */
export interface RequestReaders {
  readVes(arrival: Arrival): VesRequest;
  readLegacy(arrival: Arrival): LegacyRequest;
}

type Reader<Request> = (arrival: Arrival) => Request;

/** Makes the readers. @param strictFormat refuse hex without 0x and the like */
export function createRequestReaders(limits: IngestLimits, strictFormat: boolean): RequestReaders {
  const ves = {
    json: (arrival) => prepareVesJson(arrival, limits, strictFormat),
    msgpack: createMsgpackReader(limits, strictFormat),
    proto: createVesProtoReader(limits),
  } as Record<Codec, Reader<VesRequest>>;
  const legacy = {
    json: (arrival) => prepareLegacyJson(arrival, limits),
    proto: createLegacyProtoReader(limits),
  } as Record<Exclude<Codec, 'msgpack'>, Reader<LegacyRequest>>;
  return {
    readVes: (arrival) => ves[arrival.codec](arrival),
    readLegacy: (arrival) => legacy[arrival.codec as 'json'](arrival),
  };
}
