/** The gRPC surface of the service: both packages, key management, health and reflection, on a port of its own. */
import type { DescService } from '@bufbuild/protobuf';
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { health, reflection, reflectionAlpha, v1, v2 } from '../../engine/wire-proto/index.js';
import { type Access, HEALTH_ACCESS, KEY_ACCESS, REFLECTION_ACCESS, V1_ACCESS, V2_ACCESS } from './access.js';
import type { GrpcDeps } from './deps.js';
import { healthService } from './health.js';
import { indexOf, REFLECTION_V1, REFLECTION_V1ALPHA, reflectionRpc } from './reflection.js';
import type { Rpc } from './rpc.js';
import { serve } from './serve.js';
import { reloadableCredentials } from './tls-credentials.js';
import { sequencerV1 } from './v1/service.js';
import { keyManagement, sequencerV2 } from './v2/service.js';

export type { GrpcCallReport, GrpcDeps } from './deps.js';

export interface GrpcGateway {
  /** @throws Error when the address cannot be taken. */
  listen(): Promise<{ port: number }>;
  /**
   * Reads the files of TLS again.
   *
   * @returns puts them to use; connections that are open keep what they have
   * @throws ServiceError CONFIGURATION_INVALID
   */
  prepareReload(): () => void;
  /** Takes no more calls; resolves when those under way are over. Streams end when the hub is closed. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): void;
  readonly stats: { readonly callsUnderWay: number };
}

/** How long the peer has to answer a ping before its connection counts as dead. */
const KEEPALIVE_TIMEOUT_MS = 20_000;

/** Builds the gateway. Nothing is served before `listen`. @throws ServiceError CONFIGURATION_INVALID for files of TLS that are no good */
export function createGrpcGateway(given: GrpcDeps): GrpcGateway {
  let draining = false;
  let callsUnderWay = 0;
  const deps: GrpcDeps = {
    ...given,
    readiness: () => (draining ? { ready: false, reason: 'the service is stopping' } : given.readiness()),
  };
  const { grpc, streams } = deps.config;
  const tls = grpc.tls && reloadableCredentials(grpc.tls);
  const server = new Server({
    'grpc.max_receive_message_length': grpc.messageBytesMax,
    'grpc.max_send_message_length': -1, // pages bound what is sent, and one event may be as large as its sender made it
    'grpc.max_concurrent_streams': grpc.streamsMax,
    'grpc.keepalive_time_ms': streams.heartbeatMs,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.enable_channelz': 0,
  });
  const open = {
    begin() {
      callsUnderWay++;
      return () => void callsUnderWay--;
    },
  };

  const add = <Methods extends string>(
    service: DescService,
    access: Record<Methods, Access>,
    rpcs: Record<Methods, Rpc>,
  ) => {
    const implementation: UntypedServiceImplementation = {};
    for (const { localName, name } of service.methods) {
      const method = localName as Methods;
      const path = `/${service.typeName}/${name}`;
      implementation[localName] = serve(deps, open, path, access[method], rpcs[method]);
    }
    server.addService(definitionOf(service), implementation);
  };

  const services = [v1.Sequencer, v2.Sequencer, v2.KeyManagement];
  add(v1.Sequencer, V1_ACCESS, sequencerV1(deps));
  add(v2.Sequencer, V2_ACCESS, sequencerV2(deps));
  add(v2.KeyManagement, KEY_ACCESS, keyManagement(deps));
  const names = services.map(({ typeName }) => typeName);
  add(
    health.Health,
    HEALTH_ACCESS,
    healthService(names, () => deps.readiness().ready),
  );
  const index = indexOf([...services, health.Health]);
  add(reflection.ServerReflection, REFLECTION_ACCESS, {
    serverReflectionInfo: reflectionRpc(index, REFLECTION_V1),
  });
  add(reflectionAlpha.ServerReflection, REFLECTION_ACCESS, {
    serverReflectionInfo: reflectionRpc(index, REFLECTION_V1ALPHA),
  });

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        const address = grpc.host.includes(':') ? `[${grpc.host}]:${grpc.port}` : `${grpc.host}:${grpc.port}`;
        server.bindAsync(address, tls?.credentials ?? ServerCredentials.createInsecure(), (error, port) => {
          if (error) reject(error);
          else resolve({ port });
        });
      }),
    prepareReload: () => tls?.prepareReload() ?? (() => {}),
    drain() {
      draining = true;
      return new Promise((resolve) => server.tryShutdown(() => resolve()));
    },
    close: () => server.forceShutdown(),
    stats: {
      get callsUnderWay() {
        return callsUnderWay;
      },
    },
  };
}

/** Messages stay bytes: who needs one reads it, and says by itself what is wrong with it. */
function definitionOf(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map(({ localName, name, methodKind }) => [
      localName,
      {
        path: `/${service.typeName}/${name}`,
        requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
        responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
        requestSerialize: asBuffer,
        requestDeserialize: asBuffer,
        responseSerialize: asBuffer,
        responseDeserialize: asBuffer,
      },
    ]),
  );
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
