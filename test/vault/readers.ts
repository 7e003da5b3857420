/** Every way in which events are read, each answering what it shows of the payloads. */
import { randomUUID } from 'node:crypto';
import { createStreamClient } from '../../agent/stream-client.js';
import { envelopeOf } from '../../engine/wire/index.js';
import { v1, v2 } from '../../engine/wire-proto/index.js';
import type { TestClient } from '../grpc/support.js';
import { call, type Endpoint, type Json, streamQuery } from '../support/agents.js';

export const ERASED = 'erased';
export const ENTITY = { type: 'order', id: 'o-sealed' };

/** What is shown of events: number and payload, of an encrypted one its ciphertext; {@link ERASED}. */
export type Shown = readonly (readonly [sequence: number, payload: unknown])[];

export interface Place {
  readonly tenantId: string;
  readonly storeId: string;
}

type Reader = (place: Place, events: readonly Json[]) => Promise<Shown>;

/** An envelope as JSON; an erased one must say so, and have nothing in the place of the payload. */
export function shownJson(envelope: Json): readonly [number, unknown] {
  const payload = envelope.payload_kind === 1 ? envelope.payload_encrypted : envelope.payload;
  if ('payload_erased' in envelope) {
    if (envelope.payload_erased !== true || payload !== null) throw new Error(JSON.stringify(envelope));
    return [envelope.sequence_number, ERASED];
  }
  return [envelope.sequence_number, envelope.payload_kind === 1 ? payload.ciphertext_b64u : payload];
}

export function shownProto(event: v1.SequencedEvent | v2.SequencedEvent): readonly [number, unknown] {
  const envelope = event.envelope!;
  const number = Number(event.sequenceNumber);
  if ('payloadEncrypted' in envelope && envelope.payloadEncrypted)
    return [number, Buffer.from(envelope.payloadEncrypted.ciphertext).toString('base64url')];
  return [
    number,
    envelope.payload.length === 0 ? ERASED : JSON.parse(Buffer.from(envelope.payload).toString()),
  ];
}

async function getJson(service: Endpoint, path: string): Promise<Json> {
  const { status, text, body } = await call(service, 'GET', path);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text}`);
  return body;
}

async function readStored(service: Endpoint, place: Place, accept: string): Promise<Shown> {
  const path = `/api/v1/ves/events/stream?${streamQuery(place)}&live=false`;
  const headers = { authorization: `ApiKey ${service.adminKey}`, accept };
  return shownLines(await (await fetch(service.url + path, { headers })).text());
}

/** Events in NDJSON or in server-sent events. */
export const shownLines = (text: string): Shown =>
  text
    .split('\n')
    .map((line) => line.replace(/^data: ?/, ''))
    .filter((line) => line.startsWith('{"envelope"'))
    .map((line) => shownJson(JSON.parse(line).envelope));

export async function readWebSocket(service: Endpoint, place: Place): Promise<Shown> {
  const client = createStreamClient({ url: service.url, apiKey: service.adminKey });
  try {
    const shown: (readonly [number, unknown])[] = [];
    const subscription = client.subscribe({ ...place, after: 0 });
    let head: number | undefined;
    const end = new Promise<void>((resolve) => {
      subscription.onCaughtUp = (at) => {
        head = at;
        resolve();
      };
    });
    const reading = (async () => {
      for await (const record of subscription) shown.push(shownJson(envelopeOf(record, place.tenantId)));
    })();
    await Promise.race([end, reading]);
    while (shown.length < head!) await new Promise((resolve) => setTimeout(resolve, 5));
    subscription.close();
    await reading;
    return shown;
  } finally {
    client.close();
  }
}

/** Ways to read VES events; `events` are the envelopes that were sent, in the order of their numbers. */
export function vesReaders(service: Endpoint, grpc: TestClient): Record<string, Reader> {
  const rpc = v2.Sequencer.method;
  const take = async (
    method: typeof rpc.streamEvents | typeof rpc.subscribeEntity,
    request: Json,
    count: number,
  ) => {
    const stream = grpc.stream(method, { ...request, includeHistory: true });
    try {
      return (await stream.until(count)).map(shownProto);
    } finally {
      stream.cancel();
    }
  };
  return {
    'GET events': async (place) =>
      (await getJson(service, `/api/v1/ves/events?${streamQuery(place)}&limit=1000`)).events.map(
        (each: Json) => shownJson(each.envelope),
      ),
    'GET an event': async (place, events) =>
      Promise.all(
        events.map(async ({ event_id }) =>
          shownJson(
            (await getJson(service, `/api/v1/ves/events/${event_id}?${streamQuery(place)}`)).envelope,
          ),
        ),
      ),
    'GET by command': async (place, events) =>
      Promise.all(
        events
          .filter(({ command_id }) => command_id !== undefined)
          .map(async ({ command_id: id }) =>
            shownJson(
              (await getJson(service, `/api/v1/ves/events?${streamQuery(place)}&command_id=${id}`)).envelope,
            ),
          ),
      ),
    'GET an entity': async (place) =>
      (
        await getJson(service, `/api/v1/ves/entities/${ENTITY.type}/${ENTITY.id}?${streamQuery(place)}`)
      ).events.map((each: Json) => shownJson(each.envelope)),
    NDJSON: (place) => readStored(service, place, 'application/x-ndjson'),
    'server-sent events': (place) => readStored(service, place, 'text/event-stream'),
    WebSocket: (place) => readWebSocket(service, place),
    'consumer group': async (place) => {
      const name = `g-${randomUUID()}`;
      const path = '/api/v1/ves/consumer-groups';
      const made = await call(service, 'POST', path, { body: { ...place, name, start: 'beginning' } });
      if (made.status >= 300) throw new Error(made.text);
      const body = { ...place, consumer: 'c', max: 1000 };
      const shown: (readonly [number, unknown])[] = [];
      for (;;) {
        const pulled = await call(service, 'POST', `${path}/${name}/pull`, { body });
        if (pulled.status !== 200) throw new Error(pulled.text);
        if (pulled.body.deliveries.length === 0) break;
        for (const { envelope } of pulled.body.deliveries) shown.push(shownJson(envelope));
        const deliveryIds = pulled.body.deliveries.map((each: Json) => each.delivery_id);
        await call(service, 'POST', `${path}/${name}/ack`, {
          body: { ...place, consumer: 'c', deliveryIds },
        });
      }
      return shown.sort((a, b) => a[0] - b[0]);
    },
    'gRPC StreamEvents': (place, events) => take(rpc.streamEvents, place, events.length),
    'gRPC SubscribeEntity': (place, events) =>
      take(
        rpc.subscribeEntity,
        { ...place, entityType: ENTITY.type, entityId: ENTITY.id },
        events.filter(({ entity_id }) => entity_id === ENTITY.id).length,
      ),
    'gRPC PullEvents': async (place) =>
      (await grpc.call(rpc.pullEvents, { ...place, limit: 1000 })).events.map(shownProto),
    'gRPC SyncStream': async (place) => {
      const sync = grpc.bidi(rpc.syncStream);
      sync.send({ message: { case: 'pull', value: { ...place, limit: 1000 } } });
      for (;;) {
        await sync.until(sync.messages.length + 1);
        const { message } = sync.messages.at(-1)!;
        if (message.case === 'error') throw new Error(message.value.message);
        if (message.case !== 'pullResponse') continue;
        sync.end();
        return message.value.events.map(shownProto);
      }
    },
    'gRPC GetEntityHistory': async (place) =>
      (
        await grpc.call(rpc.getEntityHistory, { ...place, entityType: ENTITY.type, entityId: ENTITY.id })
      ).events.map(shownProto),
    'gRPC GetInclusionProof': async (place, events) =>
      Promise.all(
        events.map(async ({ event_id }) => {
          const selector = { case: 'eventId', value: event_id } as const;
          return shownProto((await grpc.call(rpc.getInclusionProof, { ...place, selector })).event!);
        }),
      ),
  };
}

/** Ways to read legacy events. */
export function legacyReaders(service: Endpoint, grpc: TestClient): Record<string, Reader> {
  const rpc = v1.Sequencer.method;
  const entity = { entityType: ENTITY.type, entityId: ENTITY.id };
  return {
    'GET events': async (place) =>
      (await getJson(service, `/api/v1/events?${streamQuery(place)}&limit=1000`)).events.map((each: Json) =>
        shownJson(each.envelope),
      ),
    'GET an entity': async (place) =>
      (
        await getJson(service, `/api/v1/entities/${ENTITY.type}/${ENTITY.id}?${streamQuery(place)}`)
      ).events.map((each: Json) => shownJson(each.envelope)),
    'gRPC Pull': async (place, events) => {
      const stream = grpc.stream(rpc.pull, { ...place, batchSize: 1000 });
      await stream.ended;
      const shown = stream.messages.flatMap((page) => page.events.map(shownProto));
      if (shown.length !== events.length) throw new Error(`${(await stream.ended)?.message}`);
      return shown;
    },
    'gRPC GetEntityHistory': async (place) =>
      (await grpc.call(rpc.getEntityHistory, { ...place, ...entity })).events.map(shownProto),
    'gRPC GetInclusionProof': async (_, events) =>
      Promise.all(
        events.map(async ({ event_id: eventId }) =>
          shownProto((await grpc.call(rpc.getInclusionProof, { eventId })).event!),
        ),
      ),
  };
}
