/**
 * One simulated world: agents, processes of the service, a network and a database, driven by a seed. For the given number of
 * steps everything may fail; then nothing fails any more, and every request must come to an end.
 */
import { batch, outcome as code, type Submission } from '../sequencer/index.js';
import { startAgents } from './agents.js';
import { Breach, createAudit } from './audit.js';
import { type Faults, type Network, NO_FAULTS } from './connection.js';
import { createDatabase, type StoredRow } from './database.js';
import type { SimulatedEnvelope } from './envelope.js';
import { type Instance, startInstance } from './instance.js';
import { MUTATIONS } from './mutations.js';
import { createRandom } from './random.js';
import { createScheduler } from './scheduler.js';

export interface SimulationOptions {
  readonly seed: number;
  /** Steps with faults; the quiet end comes on top. */
  readonly steps: number;
  /** Name of a planted fault. */
  readonly mutation?: string | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  readonly failure:
    | { readonly step: number; readonly message: string; readonly actions: readonly string[] }
    | undefined;
  /** Stored events, commits, crashes and the like. */
  readonly counts: Readonly<
    Record<
      'commits' | 'stored' | 'acknowledged' | 'answers' | 'crashes' | 'stops' | 'breaks' | 'losses',
      number
    >
  >;
  /** Answered events by outcome code; rejections of the verify worker as one. */
  readonly outcomes: Readonly<Record<number, number>>;
  /** Equal for equal runs. */
  readonly fingerprint: number;
}

export const SIMULATION_STEPS = 3_000;

const ACTIONS_KEPT = 50;
/** More than the quiet end of any run should ever need. */
const QUIET_STEPS_MAX = 60_000;
const CHAOS_MS_MAX = 500;
const RESTART_MS_MAX = 800;
const STOP_MS_MAX = 3_000;
const AUDIT_EVERY_STEPS = 500;

/** From a calm day to a very bad one. */
const WEATHER: readonly Faults[] = [
  NO_FAULTS,
  { break: 0.002, answer: 0.002, stall: 0.002, connect: 0.05 },
  { break: 0.01, answer: 0.02, stall: 0.01, connect: 0.1 },
  { break: 0.04, answer: 0.04, stall: 0.02, connect: 0.2 },
];
const ANSWER_LOSS = 0.02;

export async function simulate({ seed, steps, mutation }: SimulationOptions): Promise<SimulationResult> {
  const planted = mutation === undefined ? undefined : MUTATIONS[mutation];
  if (mutation !== undefined && !planted) throw new RangeError(`no planted fault is called ${mutation}`);
  const random = createRandom(seed);
  const scheduler = createScheduler(random);
  const weather = random.pick(WEATHER);
  const counts = {
    commits: 0,
    stored: 0,
    acknowledged: 0,
    answers: 0,
    crashes: 0,
    stops: 0,
    breaks: 0,
    losses: 0,
  };
  const outcomes: Record<number, number> = {};
  const actions: string[] = [];
  let fingerprint = 0x811c9dc5;
  let failure: SimulationResult['failure'];
  let faulty = true;

  function trace(action: string): void {
    if (action.includes('connection broke')) counts.breaks++;
    if (action.includes(': lost')) counts.losses++;
    const line = `${scheduler.steps} ${scheduler.now().toFixed(2)} ${action}`;
    for (let i = 0; i < line.length; i++)
      fingerprint = Math.imul(fingerprint ^ line.charCodeAt(i), 0x01000193) >>> 0;
    actions.push(line);
    if (actions.length > ACTIONS_KEPT) actions.shift();
  }

  function fail(error: unknown): void {
    const message = error instanceof Breach ? error.message : `${(error as Error)?.stack ?? error}`;
    failure ??= { step: scheduler.steps, message, actions: [...actions] };
  }

  /** Laws are checked inside the code under test, which must not swallow what they say. */
  function checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      fail(error);
    }
  }

  const audit = createAudit(() => database);
  const database = createDatabase(scheduler, (rows: readonly StoredRow[]) => {
    counts.commits++;
    counts.stored += rows.length;
    checked(() => audit.committed(rows));
  });
  const network: Network = {
    scheduler,
    random,
    database,
    faults: () => (faulty ? weather : NO_FAULTS),
    trace,
  };

  /** What was sent, for the checks at its answer. */
  const sent = new WeakMap<
    object,
    Map<number, { envelopes: readonly SimulatedEnvelope[]; versions: readonly number[] }>
  >();
  function answered(submission: Submission): void {
    counts.answers++;
    for (let event = 0; event < submission.eventCount; event++) {
      const result = Math.min(submission.outcome.events[event * code.EVENT_NUMBERS]!, code.VERDICT_BASE);
      outcomes[result] = (outcomes[result] ?? 0) + 1;
    }
    const { envelopes, versions } = sent.get(submission.batch)!.get(submission.request)!;
    checked(() => audit.answered(submission, envelopes, versions));
  }

  const slots: Instance[] = [];
  let started = 0;
  function start(slot: number): void {
    slots[slot] = startInstance({
      network,
      name: `P${++started}`,
      partitions: random.chance(0.8) ? 2 : 1 + random.int(3),
      mutation: planted,
      onAnswer: answered,
      onInjectedRefusal: audit.refusedByInjection,
    });
  }
  const processes = 1 + random.int(3);
  for (let slot = 0; slot < processes; slot++) start(slot);

  const agents = startAgents({
    scheduler,
    random,
    instances: () => slots.filter((instance) => instance.alive),
    versionOf: audit.versionOf,
    onSend(packed, request, envelopes) {
      const requests = sent.get(packed) ?? new Map();
      sent.set(packed, requests);
      // Versions never go back, so this is the least that a conflict may report.
      const first = batch.requestFirstEvent(packed, request);
      const versions = envelopes.map(({ tenant, store }, i) =>
        audit.versionOf(`${tenant}${store}${batch.eventEntityKey(packed, first + i)}`),
      );
      requests.set(request, { envelopes, versions });
    },
    answerLoss: () => (faulty && weather !== NO_FAULTS ? ANSWER_LOSS : 0),
    trace,
  });

  function chaos(): void {
    if (!faulty) return;
    const slot = random.int(processes);
    const instance = slots[slot]!;
    if (instance.alive && weather !== NO_FAULTS) {
      const what = random.int(10);
      if (what === 0) {
        counts.crashes++;
        instance.crash();
        scheduler.after(random.between(0, RESTART_MS_MAX), () => start(slot));
      } else if (what < 3) {
        counts.stops++;
        instance.stop(random.between(0, STOP_MS_MAX));
      } else if (what === 3) {
        void instance.close().then(() => start(slot));
      }
    }
    scheduler.after(random.between(0, CHAOS_MS_MAX), chaos);
  }
  scheduler.after(CHAOS_MS_MAX, chaos);

  const isIdle = () =>
    agents.open === 0 &&
    slots.every(({ alive, unanswered, queuedEvents }) => alive && unanswered + queuedEvents === 0);

  process.on('unhandledRejection', fail);
  try {
    while (!failure && scheduler.steps < steps && (await scheduler.step())) {
      if (scheduler.steps % AUDIT_EVERY_STEPS === 0) checked(audit.everything);
    }
    faulty = false;
    agents.quiesce();
    trace('no more faults, no new requests');
    const end = scheduler.steps + QUIET_STEPS_MAX;
    while (!failure && !isIdle() && scheduler.steps < end && (await scheduler.step()));
    if (!failure && !isIdle()) {
      const left = slots.map(
        ({ name, unanswered, queuedEvents }) => `${name}: ${unanswered} requests, ${queuedEvents} events`,
      );
      fail(new Breach(`liveness: ${agents.open} requests have no final answer (${left.join('; ')})`));
    }
    checked(audit.everything);
  } finally {
    process.off('unhandledRejection', fail);
  }
  counts.acknowledged = audit.acknowledgedEvents;
  return { seed, steps: scheduler.steps, failure, counts, outcomes, fingerprint };
}
