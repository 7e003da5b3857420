/** The gRPC gateway with a real pipeline, real threads and a real database, and clients that speak to it over sockets. */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  type ServiceError as GrpcError,
  Metadata,
} from '@grpc/grpc-js';
import pino from 'pino';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { type Config, loadConfig } from '../../engine/config/index.js';
import { createCursorService } from '../../engine/consumers/cursor-service.js';
import { generateApiKey, hashApiKey, insertApiKey } from '../../engine/keys/api-keys.js';
import { registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { publicKeyFromSeed } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createSubscriptionHub, type SubscriptionHub } from '../../engine/subscriptions/index.js';
import { createAuthenticator } from '../../gateway/auth/authenticate.js';
import { createGrpcGateway, type GrpcCallReport, type GrpcGateway } from '../../gateway/grpc/index.js';
import { chargeRate, createRequestRates } from '../../gateway/limits/request-rates.js';
import type { IngestPort, IngestRefusal, IngestRequest } from '../../workers/ingest-port.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { createAgent, type TestAgent } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';

export const ADMIN_KEY = 'bootstrap-key-of-the-tests';

type PipelineModule = typeof import('../../workers/pipeline.js');
type TailModule = typeof import('../../workers/tail-thread.js');

/** Threads run compiled code only. */
const compiled = async <Module>(path: string): Promise<Module> =>
  (await import(/* @vite-ignore */ new URL(`../../dist/${path}`, import.meta.url).href)) as Module;

export interface TestGrpc {
  readonly port: number;
  readonly sql: Sql;
  readonly config: Config;
  readonly hub: SubscriptionHub;
  readonly gateway: GrpcGateway;
  /** Finished calls, oldest first. */
  readonly calls: GrpcCallReport[];
  /** Takes pushes out of the pipeline's hands until set back to undefined. */
  intercept: ((request: IngestRequest) => 'taken' | IngestRefusal) | undefined;
  ready: boolean;
  /** Whether the database is said to have no connection left. */
  overloaded: boolean;
  client(options?: { key?: string | null; credentials?: ChannelCredentials; settings?: object }): TestClient;
  apiKey(grant?: Partial<Parameters<typeof insertApiKey>[2]>): Promise<string>;
  agent(place?: { tenantId?: string; storeId?: string }): Promise<TestAgent>;
  close(): Promise<void>;
}

export async function startTestGrpc(env: Record<string, string> = {}): Promise<TestGrpc> {
  const database = await createTestDatabase({ migrated: true });
  const sql = connectDatabase(database.target, { max: 5, applicationName: 'grpc-test' });
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    VERIFY_THREADS: '1',
    PARTITIONS: '1',
    BOOTSTRAP_ADMIN_API_KEY: ADMIN_KEY,
    DATA_DIR: '/nonexistent',
    ...env,
  });
  const seed = randomBytes(32);
  const identity = {
    id: randomUUID(),
    keyVersion: 0,
    seed,
    publicKey: publicKeyFromSeed(seed),
    retired: [],
  };
  const fatal = (error: Error) => {
    throw error;
  };
  const instanceId = randomUUID();
  const { createPipeline } = await compiled<PipelineModule>('workers/pipeline.js');
  const { startTail } = await compiled<TailModule>('workers/tail-thread.js');
  const pipeline = await createPipeline(
    { config, database: database.target, identity, instanceId },
    { onStats: () => {}, onLog: () => {}, onFatal: fatal },
  );
  const tail = await startTail(
    {
      database: database.target,
      applicationName: 'grpc-test',
      session: { statementTimeoutMs: 10_000 },
      instanceId,
    },
    config.sequencer.partitions,
    pipeline.connectTail,
    { onLog: () => {}, onFatal: fatal },
  );
  const hub = createSubscriptionHub(tail);
  const authenticator = createAuthenticator(config.auth, sql, () => {});
  const clients: Client[] = [];
  const calls: GrpcCallReport[] = [];
  const ingest: IngestPort = {
    submit: (request) => test.intercept?.(request) ?? pipeline.submit(request),
    get inflightBytes() {
      return pipeline.inflightBytes;
    },
    get inflightRequests() {
      return pipeline.inflightRequests;
    },
  };
  const rates = createRequestRates(config.limits, () => performance.now());
  const gateway = createGrpcGateway({
    config,
    sql,
    ingest,
    hub,
    commitments: createCommitmentService({ sql, sha256: sha256Into }),
    cursors: createCursorService({ sql }),
    authenticate: authenticator.authenticate,
    limitRate: (auth) => chargeRate(rates, auth),
    log: pino({ level: 'silent' }),
    version: '0.0.0-test',
    metrics: { observeIngest: () => {} },
    readiness: () => ({ ready: test.ready }),
    isOverloaded: () => test.overloaded,
    onCall: (call) => void calls.push(call),
  });
  const { port } = await gateway.listen();

  const test: TestGrpc = {
    port,
    sql,
    config,
    hub,
    gateway,
    calls,
    intercept: undefined,
    ready: true,
    overloaded: false,
    client({ key = ADMIN_KEY, credentials: given, settings = {} } = {}) {
      const client = new Client(`127.0.0.1:${port}`, given ?? credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
        'grpc.max_receive_message_length': -1,
        ...settings,
      });
      clients.push(client);
      return createTestClient(client, key);
    },
    async apiKey(grant = {}) {
      const tenantId = grant.tenantId ?? randomUUID();
      const key = generateApiKey(tenantId);
      const rest = { canRead: true, canWrite: true, canAdmin: false, agentId: null, rateLimit: null };
      await insertApiKey(sql, hashApiKey(key), { tenantId, storeIds: [], ...rest, ...grant });
      return key;
    },
    async agent(place = {}) {
      const agent = createAgent(place);
      const { tenantId, agentId, keyId, publicKey } = agent;
      const rest = { validFrom: null, validTo: null, proofOfPossession: undefined };
      await registerAgentKey(sql, { tenantId, agentId, keyId, publicKey, ...rest });
      return agent;
    },
    async close() {
      for (const client of clients) client.close();
      gateway.close();
      hub.close();
      await tail.close();
      await pipeline.close();
      await authenticator.close();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
  return test;
}

/** How a call failed. */
export interface CallFailure {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string;
  readonly trailers: Metadata;
}

export type ServerStream<Output> = ClientReadableStream<Buffer> & { readonly type?: Output };

export interface TestClient {
  readonly raw: Client;
  /** A unary call; rejects with {@link CallFailure}. */
  call<Method extends DescMethod>(
    method: Method,
    request: MessageInitShape<Method['input']>,
    options?: CallSettings,
  ): Promise<MessageShape<Method['output']>>;
  /** The same with bytes. */
  callRaw(method: DescMethod, request: Uint8Array, options?: CallSettings): Promise<Buffer>;
  stream<Method extends DescMethod>(
    method: Method,
    request: MessageInitShape<Method['input']>,
    options?: CallSettings,
  ): Incoming<MessageShape<Method['output']>>;
  bidi<Method extends DescMethod>(
    method: Method,
    options?: CallSettings,
  ): Incoming<MessageShape<Method['output']>> & {
    send(message: MessageInitShape<Method['input']>): void;
    sendRaw(bytes: Uint8Array): void;
    end(): void;
  };
}

export interface CallSettings {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadline?: number;
}

/** What comes out of a stream. */
export interface Incoming<Message> {
  readonly messages: Message[];
  readonly bytes: Buffer[];
  /** Resolves when `count` messages are there; rejects when the stream ends before. */
  until(count: number): Promise<Message[]>;
  /** Resolves with undefined when it ended well, otherwise with the failure. */
  readonly ended: Promise<CallFailure | undefined>;
  readonly headers: Promise<Metadata>;
  cancel(): void;
  pause(): void;
  resume(): void;
}

const identity = (bytes: Buffer): Buffer => bytes;
const pathOf = (method: DescMethod): string => `/${(method.parent as DescService).typeName}/${method.name}`;

export const failureOf = (error: GrpcError): CallFailure => ({
  status: error.code,
  code: error.metadata?.get('x-error-code')[0] as string | undefined,
  message: error.details,
  trailers: error.metadata,
});

export function createTestClient(raw: Client, key: string | null): TestClient {
  const metadataOf = ({ metadata = {} }: CallSettings = {}) => {
    const all = new Metadata();
    if (key !== null) all.set('x-api-key', key);
    for (const [name, value] of Object.entries(metadata)) all.set(name, value);
    return all;
  };
  const optionsOf = ({ deadline }: CallSettings = {}) => (deadline === undefined ? {} : { deadline });
  const callRaw: TestClient['callRaw'] = (method, request, options) =>
    new Promise((resolve, reject) => {
      raw.makeUnaryRequest(
        pathOf(method),
        identity,
        identity,
        Buffer.from(request),
        metadataOf(options),
        optionsOf(options),
        (error, value) => (error ? reject(failureOf(error)) : resolve(value!)),
      );
    });
  return {
    raw,
    callRaw,
    async call(method, request, options) {
      const bytes = await callRaw(method, toBinary(method.input, create(method.input, request)), options);
      return fromBinary(method.output, bytes) as never;
    },
    stream(method, request, options) {
      const body = Buffer.from(toBinary(method.input, create(method.input, request)));
      const call = raw.makeServerStreamRequest(
        pathOf(method),
        identity,
        identity,
        body,
        metadataOf(options),
        optionsOf(options),
      );
      return incomingOf(call, method) as never;
    },
    bidi(method, options) {
      const call = raw.makeBidiStreamRequest(
        pathOf(method),
        identity,
        identity,
        metadataOf(options),
        optionsOf(options),
      ) as ClientDuplexStream<Buffer, Buffer>;
      return Object.assign(incomingOf(call, method), {
        send: (message: MessageInitShape<typeof method.input>) =>
          void call.write(Buffer.from(toBinary(method.input, create(method.input, message)))),
        sendRaw: (bytes: Uint8Array) => void call.write(Buffer.from(bytes)),
        end: () => call.end(),
      }) as never;
    },
  };
}

function incomingOf(call: ClientReadableStream<Buffer>, method: DescMethod): Incoming<unknown> {
  const messages: unknown[] = [];
  const bytes: Buffer[] = [];
  const waiting: { count: number; resolve(all: unknown[]): void; reject(error: unknown): void }[] = [];
  let over = false;
  const ended = new Promise<CallFailure | undefined>((resolve) => {
    call.on('end', () => setImmediate(() => finish(undefined)));
    call.on('error', (error: GrpcError) => finish(failureOf(error)));
    const finish = (failure: CallFailure | undefined) => {
      if (over) return;
      over = true;
      resolve(failure);
      for (const { count, reject } of waiting.splice(0))
        reject(new Error(`the stream ended with ${messages.length} of ${count}: ${failure?.message}`));
    };
  });
  call.on('data', (data: Buffer) => {
    bytes.push(data);
    messages.push(fromBinary(method.output, data));
    for (const each of waiting.splice(0)) {
      if (messages.length >= each.count) each.resolve(messages);
      else waiting.push(each);
    }
  });
  return {
    messages,
    bytes,
    ended,
    headers: new Promise((resolve) => call.once('metadata', resolve)),
    until: (count) =>
      messages.length >= count
        ? Promise.resolve(messages)
        : new Promise((resolve, reject) => waiting.push({ count, resolve, reject })),
    cancel: () => call.cancel(),
    pause: () => call.pause(),
    resume: () => call.resume(),
  };
}
