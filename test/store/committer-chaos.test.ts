/** The whole core on a real database whose sessions are ended and stopped at random while several owners write. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  outcome as code,
  collectNeeds,
  createCommitter,
  createPlanner,
  type Submission,
} from '../../engine/sequencer/index.js';
import { createRandom } from '../../engine/simulation/random.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectConsistent } from './recompute.js';
import {
  freshPartition,
  KEY_VERSION,
  makeStore,
  nowMicros,
  outcomesOf,
  pause,
  STREAM_LEGACY,
  STREAM_VES,
  sha256Into,
  stream,
  submissionOf,
  type TestEvent,
  until,
  uuid,
} from './support.js';

const REQUESTS = 150;
const CHAOS_MS = 3_000;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 4, applicationName: 'committer-chaos-test' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

test('no session that ends loses, repeats or reorders an acknowledged event', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`committer chaos: seed ${seed}`);
  const random = createRandom(seed);
  const shared = freshPartition();
  const answered = new Set<Submission>();
  const owners = [shared, shared, freshPartition()].map((partition, i) => {
    const store = makeStore(database.target, partition, {
      owner: `owner ${i}`,
      leaseMs: 300,
      commitTimeoutMs: 600,
      lockTimeoutMs: 400,
    });
    const committer = createCommitter({
      store,
      clock: { nowMs: () => Date.now(), nowMicros },
      rules: { collectNeeds, planGroup: createPlanner(sha256Into, { keyVersion: () => KEY_VERSION }) },
      limits: {
        groupEventsMax: 20,
        groupBytesMax: 1e6,
        queueEventsMax: 1e5,
        queueBytesMax: 1e8,
        pauseMsMin: 5,
        pauseMsMax: 50,
      },
      sleep: (ms) => pause(ms).then(() => {}),
      reply: (submission) => answered.add(submission),
    });
    return { store, committer };
  });

  let running = true;
  const chaos = (async () => {
    while (running) {
      await pause(random.between(10, 120));
      const backends = await sql<{ pid: number }[]>`select pid from pg_stat_activity
        where datname = current_database() and application_name like 'stateset-sequencer partition%' order by pid`;
      if (backends.length === 0) continue;
      const { pid } = random.pick(backends);
      if (random.chance(0.6)) await sql`select pg_terminate_backend(${pid})`;
      else await stopFor(pid, random.between(50, 900));
    }
  })();

  const streams = ['one', 'two'].flatMap((name) => [stream(name, STREAM_VES), stream(name, STREAM_LEGACY)]);
  const sent: { submission: Submission; events: readonly TestEvent[] }[] = [];
  const earlier: TestEvent[][] = [];
  const begin = Date.now();
  for (let request = 0; request < REQUESTS; request++) {
    const s = random.pick(streams);
    const again = random.chance(0.2)
      ? earlier.filter(([first]) => first?.store === s.store && first.kind === s.kind)
      : [];
    const events =
      again.length > 0
        ? random.pick(again)
        : Array.from({ length: 1 + random.int(8) }, (_, i) =>
            s.event(`${s.kind} ${request} ${i}`, { entityId: 'same' }),
          );
    earlier.push([...events]);
    const submission = submissionOf(events);
    sent.push({ submission, events });
    random.pick(owners).committer.submit(submission);
    await pause(Math.max(0, begin + (CHAOS_MS * request) / REQUESTS - Date.now()));
  }
  running = false;
  await chaos;
  await until('every request is answered', async () => answered.size === REQUESTS, 15_000);
  await Promise.all(owners.map(({ committer }) => committer.close()));
  await Promise.all(owners.map(({ store }) => store.close()));

  await expectConsistent(sql);
  const rows = await sql`select 0 as kind, event_id, store_id, sequence_number as n from ves_events
    union all select 1, event_id, store_id, sequence_number from events`;
  const stored = new Map(rows.map((row) => [`${row.kind} ${row.store_id} ${row.event_id}`, Number(row.n)]));
  for (const { submission, events } of sent) {
    const results = outcomesOf(submission);
    const numbers = events.map((event) => stored.get(`${event.kind} ${uuid(event.store)} ${uuid(event.id)}`));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a! - b!));
    results.forEach(([outcome, sequence], i) => {
      // Whoever sends first is told "accepted", others that the event is there already; the number is the same for all.
      expect([code.ACCEPTED, events[i]!.kind === STREAM_VES ? code.REPLAYED : code.EVENT_ID_TAKEN]).toContain(
        outcome,
      );
      expect(sequence).toBe(numbers[i]);
    });
  }
  expect(stored.size).toBe(
    new Set(sent.flatMap(({ events }) => events.map(({ kind, id }) => `${kind} ${id}`))).size,
  );
});

/** Stops a server process for a while. */
async function stopFor(pid: number, ms: number): Promise<void> {
  try {
    process.kill(pid, 'SIGSTOP');
    await pause(ms);
  } catch {
    return; // it had ended already
  }
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // ended meanwhile
  }
}
