/** The sequencer thread and the database: the real committer and store on the real tables, groups of 1000. */
import { randomUUID } from 'node:crypto';
import {
  collectNeeds,
  createCommitter,
  createPlanner,
  createSubmission,
  outcome,
  readBatch,
  type Submission,
} from '../../engine/sequencer/index.js';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { createGroupStore } from '../../engine/store/group-store.js';
import { createRandom, type Population } from '../../loadtest/event-source.js';
import { createMicrosClock } from '../../workers/micros-clock.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { familyMicros } from '../proc.js';
import { packRows } from '../rows.js';
import { costOf, type PartCost } from './cost.js';

const GROUP_EVENTS = 1000;
const GROUPS_PER_ROUND = 12;
const ROUNDS = 7;

/** Commits groups one after another and reads both sides' CPU clocks. */
export async function measureCommit(
  target: DatabaseTarget,
  postgresPid: number,
  population: Population,
  payloadBytes: number,
): Promise<PartCost[]> {
  const store = createGroupStore({
    target,
    partition: { partitions: 1, partition: 0, ownerId: randomUUID(), leaseMs: 10_000 },
    commitTimeoutMs: 30_000,
    lockTimeoutMs: 10_000,
    sequencerId: randomUUID(),
    sha256: sha256Into,
  });
  let answered: (submission: Submission) => void = () => {};
  const committer = createCommitter({
    store,
    clock: createMicrosClock(),
    rules: { collectNeeds, planGroup: createPlanner(sha256Into, { keyVersion: () => 1 }) },
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

  async function commit(group: ArrayBuffer): Promise<void> {
    const batch = readBatch(group);
    let open = batch.requestCount;
    await new Promise<void>((resolve, reject) => {
      answered = (submission) => {
        if (submission.outcome.events[0] !== outcome.ACCEPTED)
          reject(new Error('a group of the bench was not stored'));
        if (--open === 0) resolve();
      };
      for (let request = 0; request < batch.requestCount; request++)
        committer.submit(createSubmission(batch, request));
    });
  }

  const mix = { payloadBytes, entities: 200_000, random: createRandom(5) };
  const nodeCosts: number[] = [];
  const postgresCosts: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const groups = Array.from({ length: GROUPS_PER_ROUND }, () => packRows(population, mix, GROUP_EVENTS));
    const cpu = process.cpuUsage();
    const postgres = familyMicros(postgresPid);
    for (const group of groups) await commit(group);
    const used = process.cpuUsage(cpu);
    const events = GROUPS_PER_ROUND * GROUP_EVENTS;
    if (round === 0) continue; // warm-up
    nodeCosts.push((used.user + used.system) / events);
    postgresCosts.push((familyMicros(postgresPid) - postgres) / events);
  }
  await committer.close();
  await store.close();
  return [
    costOf('sequencer thread: numbers, tree, COPY', nodeCosts, true),
    costOf('Postgres: COPY into the real table, commit', postgresCosts, true),
  ];
}
