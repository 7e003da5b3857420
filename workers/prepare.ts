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
  const ves: Record<Codec, Reader<VesRequest>> = {
    json: (arrival) => prepareVesJson(arrival, limits, strictFormat),
    msgpack: createMsgpackReader(limits, strictFormat),
    proto: createVesProtoReader(limits),
  };
  // The binary WebSocket carries signed events only.
  const legacy: Partial<Record<Codec, Reader<LegacyRequest>>> = {
    json: (arrival) => prepareLegacyJson(arrival, limits),
    proto: createLegacyProtoReader(limits),
  };
  return {
    readVes: (arrival) => ves[arrival.codec](arrival),
    readLegacy(arrival) {
      const read = legacy[arrival.codec];
      if (read === undefined) throw new Error(`legacy events do not come as ${arrival.codec}`);
      return read(arrival);
    },
  };
}
