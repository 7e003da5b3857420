/** The door and the load generator: the real gateway with an ingest port that answers at once, and the real generator. */
import pino from 'pino';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { loadConfig } from '../../engine/config/index.js';
import { createConsumerGroups, createCursorService } from '../../engine/consumers/index.js';
import { publicKeyFromSeed, signEd25519 } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { createSubscriptionHub } from '../../engine/subscriptions/index.js';
import { createLogService } from '../../engine/transparency/index.js';
import { createTransparency } from '../../engine/transparency/transparency.js';
import { createGateway, type GatewayIdentity } from '../../gateway/index.js';
import type { Population } from '../../loadtest/event-source.js';
import { startGenerator } from '../../loadtest/generator-process.js';
import type { IngestPort } from '../../workers/ingest-port.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { costOf, type PartCost } from './cost.js';

const ADMIN_KEY = 'bench-administrator-key-0123456789abcdef';
const ROUNDS = 5;
const ROUND_MS = 1_000;
const WARMUP_MS = 500;
/** The bodies are never looked at, so a few are sent over and over. */
const REQUESTS = 64;
const CONNECTIONS = 8;
/** About what both receipts of an event take in a reply. */
const RECEIPT_BYTES = 780;

/** An ingest port that keeps a copy of the body as the real one does, and answers at the end of the turn. */
function createEcho(batch: number): IngestPort {
  const head = `{"batchId":"00000000-0000-4000-8000-000000000000","eventsAccepted":${batch},"eventsRejected":0,"receipts":"`;
  const body = Buffer.from(`${head}${'r'.repeat(batch * RECEIPT_BYTES)}"}`);
  return {
    inflightBytes: 0,
    inflightRequests: 0,
    submit(request) {
      void new Uint8Array(request.body);
      setImmediate(() => request.reply({ ok: true, body, accepted: batch, rejected: 0, replayed: 0 }));
      return 'taken';
    },
  };
}

export async function measureHttp(
  sql: Sql,
  population: Population,
  payloadBytes: number,
  batch: number,
): Promise<PartCost[]> {
  const seed = new Uint8Array(32).fill(9);
  const publicKey = publicKeyFromSeed(seed);
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    GRPC_ENABLED: 'false',
    BOOTSTRAP_ADMIN_API_KEY: ADMIN_KEY,
  });
  const identity: GatewayIdentity = {
    id: '00000000-0000-4000-8000-000000000001',
    keyVersion: 1,
    publicKey,
    signAs: (keyVersion, message) => ({ keyVersion, signature: signEd25519(message, seed) }),
    sign: (message) => signEd25519(message, seed),
    keys: [{ keyVersion: 1, publicKey }],
  };
  const gateway = createGateway({
    config,
    sql,
    ingest: createEcho(batch),
    hub: createSubscriptionHub({ post() {}, onAnswer() {} }),
    cursors: createCursorService({ sql }),
    consumerGroups: createConsumerGroups({ sql }),
    commitments: createCommitmentService({ sql, sha256: sha256Into }),
    transparency: createTransparency({
      sql,
      sha256: sha256Into,
      logs: createLogService({ sql, sha256: sha256Into }),
      ...config.transparency,
      signer: identity,
      log: () => {},
    }),
    identity,
    log: pino({ level: 'silent' }),
    version: '0.0.0',
    readiness: () => ({ ready: true }),
  });
  const { port } = await gateway.listen();
  const generator = startGenerator();
  const gatewayCosts: number[] = [];
  const generatorCosts: number[] = [];
  try {
    await generator.prepare(
      {
        population,
        mix: { payloadBytes, entities: 1000, seed: 1 },
        path: '/api/v1/ves/events/ingest',
        host: `127.0.0.1:${port}`,
        apiKey: ADMIN_KEY,
        requests: REQUESTS,
        batch,
      },
      1,
    );
    for (let round = 0; round < ROUNDS; round++) {
      const clocks: NodeJS.CpuUsage[] = [];
      const { result } = await generator.run(
        {
          host: '127.0.0.1',
          port,
          connections: CONNECTIONS,
          batch,
          warmupMs: WARMUP_MS,
          measureMs: ROUND_MS,
          sampleEvery: Number.MAX_SAFE_INTEGER,
          repeat: true,
        },
        () => clocks.push(process.cpuUsage()),
      );
      if (result.failures > 0) throw new Error(`the gateway refused the bench: ${result.failureTexts[0]}`);
      const [begin, end] = clocks;
      const used = end!.user + end!.system - begin!.user - begin!.system;
      gatewayCosts.push(used / result.measuredEvents);
      generatorCosts.push(result.cpuMicros / result.measuredEvents);
    }
  } finally {
    generator.close();
    await gateway.drain();
    gateway.close();
  }
  return [
    costOf('HTTP: receive, authenticate, answer', gatewayCosts, true),
    costOf('load generator', generatorCosts, true),
  ];
}
