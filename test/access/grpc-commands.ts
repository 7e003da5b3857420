/** Methods as commands: a whole message for each. */
import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import {
  type Client,
  type ClientDuplexStream,
  type ServiceError as GrpcError,
  Metadata,
  status as Status,
} from '@grpc/grpc-js';
import { health, reflection, reflectionAlpha, v1, v2 } from '../../engine/wire-proto/index.js';
import { AGENT } from '../gateway/support.js';
import { envelopeMessage, pushMessage, timestampOf } from '../grpc/messages.js';
import { createAgent } from '../support/agents.js';
import type { Headers } from './credentials.js';
import { isHidden } from './http-commands.js';
import { LEGACY_EVENT, legacyEvent, NEW_KEY, SPARE_KEY, stream, type World } from './world.js';

/** All that the port serves. */
export const SERVICES: readonly DescService[] = [
  ...[v1.Sequencer, v2.Sequencer, v2.KeyManagement],
  ...[health.Health, reflection.ServerReflection, reflectionAlpha.ServerReflection],
];
const V1 = '/stateset.sequencer.v1.Sequencer';
const V2 = '/stateset.sequencer.v2.Sequencer';
const KEYS = '/stateset.sequencer.v2.KeyManagement';
const DEADLINE_MS = 10_000;

/** A message of every method by the row's name; of SyncStream one of each kind. */
export function grpcMessages({ agent, event, batches }: World): Readonly<Record<string, Message>> {
  const entity = { entityType: 'order', entityId: '1' };
  const of = { ...stream, agentId: AGENT };
  const listing = { messageRequest: { case: 'listServices' as const, value: '' } };
  const push = pushMessage(agent, [envelopeMessage(event)]);
  const pull = create(v2.PullEventsRequestSchema, stream);
  const sync = (message: v2.SyncMessage['message']) => create(v2.SyncMessageSchema, { message });
  return {
    [`${V1}/Push`]: create(v1.PushRequestSchema, {
      agentId: AGENT,
      events: [
        {
          ...stream,
          ...entity,
          eventId: LEGACY_EVENT,
          eventType: legacyEvent.event_type,
          payload: Buffer.from('{}'),
          sourceAgent: AGENT,
          createdAt: timestampOf(legacyEvent.created_at),
        },
      ],
    }),
    [`${V1}/Pull`]: create(v1.PullRequestSchema, stream),
    [`${V1}/GetHead`]: create(v1.GetHeadRequestSchema, stream),
    [`${V1}/GetInclusionProof`]: create(v1.GetInclusionProofRequestSchema, { eventId: LEGACY_EVENT }),
    [`${V1}/GetCommitment`]: create(v1.GetCommitmentRequestSchema, { batchId: batches.legacy }),
    [`${V1}/GetEntityHistory`]: create(v1.GetEntityHistoryRequestSchema, { ...stream, ...entity }),
    [`${V2}/Push`]: push,
    [`${V2}/PullEvents`]: pull,
    [`${V2}/GetSyncState`]: create(v2.GetSyncStateRequestSchema, stream),
    [`${V2}/GetInclusionProof`]: create(v2.GetInclusionProofRequestSchema, {
      ...stream,
      selector: { case: 'eventId', value: event.envelope.event_id },
    }),
    [`${V2}/GetCommitment`]: create(v2.GetCommitmentRequestSchema, {
      selector: { case: 'batchId', value: batches.ves },
    }),
    [`${V2}/GetEntityHistory`]: create(v2.GetEntityHistoryRequestSchema, { ...stream, ...entity }),
    [`${V2}/GetHealth`]: create(EmptySchema),
    [`${V2}/StreamEvents`]: create(v2.StreamEventsRequestSchema, { ...stream, includeHistory: true }),
    [`${V2}/SubscribeEntity`]: create(v2.SubscribeEntityRequestSchema, {
      ...stream,
      ...entity,
      includeHistory: true,
    }),
    [`${V2}/SyncStream`]: sync({ case: 'heartbeat', value: create(v2.HeartbeatSchema) }),
    [`${V2}/SyncStream#push`]: sync({ case: 'push', value: push }),
    [`${V2}/SyncStream#pull`]: sync({ case: 'pull', value: pull }),
    [`${V2}/SyncStream#ack`]: sync({
      case: 'ack',
      value: create(v2.EventAckSchema, { ...stream, agentHeadSequence: 1n }),
    }),
    [`${KEYS}/RegisterAgentKey`]: create(v2.RegisterKeyRequestSchema, {
      ...of,
      keyId: NEW_KEY,
      keyType: v2.KeyType.SIGNING,
      publicKey: createAgent({ seed: new Uint8Array(32).fill(NEW_KEY) }).publicKey,
    }),
    [`${KEYS}/GetAgentKeys`]: create(v2.GetAgentKeysRequestSchema, of),
    '/grpc.health.v1.Health/Check': create(health.HealthCheckRequestSchema),
    '/grpc.health.v1.Health/Watch': create(health.HealthCheckRequestSchema),
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': create(
      reflection.ServerReflectionRequestSchema,
      listing,
    ),
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': create(
      reflectionAlpha.ServerReflectionRequestSchema,
      listing,
    ),
    [`${KEYS}/RevokeAgentKey`]: create(v2.RevokeKeyRequestSchema, { ...of, keyId: SPARE_KEY }),
  };
}

/** Calls the method with the message until it is plain whether it was let in. */
export function callGrpc(client: Client, name: string, message: Message, headers: Headers): Promise<string> {
  const path = name.split('#')[0]!;
  const method = methodOf(path);
  const body = Buffer.from(toBinary(method.input, message));
  const metadata = new Metadata();
  for (const [header, value] of Object.entries(headers)) metadata.set(header, value);
  const options = { deadline: Date.now() + DEADLINE_MS };
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    const failed = ({ code, metadata: trailers }: GrpcError) =>
      resolve(outcomeOf(code, trailers?.get('x-error-code')[0]?.toString()));
    if (method.methodKind === 'unary') {
      client.makeUnaryRequest(path, same, same, body, metadata, options, (error) =>
        error ? failed(error) : resolve('in'),
      );
      return;
    }
    const call =
      method.methodKind === 'server_streaming'
        ? client.makeServerStreamRequest(path, same, same, body, metadata, options)
        : client.makeBidiStreamRequest(path, same, same, metadata, options);
    call.on('error', failed);
    call.on('end', () => resolve('in'));
    call.on('data', (data: Buffer) => {
      const answer = fromBinary(method.output, data) as Partial<v2.SyncMessage>;
      const error = answer.message?.case === 'error' ? answer.message.value : undefined;
      resolve(error === undefined ? 'in' : outcomeOf(error.status, error.code));
      call.cancel();
    });
    if (method.methodKind === 'bidi_streaming') (call as ClientDuplexStream<Buffer, Buffer>).write(body);
  });
}

function methodOf(path: string): DescMethod {
  for (const service of SERVICES)
    for (const method of service.methods) if (`/${service.typeName}/${method.name}` === path) return method;
  throw new Error(`${path} is no method of these services`);
}

function outcomeOf(status: number, code: string | undefined): string {
  if (status === Status.UNAUTHENTICATED) return `401 ${code}`;
  if (status === Status.PERMISSION_DENIED && code === 'INSUFFICIENT_PERMISSIONS') return '403';
  if (status === Status.NOT_FOUND && isHidden(code)) return '404';
  return `${Status[status]} ${code}`;
}
