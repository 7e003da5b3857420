/**
 * Fifty thousand damaged requests against a running service: it refuses them one by one, and nothing else happens.
 * `FUZZ_SEED` repeats a run, `FUZZ_REQUESTS` makes it shorter or longer.
 */
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { connectDatabase, type DatabaseTarget } from '../../engine/store/connection.js';
import { call, push, readStream, registerAgent } from '../support/agents.js';
import { startTestService } from '../support/service.js';
import { createFuzzer, type FuzzRequest } from './fuzz-requests.js';
import { openConnection, type RawAnswer } from './raw-http.js';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 50_000);
const CONNECTIONS = 40;
/** How long a damaged request is waited for. */
const DAMAGED_WAIT_MS = 25;
const ANSWER_WAIT_MS = 20_000;
const MIB = 1024 * 1024;
/** How much the resident memory may grow over the last three quarters of the run. */
const GROWTH_BYTES_MAX = 96 * MIB;

test(`${REQUESTS} mutated requests`, { timeout: 120_000 }, async () => {
  const seed = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));
  console.log(`fuzz: FUZZ_SEED=${seed}`);
  // A small young generation, so that memory tells what is kept and not what V8 has not yet bothered to collect.
  const service = await startTestService({
    env: { BODY_TIMEOUT_SECS: '2', NODE_OPTIONS: '--max-semi-space-size=2' },
  });
  const agents = await Promise.all(Array.from({ length: 6 }, () => registerAgent(service)));
  const make = createFuzzer(seed, agents, service.adminKey);

  const statuses = new Map<number, number>();
  const problems: string[] = [];
  let accepted = 0;
  let unanswered = 0;
  let unansweredEvents = 0;
  let next = 0;
  let warm = 0;

  function judge(index: number, request: FuzzRequest, answer: RawAnswer): void {
    const { status, text, headers } = answer;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const report = (what: string) => {
      if (problems.length < 5)
        problems.push(
          `request ${index}: ${what}\n${request.bytes.toString('latin1').slice(0, 2000)}\n=> ${text.slice(0, 500)}`,
        );
    };
    if (status === 0) {
      unanswered++;
      unansweredEvents += request.events;
      if (!request.damaged) report('no answer');
    } else if (status >= 500 && !(request.damaged && status === 505)) report(`status ${status}`);
    else if (status === 200 && request.events > 0 && text.startsWith('{"batch')) {
      const body = JSON.parse(text);
      accepted += body.eventsAccepted ?? body.events_accepted;
    } else if (status >= 400 && headers.has('x-error-code')) {
      const isHead = text === '';
      if (!isHead && JSON.parse(text).code !== headers.get('x-error-code')) report('an unusual error body');
    }
  }

  async function client(): Promise<void> {
    let connection = openConnection(service.port);
    while (next < REQUESTS && problems.length === 0) {
      const index = next++;
      if (index === Math.floor(REQUESTS / 4)) warm = service.residentBytes();
      const request = make(index);
      if (!connection.open) connection = openConnection(service.port);
      connection.write(request.bytes);
      const isHead = request.bytes.subarray(0, 5).toString() === 'HEAD ';
      const answer = await within(
        connection.answer(),
        request.damaged || isHead ? DAMAGED_WAIT_MS : ANSWER_WAIT_MS,
      );
      if (answer === undefined && !request.damaged && !isHead)
        problems.push(`request ${index}: no answer in time`);
      if (answer === undefined) {
        unanswered++;
        unansweredEvents += request.events;
      } else judge(index, isHead ? { ...request, damaged: true } : request, answer);
      // The state of a connection after a damaged request, or an answer to HEAD, is anybody's guess.
      if (request.damaged || isHead || answer === undefined || answer.status === 0) {
        connection.destroy();
        connection = openConnection(service.port);
      }
    }
    connection.destroy();
  }

  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  const seconds = (performance.now() - startedAt) / 1000;
  const atEnd = service.residentBytes();
  console.log(
    `fuzz: ${seconds.toFixed(1)} s, ${accepted} events accepted, ${unanswered} requests unanswered, statuses`,
    Object.fromEntries([...statuses].sort()),
    `memory ${Math.round(warm / MIB)} -> ${Math.round(atEnd / MIB)} MiB`,
  );
  expect(problems).toEqual([]);
  expect(service.logs().match(/"level":(50|60).*/g)).toBeNull();
  expect(atEnd - warm).toBeLessThan(GROWTH_BYTES_MAX);

  // Everything that is stored was answered as accepted; only requests without an answer may have added to it.
  const sql = connectDatabase(service.database as DatabaseTarget, { max: 1, applicationName: 'test' });
  const [{ stored }] =
    (await sql`select (select count(*) from ves_events) + (select count(*) from events) as stored`) as unknown as [
      { stored: bigint },
    ];
  expect(Number(stored)).toBeGreaterThanOrEqual(accepted);
  expect(Number(stored)).toBeLessThanOrEqual(accepted + unansweredEvents);
  // L1, on every stream that came about
  const holes = await sql`select tenant_id, store_id from ves_events group by 1, 2
    having count(*) <> max(sequence_number) or min(sequence_number) <> 1
    union all select tenant_id, store_id from events group by 1, 2
    having count(*) <> max(sequence_number) or min(sequence_number) <> 1`;
  expect(holes).toHaveLength(0);
  await sql.end();

  expect(accepted).toBeGreaterThan(REQUESTS / 50); // it did not only refuse
  const agent = agents[0]!;
  const last = agent.event();
  expect((await push(service, agent, [last])).body.eventsAccepted).toBe(1);
  expect((await readStream(service, agent)).at(-1)?.event_id).toBe(last.envelope.event_id);
  expect((await call(service, 'GET', '/ready')).status).toBe(200);
  expect(await service.stop()).toBe(0);
});

/** The value, or undefined when it takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
