/**
 * A database with rows of every kind, all of them made by the code that makes them in the service: judged requests through the
 * real group store, then tiles, roots, commitments, notary and a witness's cosignature.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createAuditLog } from '../../engine/audit/index.js';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { recordSequencerKeys } from '../../engine/keys/sequencer-keys.js';
import { cosign, formatVerifierKey, NOTE_COSIGNATURE } from '../../engine/log/index.js';
import {
  canonicalLegacyJson,
  publicKeyFromSeed,
  signEd25519,
  type VesEnvelopeJson,
} from '../../engine/protocol/index.js';
import {
  collectNeeds,
  createBatchBuilder,
  createPlanner,
  createSubmission,
  outcome,
  readBatch,
  STREAM_LEGACY,
  STREAM_VES,
  type Submission,
  wholeSlice,
} from '../../engine/sequencer/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { createGroupStore } from '../../engine/store/group-store.js';
import {
  cosignatureCheck,
  insertCosignature,
  writeWitnessSize,
} from '../../engine/store/notary-checkpoints.js';
import { createLogService } from '../../engine/transparency/index.js';
import type { CachedKey } from '../../workers/agent-key-cache.js';
import { createJudge } from '../../workers/judge.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { prepareLegacyJson, prepareVesJson } from '../../workers/prepare-json.js';
import { ENCRYPTED_ENVELOPE, ENCRYPTED_SEED } from '../service/encrypted-vector.js';
import { createAgent, type TestAgent } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';
import { NOTARY_ORIGIN, signerOf, startNotary } from '../transparency/notary-support.js';

/** Tenant and store of the worked example of an encrypted event; the plain events of the main stream go there as well. */
export const MAIN = { tenantId: ENCRYPTED_ENVELOPE.tenant_id, storeId: ENCRYPTED_ENVELOPE.store_id };
/** Events of the main VES stream: a full tile and some. */
export const MAIN_EVENTS = 280;
/** Events of the main store's legacy stream. */
export const LEGACY_EVENTS = 23;

const LIMITS = { batchEventsMax: 10_000, payloadBytesMax: 1 << 20 } as Parameters<typeof prepareVesJson>[1];
const ANYBODY = { tenant: null, stores: [], agent: null };

export interface FsckDatabase {
  readonly target: DatabaseTarget;
  readonly sql: Sql;
  /** Writes to the main stream. */
  readonly agent: TestAgent;
  /** Stores events as one request and one group. */
  ves(agent: TestAgent, events: readonly VesEnvelopeJson[]): Promise<void>;
  /** Stores made-up legacy events the same way. */
  legacy(agent: TestAgent, count: number, parts: { entityId?: string }): Promise<void>;
  drop(): Promise<void>;
}

/** The schema, the sequencer's key, an agent; nothing else. */
export async function openFsckDatabase(): Promise<FsckDatabase> {
  const database = await createTestDatabase({ migrated: true });
  const sql = connectDatabase(database.target, { max: 3, applicationName: 'fsck-test' });
  await recordSequencerKeys(sql, signerOf(0).publicKey);
  const agent = createAgent({ ...MAIN, agentId: ENCRYPTED_ENVELOPE.source_agent_id, seed: ENCRYPTED_SEED });
  await register(sql, agent);
  const { close, ...ingest } = createIngest(database.target);
  return {
    target: database.target,
    sql,
    agent,
    ...ingest,
    async drop() {
      await close();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

export const register = (sql: Sql, { tenantId, agentId, keyId, publicKey }: TestAgent): Promise<boolean> =>
  registerAgentKey(sql, {
    ...{ tenantId, agentId, keyId, publicKey: Buffer.from(publicKey) },
    ...{ validFrom: null, validTo: null, proofOfPossession: undefined },
  });

/** Rows of every kind. */
export async function buildFsckDatabase(): Promise<FsckDatabase> {
  const database = await openFsckDatabase();
  const { sql } = database;
  await fillMain(database);
  await fillOthers(database);
  const logs = createLogService({ sql, sha256: sha256Into });
  const main = { kind: 'stream', ...MAIN } as const;
  await logs.recordRoot(main, 100); // inside a group
  await logs.integrate(main, 100);
  await commitRanges(sql);
  await recordActs(sql);
  await notarise(database);
  return database;
}

async function fillMain(database: FsckDatabase): Promise<void> {
  const { agent } = database;
  const plain = (n: number, parts: Parameters<TestAgent['event']>[0] = {}) =>
    agent.event({ entityId: `o-${n % 40}`, vesVersion: n % 3 === 0 ? 1 : 2, ...parts }).envelope;
  const many = (count: number) => Array.from({ length: count }, (_, n) => plain(n));
  await database.ves(agent, many(10));
  await database.ves(agent, [ENCRYPTED_ENVELOPE]);
  const commands = [1, 2].map((vesVersion) =>
    plain(vesVersion, { vesVersion: vesVersion as 1 | 2, commandId: randomUUID() }),
  );
  const versions = [1, 2].map((vesVersion) =>
    plain(0, { vesVersion: vesVersion as 1 | 2, entityId: `versioned-${vesVersion}`, baseVersion: 0 }),
  );
  await database.ves(agent, [...commands, ...versions, plain(5, { payload: { text: 'Größe ✓ 𝄞', n: 1.5 } })]);
  await database.legacy(agent, 12, { entityId: 'versioned-1' });
  await database.ves(agent, [plain(0, { entityId: 'versioned-2', baseVersion: 1 })]);
  await database.ves(agent, many(100));
  await database.ves(agent, many(MAIN_EVENTS - 117));
  await database.legacy(agent, LEGACY_EVENTS - 12, {});
}

/** Other streams: small ones, one of another tenant, one that has nothing but its counter. */
async function fillOthers(database: FsckDatabase): Promise<void> {
  const { agent, sql } = database;
  for (const store of [1, 2, 3]) {
    const other = agent.at({
      storeId: `00000000-0000-0000-0000-0000000001${String(store).padStart(2, '0')}`,
    });
    await database.ves(
      other,
      Array.from({ length: store }, () => other.event().envelope),
    );
  }
  const stranger = createAgent({ tenantId: '99999999-0000-4000-8000-000000000001', storeId: MAIN.storeId });
  await register(sql, stranger);
  await database.ves(stranger, [stranger.event().envelope, stranger.event().envelope]);
  await sql`insert into ves_sequence_counters (tenant_id, store_id) values (${MAIN.tenantId}, ${randomUUID()})`;
}

/** Acts of every shape: with and without a tenant, done and refused. */
async function recordActs(sql: Sql): Promise<void> {
  const audit = createAuditLog({ sql });
  const place = { requestId: 'r-1', ipAddress: '127.0.0.1', userAgent: 'test/1' };
  const act = { actorType: 'operator', resourceType: 'api_key', resourceId: 'k-1' } as const;
  await audit.note({
    ...act,
    action: 'api_key_created',
    actor: 'me',
    tenantId: MAIN.tenantId,
    details: { n: 1 },
    ...place,
  });
  await audit.note({ ...act, action: 'api_key_revoked', actor: 'you', tenantId: null, ...place });
  await audit.note({
    ...act,
    action: 'custom:tried',
    actor: 'me',
    tenantId: MAIN.tenantId,
    ...place,
    errorMessage: 'no',
  });
}

async function commitRanges(sql: Sql): Promise<void> {
  const commitments = createCommitmentService({ sql, sha256: sha256Into });
  const first = await commitments.commitVes(MAIN, 1n, 1n);
  const anchor = {
    txHash: createHash('sha256').update('transaction').digest(),
    chainId: 8453,
    blockNumber: 123n,
  };
  await commitments.markAnchored(first.batchId, anchor);
  await commitments.commitVes(MAIN, 2n, 6n);
  await commitments.commitVes(MAIN, 7n, 250n);
  await commitments.commitLegacy(MAIN, 2n, 4n);
  await commitments.commitLegacy(MAIN, 5n, 11n);
}

async function notarise({ sql }: FsckDatabase): Promise<void> {
  const notary = startNotary(sql);
  const { checkpoint } = await notary.turn();
  const { size, body } = checkpoint!;
  const seed = createHash('sha256').update('witness').digest();
  const witness = {
    name: 'witness.example',
    publicKey: publicKeyFromSeed(seed),
    sign: (m: Uint8Array) => signEd25519(m, seed),
  };
  const cosignedAt = 1_790_000_000;
  const signature = cosign(body, cosignedAt, witness);
  const encoded = Buffer.concat([signature.keyId, signature.signature]).toString('base64');
  const row = {
    origin: NOTARY_ORIGIN,
    treeSize: size,
    witnessName: witness.name,
    keyId: signature.keyId,
    signatureLine: `— ${witness.name} ${encoded}`,
    cosignedAt,
  };
  await insertCosignature(sql, { ...row, rowCheck: cosignatureCheck(row) });
  await writeWitnessSize(
    sql,
    NOTARY_ORIGIN,
    formatVerifierKey(witness.name, NOTE_COSIGNATURE, witness.publicKey),
    size,
  );
}

/** Ingest without threads and sockets: each call is one request and one group. */
function createIngest(target: DatabaseTarget) {
  const judge = createJudge();
  const plan = createPlanner(sha256Into, { keyVersion: () => 0 });
  const store = createGroupStore({
    target,
    partition: { partitions: 1, partition: 0, ownerId: randomUUID(), leaseMs: 10_000 },
    commitTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
    sequencerId: randomUUID(),
    sha256: sha256Into,
  });
  let last = 0;

  async function commit(submission: Submission): Promise<void> {
    const group = [wholeSlice(submission)];
    let opened = await store.open(collectNeeds(group));
    while (opened.fenced) opened = await store.open(collectNeeds(group));
    last = Math.max(last + 1, Date.now() * 1000);
    const { write, settle } = plan(group, opened.snapshot, last);
    if (write === undefined) throw new Error('none of the events was accepted');
    await store.write(write);
    settle();
    const { events } = submission.outcome;
    for (let at = 0; at < events.length; at += outcome.EVENT_NUMBERS)
      if (events[at] !== outcome.ACCEPTED)
        throw new Error(`event ${at / outcome.EVENT_NUMBERS} was not accepted`);
  }

  const arrival = (body: object) => ({
    slot: 0,
    codec: 'json' as const,
    body: Buffer.from(JSON.stringify(body)),
    scope: ANYBODY,
    deadlineMs: Number.MAX_SAFE_INTEGER,
    receipts: 0,
  });
  const bytes = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex');

  return {
    async ves(agent: TestAgent, events: readonly VesEnvelopeJson[]): Promise<void> {
      const request = prepareVesJson(arrival({ agentId: agent.agentId, events }), LIMITS, false);
      const key = {
        publicKey: agent.publicKey,
        row: { status: 'active', validFromMicros: null, validToMicros: null, revokedAtMicros: null },
      };
      const builder = createBatchBuilder();
      builder.request(0, STREAM_VES, bytes(agent.tenantId), bytes(agent.storeId), Number.MAX_SAFE_INTEGER, 0);
      const keyOf = () => key as unknown as CachedKey;
      const nowMicros = Date.now() * 1000;
      judge.checkVes(request, 0, events.length, keyOf, nowMicros);
      judge.decideSignatures();
      judge.ves(request, 0, events.length, builder, keyOf, nowMicros);
      await commit(createSubmission(readBatch(builder.finish()), 0));
    },
    async legacy(agent: TestAgent, count: number, parts: { entityId?: string }): Promise<void> {
      const events = Array.from({ length: count }, (_, n) => {
        const payload = { n, half: n / 2, text: 'ü' };
        return {
          event_id: randomUUID(),
          tenant_id: agent.tenantId,
          store_id: agent.storeId,
          entity_type: 'order',
          entity_id: parts.entityId ?? `legacy-${n % 5}`,
          event_type: 'order.changed',
          payload,
          payload_hash: createHash('sha256')
            .update(canonicalLegacyJson(JSON.stringify(payload)))
            .digest('hex'),
          created_at: new Date().toISOString(),
          source_agent: agent.agentId,
          ...(n % 2 === 0 ? { signature: [1, 2, 3, n] } : {}),
          ...(n % 3 === 0 ? { command_id: randomUUID() } : {}),
        };
      });
      const request = prepareLegacyJson(arrival({ agent_id: agent.agentId, events }), LIMITS);
      const builder = createBatchBuilder();
      builder.request(
        0,
        STREAM_LEGACY,
        bytes(agent.tenantId),
        bytes(agent.storeId),
        Number.MAX_SAFE_INTEGER,
        0,
      );
      judge.legacy(request, 0, events.length, builder);
      await commit(createSubmission(readBatch(builder.finish()), 0));
    },
    close: () => store.close(),
  };
}
