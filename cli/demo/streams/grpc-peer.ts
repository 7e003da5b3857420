/** gRPC: Push and StreamEvents of stateset.sequencer.v2. */
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js';
import { canonicalize, decodeHex, type VesEnvelopeJson } from '../../../engine/protocol/index.js';
import { v2 } from '../../../engine/wire-proto/index.js';
import { type Heard, type Peer, type PeerOptions, RECONNECT_MS } from './peer.js';

const SERVICE = '/stateset.sequencer.v2.Sequencer';
const PUSH_TIMEOUT_MS = 5_000;
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
const same = (bytes: Buffer): Buffer => bytes;

export function createGrpcPeer(options: PeerOptions): Peer {
  const { grpcAddress, apiKey, tenantId, storeId, agentId } = options;
  const client = new Client(grpcAddress, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
    'grpc.max_reconnect_backoff_ms': 1000,
  });
  const metadata = new Metadata();
  metadata.set('authorization', `ApiKey ${apiKey}`);
  let reconnects = 0;
  let closed = false;
  let call: ClientReadableStream<Buffer> | undefined;

  function pushOnce(request: Uint8Array): Promise<v2.PushResponse> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + PUSH_TIMEOUT_MS;
      client.makeUnaryRequest(
        `${SERVICE}/Push`,
        asBuffer,
        same,
        request,
        metadata,
        { deadline },
        (error, answer) => (error ? reject(error) : resolve(fromBinary(v2.PushResponseSchema, answer!))),
      );
    });
  }

  /** Reads until the call ends; answers the last number read. */
  function readFrom(after: number, heard: Heard): Promise<number> {
    const request = create(v2.StreamEventsRequestSchema, {
      tenantId,
      storeId,
      fromSequence: BigInt(after + 1),
      includeHistory: true,
    });
    const bytes = toBinary(v2.StreamEventsRequestSchema, request);
    let cursor = after;
    return new Promise((resolve) => {
      const mine = client.makeServerStreamRequest(`${SERVICE}/StreamEvents`, asBuffer, same, bytes, metadata);
      call = mine;
      mine.on('data', (message: Buffer) => {
        const event = fromBinary(v2.SequencedEventSchema, message);
        cursor = Number(event.sequenceNumber);
        heard(cursor, event.envelope!.eventId);
      });
      mine.on('error', () => resolve(cursor));
      mine.on('end', () => resolve(cursor));
    });
  }

  return {
    name: 'gRPC',
    async push(events) {
      const request = create(v2.PushRequestSchema, {
        ...{ agentId, tenantId, storeId },
        events: events.map(toMessage),
      });
      const bytes = toBinary(v2.PushRequestSchema, request);
      for (;;) {
        try {
          const { eventsAccepted, replays } = await pushOnce(bytes);
          return eventsAccepted + replays.length;
        } catch (error) {
          if (closed) throw error;
          // The same bytes again are safe, whatever became of them the first time.
          await sleep(RECONNECT_MS);
        }
      }
    },
    follow(heard) {
      void (async () => {
        for (let cursor = 0; !closed; reconnects++) {
          cursor = await readFrom(cursor, heard);
          await sleep(RECONNECT_MS);
        }
      })();
    },
    get reconnects() {
      return reconnects;
    },
    close() {
      closed = true;
      call?.cancel();
      client.close();
    },
  };
}

function toMessage(envelope: VesEnvelopeJson): v2.EventEnvelope {
  return create(v2.EventEnvelopeSchema, {
    eventId: envelope.event_id,
    commandId: envelope.command_id ?? '',
    tenantId: envelope.tenant_id,
    storeId: envelope.store_id,
    entityType: envelope.entity_type,
    entityId: envelope.entity_id,
    eventType: envelope.event_type,
    sourceAgent: envelope.source_agent_id,
    vesVersion: envelope.ves_version,
    payloadKind: v2.PayloadKind.PLAINTEXT,
    payload: new TextEncoder().encode(canonicalize(envelope.payload)),
    payloadPlainHash: decodeHex(envelope.payload_plain_hash)!,
    agentKeyId: envelope.agent_key_id,
    agentSignature: decodeHex(envelope.agent_signature)!,
    createdAtText: envelope.created_at,
  });
}
