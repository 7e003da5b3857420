/** A database for `fsck` to read: signed events through the real committer, tiles and commitments by the real services. */
import { randomBytes, randomUUID } from 'node:crypto';
import { recordSequencerKeys } from '../engine/keys/sequencer-keys.js';
import {
  canonicalize,
  eventSigningHash,
  FIXED,
  formatUuid,
  newUuidV7,
  packFixedFields,
  parseUuid,
  payloadPlainHash,
  type VesEnvelope,
} from '../engine/protocol/index.js';
import {
  collectNeeds,
  createBatchBuilder,
  createCommitter,
  createPlanner,
  createSubmission,
  outcome,
  readBatch,
  STREAM_VES,
  type Submission,
} from '../engine/sequencer/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../engine/store/connection.js';
import { encodeVesRow, VES_ROW_FIXED_BYTES } from '../engine/store/copy-row.js';
import { entityKey } from '../engine/store/entity-key.js';
import { createGroupStore } from '../engine/store/group-store.js';
import {
  createPopulation,
  createRandom,
  LOAD_KEY_ID,
  type Population,
  publicKeyOf,
} from '../loadtest/event-source.js';
import { createMicrosClock } from '../workers/micros-clock.js';
import { createSigner, nativeSha256, sha256Into } from '../workers/native-crypto.js';

export interface FillOptions {
  readonly events: number;
  readonly streams: number;
  readonly payloadBytes: number;
  say(line: string): void;
}

const GROUP_EVENTS = 1000;
const AGENTS = 16;
const ENTITIES = 20_000;
/** Every so many events one is of version 2. */
const VERSION_2_EVERY = 4;
const TEXT_BYTES_MAX = 240;

/** Fills a database that has its schema: keys, events, nothing else. */
export async function fillDatabase(target: DatabaseTarget, options: FillOptions): Promise<Population> {
  const sql = connectDatabase(target, { max: 2, applicationName: 'bench fsck' });
  try {
    const population = createPopulation('fsck', options.streams, AGENTS);
    await recordSequencerKeys(sql, createPopulation('fsck sequencer', 1, 1).agents.map(publicKeyOf)[0]!);
    await registerAgents(sql, population);
    await commitEvents(target, population, options);
    await sql`analyze`;
    return population;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function registerAgents(sql: Sql, population: Population): Promise<void> {
  for (const agent of population.agents)
    await sql`insert into agent_signing_keys (tenant_id, agent_id, key_id, public_key)
      values (${population.tenantId}, ${agent.agentId}, ${LOAD_KEY_ID}, ${Buffer.from(publicKeyOf(agent))})`;
}

async function commitEvents(
  target: DatabaseTarget,
  population: Population,
  options: FillOptions,
): Promise<void> {
  const store = createGroupStore({
    target,
    partition: { partitions: 1, partition: 0, ownerId: randomUUID(), leaseMs: 10_000 },
    commitTimeoutMs: 60_000,
    lockTimeoutMs: 10_000,
    sequencerId: randomUUID(),
    sha256: sha256Into,
  });
  let answered: (submission: Submission) => void = () => {};
  const committer = createCommitter({
    store,
    clock: createMicrosClock(),
    rules: { collectNeeds, planGroup: createPlanner(sha256Into, { keyVersion: () => 0 }) },
    limits: {
      groupEventsMax: GROUP_EVENTS,
      groupBytesMax: 64 * 1024 * 1024,
      queueEventsMax: 8 * GROUP_EVENTS,
      queueBytesMax: 512 * 1024 * 1024,
      pauseMsMin: 20,
      pauseMsMax: 1000,
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    reply: (submission) => answered(submission),
  });
  const pack = createPacker(population, options);
  for (let done = 0; done < options.events; done += GROUP_EVENTS) {
    const batch = readBatch(pack(Math.min(GROUP_EVENTS, options.events - done), done / GROUP_EVENTS));
    await new Promise<void>((resolve, reject) => {
      answered = ({ outcome: { events } }) => {
        if (events[0] === outcome.ACCEPTED) resolve();
        else reject(new Error('a group of the bench was not stored'));
      };
      committer.submit(createSubmission(batch, 0));
    });
    if (done % 100_000 === 0) options.say(`fsck: ${(done + GROUP_EVENTS).toLocaleString('en-US')} events`);
  }
  await committer.close();
  await store.close();
}

/** Makes batches of signed events, one stream each, in turns. */
function createPacker(population: Population, options: FillOptions) {
  const tenantId = parseUuid(population.tenantId)!;
  const random = createRandom(3);
  const signers = population.agents.map(({ seed }) => createSigner(seed));
  const filler = 'x'.repeat(Math.max(0, options.payloadBytes - 40));
  const encoded = { end: 0, proof: 0, entity: 0 };
  const signature = Buffer.alloc(64);
  let made = 0;
  return (events: number, group: number): ArrayBuffer => {
    const builder = createBatchBuilder();
    const store = parseUuid(population.storeIds[group % population.storeIds.length]!)!;
    builder.request(0, STREAM_VES, tenantId, store, Number.MAX_SAFE_INTEGER);
    const tenantStore = Buffer.concat([tenantId, store]);
    for (let i = 0; i < events; i++) {
      made++;
      const agent = made % AGENTS;
      const text = canonicalize({ amount: made, note: filler });
      const fixed = packFixedFields({
        tenantId,
        storeId: store,
        eventId: formatUuid(newUuidV7(Date.now(), randomBytes(10))),
        sourceAgentId: population.agents[agent]!.agentId,
        payloadPlainHash: payloadPlainHash(text, { sha256: nativeSha256 }),
      });
      const envelope = {
        vesVersion: made % VERSION_2_EVERY === 0 ? 2 : 1,
        agentKeyId: LOAD_KEY_ID,
        entityType: 'order',
        entityId: `ord-${Math.floor(random() * ENTITIES)}`,
        eventType: 'order.updated',
        createdAt: new Date().toISOString(),
        payloadKind: 0,
        hasCommandId: false,
        baseVersion: undefined,
        fixed,
        fixedOffset: 0,
      } as unknown as VesEnvelope;
      const signingHash = eventSigningHash(envelope, nativeSha256);
      signers[agent]!(signingHash, signature);
      fixed.set(signature, FIXED.agentSignature);
      const key = Buffer.alloc(8);
      key.writeBigInt64BE(entityKey(tenantStore, envelope.entityType, envelope.entityId));
      const payload = Buffer.from(text);
      const place = builder.reserve(VES_ROW_FIXED_BYTES + payload.length + TEXT_BYTES_MAX);
      encodeVesRow(place.target, place.offset, { envelope, payload, entityKey: key, signingHash }, encoded);
      builder.event(
        {
          idBytes: fixed,
          idOffset: FIXED.eventId,
          commandBytes: undefined,
          commandOffset: 0,
          digest: nativeSha256(signingHash),
          entityKey: key,
          baseVersion: undefined,
          verdict: outcome.ACCEPTED,
          proof: encoded.proof,
          entity: encoded.entity,
        },
        encoded.end,
      );
    }
    return builder.finish();
  };
}
