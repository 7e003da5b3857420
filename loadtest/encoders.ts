/** Requests as the protocols want them: bytes that only have to be sent. */
import { decodeHex, parseUuid, type VesEnvelopeJson } from '../engine/protocol/index.js';
import { encodePush, pushEventOf, WANT_GROUP_RECEIPTS } from '../engine/wire/index.js';
import type { Protocol } from './line.js';
import { bytesField, numberField } from './protobuf.js';
import { clientFrame } from './websocket-frames.js';

/** What a request says. */
export interface EventRequest {
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
  readonly events: readonly VesEnvelopeJson[];
  /** Different for every request of a block. */
  readonly serial: number;
}

export interface EncoderOptions {
  /** Over HTTP, every request carries them. */
  readonly path: string;
  readonly host: string;
  readonly apiKey: string;
}

export type EncodeRequest = (request: EventRequest) => Uint8Array;

/** How requests are encoded, by protocol. */
export const ENCODERS: Readonly<Record<Protocol, (options: EncoderOptions) => EncodeRequest>> = {
  http: createHttpEncoder,
  ws: () => encodeWsPush,
  grpc: () => encodeGrpcPush,
};

/** The body of an ingest request over HTTP. */
export const ingestBody = ({ agentId, events }: Pick<EventRequest, 'agentId' | 'events'>): string =>
  `{"agentId":"${agentId}","events":[${events.map((event) => JSON.stringify(event)).join(',')}]}`;

/** Whole HTTP messages. */
function createHttpEncoder({ path, host, apiKey }: EncoderOptions): EncodeRequest {
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${apiKey}\r\n` +
    'content-type: application/json\r\ncontent-length: ';
  return (request) => {
    const body = ingestBody(request);
    return Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
}

/** Whole WebSocket frames. They ask for what is the default there, group receipts. */
const encodeWsPush: EncodeRequest = ({ tenantId, storeId, agentId, events, serial }) =>
  clientFrame(
    encodePush({
      // 0 belongs to the connection.
      id: serial + 1,
      tenant: parseUuid(tenantId)!,
      store: parseUuid(storeId)!,
      agent: parseUuid(agentId)!,
      receipts: WANT_GROUP_RECEIPTS,
      events: events.map(pushEventOf),
    }),
  );

/** Messages `stateset.sequencer.v2.PushRequest`. */
const encodeGrpcPush: EncodeRequest = ({ tenantId, storeId, agentId, events }) =>
  Buffer.concat([
    bytesField(1, agentId),
    bytesField(2, tenantId),
    bytesField(3, storeId),
    ...events.map((event) => bytesField(4, encodeEnvelope(event))),
  ]);

const PAYLOAD_KIND_PLAINTEXT = 1;

/** Message `EventEnvelope` of a plaintext event. The text of `created_at` is what was signed. */
const encodeEnvelope = (event: VesEnvelopeJson): Buffer =>
  Buffer.concat([
    bytesField(1, event.event_id),
    bytesField(3, event.tenant_id),
    bytesField(4, event.store_id),
    bytesField(5, event.entity_type),
    bytesField(6, event.entity_id),
    bytesField(7, event.event_type),
    bytesField(8, event.source_agent_id),
    numberField(9, event.ves_version),
    numberField(10, PAYLOAD_KIND_PLAINTEXT),
    bytesField(11, JSON.stringify(event.payload)),
    bytesField(13, decodeHex(event.payload_plain_hash, 32)!),
    numberField(15, event.agent_key_id),
    bytesField(16, decodeHex(event.agent_signature, 64)!),
    bytesField(21, event.created_at),
  ]);
