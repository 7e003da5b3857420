/**
 * Outcomes to replies. An answer is written down here, in the worker that read the request, including the receipts'
 * signatures; the main thread only sends bytes.
 */
import { type Decided, decide } from './decide.js';
import type { Codec, SequencerIdentity } from './messages.js';
import { createJsonWriter } from './render-json.js';
import { createMsgpackWriter } from './render-msgpack.js';
import { renderProto } from './render-proto.js';
import type { PreparedRequest } from './request-context.js';

/** A finished reply. */
export interface Rendered {
  readonly body: string | Uint8Array;
  readonly accepted: number;
  readonly rejected: number;
  readonly replayed: number;
}

/** Makes a renderer; receipts are signed with `identity`, logs are named below `origin`. Not re-entrant. */
export function createRenderer(
  identity: SequencerIdentity,
  origin: string,
): (request: PreparedRequest) => Rendered {
  const writers: Record<Codec, (request: PreparedRequest, decided: Decided) => string | Uint8Array> = {
    json: createJsonWriter(identity, origin),
    msgpack: createMsgpackWriter(identity, origin),
    proto: renderProto,
  };
  return (request) => {
    const decided = decide(request);
    return {
      body: writers[request.codec](request, decided),
      accepted: decided.accepted.length,
      rejected: decided.refused.length + (request.proto?.malformed.length ?? 0),
      replayed: decided.replayed.length,
    };
  };
}
