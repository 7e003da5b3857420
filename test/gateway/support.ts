import { connect, type Socket } from 'node:net';
import pino from 'pino';
import { Agent, request } from 'undici';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { type Config, loadConfig } from '../../engine/config/index.js';
import { createConsumerGroups, createCursorService } from '../../engine/consumers/index.js';
import { generateApiKey, hashApiKey, insertApiKey } from '../../engine/keys/api-keys.js';
import { publicKeyFromSeed, signEd25519 } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createLogService } from '../../engine/transparency/index.js';
import { createTransparency } from '../../engine/transparency/transparency.js';
import type { Route } from '../../gateway/http/router.js';
import { createGateway, type Gateway, type GatewayDeps, type GatewayIdentity } from '../../gateway/index.js';
import { createMetrics } from '../../gateway/metrics/metrics.js';
import { routeTable } from '../../gateway/routes/index.js';
import type { IngestPort, IngestRefusal, IngestRequest } from '../../workers/ingest-port.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { createTestDatabase } from '../support/database.js';
import { createLocalHub, idleHub } from '../support/hub.js';

export const BOOTSTRAP_KEY = 'bootstrap-key-of-the-tests';
export const TENANT = '11111111-1111-4111-8111-111111111111';
export const OTHER_TENANT = '22222222-2222-4222-8222-222222222222';
export const STORE = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
export const OTHER_STORE = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
export const AGENT = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc';
export const OTHER_AGENT = 'dddddddd-dddd-4ddd-8ddd-dddddddddddd';

export const SEQUENCER_SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
export const identity: GatewayIdentity = {
  id: '99999999-9999-4999-8999-999999999999',
  keyVersion: 1,
  publicKey: publicKeyFromSeed(SEQUENCER_SEED),
  sign: (message) => signEd25519(message, SEQUENCER_SEED),
  signAs: (_, message) => ({ keyVersion: 1, signature: signEd25519(message, SEQUENCER_SEED) }),
  keys: [{ keyVersion: 1, publicKey: publicKeyFromSeed(SEQUENCER_SEED) }],
};

/** An ingest pipeline under the test's control: takes everything, answers what `answer` says, remembers what it got. */
export type TestIngest = IngestPort & {
  readonly taken: (IngestRequest & { bytes: Buffer })[];
  /** Set: nothing is taken, for this reason. */
  refuse: IngestRefusal | undefined;
  answer: ((request: IngestRequest, bytes: Buffer) => void) | undefined;
  inflightBytes: number;
};

export const okReply = (text: string) => ({
  ok: true as const,
  body: Buffer.from(text),
  accepted: 1,
  rejected: 0,
  replayed: 0,
});

export function createTestIngest(): TestIngest {
  const ingest: TestIngest = {
    taken: [],
    refuse: undefined,
    answer: (taken, bytes) =>
      setImmediate(() => taken.reply(okReply(JSON.stringify({ bytes: bytes.length })))),
    inflightBytes: 0,
    inflightRequests: 0,
    submit(taken) {
      if (ingest.refuse !== undefined) return ingest.refuse;
      const bytes = Buffer.from(taken.body);
      ingest.taken.push(Object.assign(Object.create(taken), { bytes }));
      ingest.answer?.(taken, bytes);
      return 'taken';
    },
  };
  return ingest;
}

/** The services behind the logs, in this process. */
export function createTestTransparency(sql: Sql, { transparency }: Pick<Config, 'transparency'>) {
  const logs = createLogService({ sql, sha256: sha256Into });
  const deps = { sql, sha256: sha256Into, logs, ...transparency, signer: identity, log: () => {} };
  return createTransparency(deps);
}

/** The route table of the service, handlers included, for tests that look at it. */
export function allRoutes(sql: Sql): Route[] {
  const ingest = createTestIngest();
  const config = loadConfig({});
  return routeTable({
    config,
    sql,
    hub: idleHub(),
    cursors: createCursorService({ sql }),
    consumerGroups: createConsumerGroups({ sql }),
    ingest,
    commitments: createCommitmentService({ sql, sha256: sha256Into }),
    transparency: createTestTransparency(sql, config),
    identity,
    log: pino({ level: 'silent' }),
    version: '',
    readiness: () => ({ ready: true }),
    metrics: createMetrics(ingest),
  });
}

export type JsonReply = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into replies of every shape
  body: any;
};

export type TestGateway = {
  sql: Sql;
  transparency: ReturnType<typeof createTestTransparency>;
  gateway: Gateway;
  ingest: TestIngest;
  port: number;
  logLines: string[];
  call(
    method: string,
    path: string,
    options?: {
      key?: string | null;
      body?: unknown;
      headers?: Record<string, string>;
      raw?: Buffer | string;
    },
  ): Promise<JsonReply>;
  apiKey(grant?: Partial<Parameters<typeof insertApiKey>[2]>): Promise<string>;
  close(): Promise<void>;
};

/** A listening gateway on a fresh database. */
export async function startTestGateway(
  options: {
    env?: Record<string, string>;
    migrated?: boolean;
    readiness?: GatewayDeps['readiness'];
    /** Credentials are checked through a pool of their own. */
    ownAuthPool?: boolean;
    collectStats?: NonNullable<GatewayDeps['collectStats']>;
    operations?: NonNullable<GatewayDeps['operations']>;
  } = {},
): Promise<TestGateway> {
  const database = await createTestDatabase({ migrated: options.migrated ?? true });
  const sql = connectDatabase(database.target, { max: 5, applicationName: 'gateway-test' });
  const authSql = options.ownAuthPool
    ? connectDatabase(database.target, { max: 2, applicationName: 'gateway-test-auth' })
    : undefined;
  const ingest = createTestIngest();
  const logLines: string[] = [];
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    GRPC_ENABLED: 'false',
    BOOTSTRAP_ADMIN_API_KEY: BOOTSTRAP_KEY,
    ...options.env,
  });
  const transparency = createTestTransparency(sql, config);
  const local = createLocalHub(database.target);
  const gateway = createGateway({
    config,
    sql,
    ...(authSql ? { authSql } : {}),
    hub: local.hub,
    cursors: createCursorService({ sql }),
    consumerGroups: createConsumerGroups({
      sql,
      waitForHead: (stream, after, wait) => local.hub.waitForHead('ves', stream, after, wait),
    }),
    ingest,
    commitments: createCommitmentService({ sql, sha256: sha256Into }),
    transparency,
    identity,
    log: pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) }),
    version: '0.0.0-test',
    readiness: options.readiness ?? (() => ({ ready: true })),
    ...(options.collectStats ? { collectStats: options.collectStats } : {}),
    ...(options.operations ? { operations: options.operations } : {}),
  });
  const agent = new Agent({ connections: 64 });
  const close = async () => {
    await gateway.close();
    await local.close();
    await agent.destroy();
    await Promise.all([sql.end({ timeout: 1 }), authSql?.end({ timeout: 1 })]);
    await database.drop();
  };
  const { port } = await gateway.listen().catch(async (error: unknown) => {
    await close();
    throw error;
  });

  return {
    sql,
    transparency,
    gateway,
    ingest,
    port,
    logLines,
    async call(method, path, { key = BOOTSTRAP_KEY, body, headers = {}, raw } = {}) {
      const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const response = await request(`http://127.0.0.1:${port}${path}`, {
        method: method as 'GET',
        dispatcher: agent,
        headers: {
          ...(key === null ? {} : { 'x-api-key': key }),
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: payload ?? null,
      });
      const text = await response.body.text();
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        parsed = undefined;
      }
      return { status: response.statusCode, headers: response.headers, text, body: parsed };
    },
    async apiKey(grant = {}) {
      const tenantId = grant.tenantId ?? TENANT;
      const key = generateApiKey(tenantId);
      await insertApiKey(sql, hashApiKey(key), {
        tenantId,
        storeIds: [],
        canRead: true,
        canWrite: true,
        canAdmin: false,
        agentId: null,
        rateLimit: null,
        ...grant,
      });
      return key;
    },
    close,
  };
}

/** A raw connection that collects what it receives. */
export function openRaw(port: number): {
  socket: Socket;
  received(): string;
  closed: Promise<string>;
  until(text: string): Promise<string>;
} {
  const socket = connect(port, '127.0.0.1');
  let out = '';
  const waiting: { text: string; resolve: (all: string) => void }[] = [];
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    out += data;
    for (const each of waiting.splice(0)) {
      if (out.includes(each.text)) each.resolve(out);
      else waiting.push(each);
    }
  });
  socket.on('error', () => {}); // a reset is one of the outcomes; `closed` tells
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(out)));
  return {
    socket,
    received: () => out,
    closed,
    until: (text) =>
      new Promise((resolve) => {
        if (out.includes(text)) resolve(out);
        else waiting.push({ text, resolve });
      }),
  };
}
