/**
 * The whole service over HTTP: a process of its own with its embedded Postgres, a load generator in another process, and
 * this one, which only looks on: CPU time of every thread and server process, memory, and what is in the database.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createSequencerClient } from '../agent/client.js';
import type { Sql } from '../engine/store/connection.js';
import { createPopulation, LOAD_KEY_ID, type Population, publicKeyOf } from '../loadtest/event-source.js';
import type { AnsweredSample } from '../loadtest/generator-messages.js';
import { type Generator, startGenerator } from '../loadtest/generator-process.js';
import type { LoadPlan, LoadResult } from '../loadtest/run-load.js';
import { findFreePort, type ServiceProcess, startServiceProcess } from '../loadtest/service-process.js';
import { calibrate } from './calibrate.js';
import { type Correctness, checkCorrectness } from './correctness.js';
import { type DatabaseSettings, findServer, openDatabase, readSettings } from './database.js';
import { familyMicros, hostTicks, processMicros, residentBytes, threadTimes } from './proc.js';
import { median, quantile, slope } from './statistics.js';

export interface PipelineOptions {
  /** A directory of the bench's own; the service's log goes beside it. */
  readonly dataDir: string;
  readonly seconds: number;
  readonly batches: readonly number[];
  /** Connections at batch 1; larger batches use fewer. */
  readonly clients: number;
  readonly payloadBytes: number;
  /** Leave the open-loop run out. */
  readonly openLoop: boolean;
  /** Environment of the service, such as `VERIFY_THREADS`. */
  readonly env: Readonly<Record<string, string>>;
  /** Write CPU profiles of the service into this directory. */
  readonly profileDir: string | undefined;
  say(line: string): void;
}

/** CPU microseconds per event by who used them. */
export interface StageCosts {
  readonly main: number;
  readonly verify: number;
  readonly partition: number;
  /** Tiles and commitments, made behind the events. */
  readonly proof: number;
  readonly runtime: number;
  readonly postgres: number;
  readonly generator: number;
  readonly sum: number;
}

export interface RunReport {
  readonly name: string;
  readonly batch: number;
  readonly connections: number;
  /** Events per second asked for; null in closed loop. */
  readonly offered_rate: number | null;
  readonly seconds: number;
  readonly events: number;
  readonly events_per_second: number;
  /** Of one-second windows. */
  readonly windows: { readonly median: number; readonly p10: number; readonly p90: number };
  readonly latency_ms: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  readonly cpu_us_per_event: StageCosts;
  /** The machine's speed just before: see calibrate.ts. */
  readonly calibration_us: number;
  /** Processors kept busy by the service, its database and the load generator; by other work on the machine; by its host. */
  readonly processors: { readonly used: number; readonly others: number; readonly stolen: number };
  readonly group_events: { readonly mean: number; readonly p50: number; readonly p99: number };
  readonly service_memory_mb: { readonly start: number; readonly max: number; readonly end: number };
  readonly failures: number;
  readonly failure_texts: readonly string[];
  readonly ran_out: boolean;
}

export interface PipelineReport {
  readonly settings: Readonly<Record<string, string | number>>;
  readonly database: DatabaseSettings;
  readonly runs: readonly RunReport[];
  /** Of the service process over all runs; the slope is that of the second half. */
  readonly memory_mb: {
    readonly start: number;
    readonly max: number;
    readonly end: number;
    readonly slope_per_minute: number;
  };
  readonly correctness: Correctness;
}

const WARMUP_MS = 3_000;
/** Before the first run: a fresh process spends its first seconds compiling its hot paths. */
const WARMUP_FIRST_MS = 8_000;
const STORES = 8;
const AGENTS = 32;
const ENTITIES = 200_000;
const SAMPLES_PER_RUN = 60;
const ADMIN_KEY = 'bench-administrator-key-0123456789abcdef';
/** Requests are prepared for this rate: more than the machine does, so that they do not run out. */
const EXPECTED_RATE_PER_CORE: Record<number, number> = { 1: 5_000, 10: 8_500 };
const EXPECTED_RATE_PER_CORE_MAX = 10_000;
const MEMORY_INTERVAL_MS = 500;
const OPEN_LOOP_BATCH = 100;

const MB = 1024 * 1024;
const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

const connectionsFor = (batch: number, clients: number): number =>
  Math.max(2, batch === 1 ? clients : batch <= 10 ? clients / 4 : batch <= 100 ? clients / 8 : clients / 16);

/** Runs all load phases against a fresh service and checks its database afterwards. */
export async function runPipeline(options: PipelineOptions): Promise<PipelineReport> {
  const directory = join(options.dataDir, 'pipeline');
  const port = await findFreePort();
  const service = await startServiceProcess({
    port,
    dataDir: directory,
    adminKey: ADMIN_KEY,
    logFile: join(options.dataDir, '..', 'service.log'),
    env: { LOG_LEVEL: 'info', ...options.env },
    nodeOptions: options.profileDir ? ['--cpu-prof', `--cpu-prof-dir=${options.profileDir}`] : [],
  });
  const server = findServer(directory);
  const sql = openDatabase(server.target);
  const generator = startGenerator();
  const memory: [second: number, mb: number][] = [];
  const startedAt = performance.now();
  const watching = setInterval(
    () => memory.push([(performance.now() - startedAt) / 1000, residentBytes(service.pid) / MB]),
    MEMORY_INTERVAL_MS,
  );
  try {
    const database = await readSettings(sql);
    const population = createPopulation('stateset-sequencer bench', STORES, AGENTS);
    await registerAgents(service.url, population);
    const bench: Bench = {
      options,
      port,
      service,
      sql,
      generator,
      postgresPid: server.pid,
      population,
      samples: [],
      acknowledged: 0,
      phases: 0,
    };
    const runs: RunReport[] = [];
    for (const batch of options.batches) runs.push(await closedRun(bench, batch));
    if (options.openLoop) {
      runs.push(await openRun(bench, referenceRun(runs).events_per_second / 2));
    }
    options.say('checking what was stored …');
    const correctness = await checkCorrectness({
      sql,
      client: createSequencerClient({ url: service.url, apiKey: ADMIN_KEY }),
      population,
      acknowledged: bench.acknowledged,
      failures: runs.reduce((sum, run) => sum + run.failures, 0),
      samples: bench.samples,
    });
    const values = memory.map(([, mb]) => mb);
    return {
      settings: {
        payload_bytes: options.payloadBytes,
        stores: STORES,
        agents: AGENTS,
        entities: ENTITIES,
        warmup_ms: WARMUP_MS,
        ...options.env,
      },
      database,
      runs,
      memory_mb: {
        start: round(values[0] ?? 0),
        max: round(Math.max(0, ...values)),
        end: round(values.at(-1) ?? 0),
        slope_per_minute: round(slope(memory.slice(memory.length >>> 1)) * 60),
      },
      correctness,
    };
  } finally {
    clearInterval(watching);
    generator.close();
    await sql.end({ timeout: 1 });
    await service.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What all phases share. */
interface Bench {
  readonly options: PipelineOptions;
  readonly port: number;
  readonly service: ServiceProcess;
  readonly sql: Sql;
  readonly generator: Generator;
  readonly postgresPid: number;
  readonly population: Population;
  /** Answers kept for the correctness pass. */
  readonly samples: AnsweredSample[];
  /** Events acknowledged so far. */
  acknowledged: number;
  /** Phases so far; each has a mix of its own. */
  phases: number;
}

async function registerAgents(url: string, population: Population): Promise<void> {
  const client = createSequencerClient({ url, apiKey: ADMIN_KEY });
  for (const agent of population.agents)
    await client.registerKey({
      tenantId: population.tenantId,
      agentId: agent.agentId,
      keyId: LOAD_KEY_ID,
      publicKey: publicKeyOf(agent),
    });
}

async function closedRun(bench: Bench, batch: number): Promise<RunReport> {
  const { options } = bench;
  const perCore = EXPECTED_RATE_PER_CORE[batch] ?? EXPECTED_RATE_PER_CORE_MAX;
  const rate = perCore * availableParallelism();
  return oneRun(bench, `batch ${batch}`, rate, {
    host: '127.0.0.1',
    port: bench.port,
    connections: connectionsFor(batch, options.clients),
    batch,
    warmupMs: bench.phases === 0 ? WARMUP_FIRST_MS : WARMUP_MS,
    measureMs: options.seconds * 1000,
    sampleEvery: 0,
  });
}

/** The run that the ceiling and the open loop refer to: the one with the parts' batch size, else the fastest. */
export function referenceRun(runs: readonly RunReport[]): RunReport {
  const same = runs.find((run) => run.batch === OPEN_LOOP_BATCH && run.offered_rate === null);
  return same ?? runs.reduce((a, b) => (b.events_per_second > a.events_per_second ? b : a));
}

function openRun(bench: Bench, eventsPerSecond: number): Promise<RunReport> {
  const { options } = bench;
  return oneRun(bench, 'open loop', eventsPerSecond * 1.01, {
    host: '127.0.0.1',
    port: bench.port,
    connections: options.clients,
    batch: OPEN_LOOP_BATCH,
    warmupMs: WARMUP_MS,
    measureMs: options.seconds * 1000,
    ratePerSec: eventsPerSecond / OPEN_LOOP_BATCH,
    sampleEvery: 0,
  });
}

async function oneRun(bench: Bench, name: string, expectedRate: number, load: LoadPlan): Promise<RunReport> {
  const { options, generator, port } = bench;
  const requests = Math.ceil((expectedRate * (load.warmupMs + load.measureMs)) / 1000 / load.batch);
  options.say(`${name}: signing ${(requests * load.batch).toLocaleString('en-US')} events …`);
  await generator.prepare(
    {
      population: bench.population,
      mix: { payloadBytes: options.payloadBytes, entities: ENTITIES, seed: ++bench.phases },
      path: '/api/v1/ves/events/ingest',
      host: `127.0.0.1:${port}`,
      apiKey: ADMIN_KEY,
      requests,
      batch: load.batch,
    },
    availableParallelism(),
  );
  options.say(`${name}: running …`);
  const calibration = calibrate();
  const clocks: ReturnType<typeof readClocks>[] = [];
  const sampleEvery = Math.max(1, Math.floor(requests / 2 / SAMPLES_PER_RUN));
  const { result, samples: kept } = await generator.run({ ...load, sampleEvery }, () =>
    clocks.push(readClocks(bench)),
  );
  bench.samples.push(...kept);
  bench.acknowledged += result.acknowledgedEvents;
  const report = await describeRun(bench, { name, load, calibration }, result, clocks[0]!, clocks[1]!);
  const { latency_ms: latency } = report;
  options.say(`${name}: ${Math.round(report.events_per_second)} events/s, p99 ${latency.p99} ms`);
  return report;
}

/** Everything that is read at the beginning and the end of the measured time. */
function readClocks({ service, postgresPid }: Bench) {
  return {
    atMs: Date.now(),
    threads: threadTimes(service.pid),
    service: processMicros(service.pid),
    postgres: familyMicros(postgresPid),
    memory: residentBytes(service.pid),
    host: hostTicks(),
  };
}

type Clocks = ReturnType<typeof readClocks>;

async function describeRun(
  bench: Bench,
  { name, load, calibration }: { name: string; load: LoadPlan; calibration: number },
  result: LoadResult,
  begin: Clocks,
  end: Clocks,
): Promise<RunReport> {
  const { latency, measuredEvents: events } = result;
  const seconds = result.measuredMs / 1000;
  const ms = (micros: number) => round(micros / 1000, 2);
  const windows = result.eventsPerSecond;
  const costs = stageCosts(events, result, begin, end);
  return {
    name,
    batch: load.batch,
    connections: load.connections,
    offered_rate: load.ratePerSec === undefined ? null : Math.round(load.ratePerSec * load.batch),
    seconds: round(seconds),
    events,
    events_per_second: Math.round(events / seconds),
    windows: {
      median: Math.round(median(windows)),
      p10: Math.round(quantile(windows, 0.1)),
      p90: Math.round(quantile(windows, 0.9)),
    },
    latency_ms: {
      p50: ms(latency.p50),
      p90: ms(latency.p90),
      p99: ms(latency.p99),
      p999: ms(latency.p999),
      max: ms(latency.max),
    },
    cpu_us_per_event: costs,
    calibration_us: round(calibration),
    processors: shareProcessors(costs.sum * events, begin, end),
    group_events: await groupSizes(bench.sql, begin.atMs, end.atMs),
    service_memory_mb: {
      start: round(begin.memory / MB),
      max: round(Math.max(begin.memory, end.memory) / MB),
      end: round(end.memory / MB),
    },
    failures: result.failures,
    failure_texts: result.failureTexts,
    ran_out: result.ranOut,
  };
}

function stageCosts(events: number, result: LoadResult, begin: Clocks, end: Clocks): StageCosts {
  const sums = { main: 0, verify: 0, partition: 0, proof: 0, runtime: 0 };
  for (const [name, micros] of end.threads) {
    const stage = name.replace(/-.*/, '') as keyof typeof sums;
    sums[stage] += micros - (begin.threads.get(name) ?? 0);
  }
  const per = (micros: number) => round(micros / Math.max(1, events));
  const all = {
    ...sums,
    postgres: end.postgres - begin.postgres,
    generator: result.cpuMicros,
  };
  return {
    main: per(all.main),
    verify: per(all.verify),
    partition: per(all.partition),
    proof: per(all.proof),
    runtime: per(all.runtime),
    postgres: per(all.postgres),
    generator: per(all.generator),
    sum: per(Object.values(all).reduce((a, b) => a + b, 0)),
  };
}

function shareProcessors(ourMicros: number, begin: Clocks, end: Clocks): RunReport['processors'] {
  const ticks = (name: 'stolen' | 'idle' | 'all') => end.host[name] - begin.host[name];
  const perTick = availableParallelism() / Math.max(1, ticks('all'));
  const used = ourMicros / Math.max(1, end.atMs - begin.atMs) / 1000;
  const busy = (ticks('all') - ticks('idle') - ticks('stolen')) * perTick;
  return {
    used: round(used, 2),
    others: round(Math.max(0, busy - used), 2),
    stolen: round(ticks('stolen') * perTick, 2),
  };
}

/** Events per commit, from the receipts' ranges: streams that were committed together share the instant. */
async function groupSizes(sql: Sql, fromMs: number, toMs: number): Promise<RunReport['group_events']> {
  const [row] = await sql<{ mean: number | null; p50: number | null; p99: number | null }[]>`
    select avg(n)::float8 as mean, percentile_cont(0.5) within group (order by n) as p50,
           percentile_cont(0.99) within group (order by n) as p99
    from (select sum(last_sequence - first_sequence + 1)::float8 as n from ves_sequencer_receipts
          where sequenced_at >= to_timestamp(${fromMs / 1000}::float8) and sequenced_at < to_timestamp(${toMs / 1000}::float8)
          group by sequenced_at) as groups`;
  return { mean: round(row?.mean ?? 0), p50: round(row?.p50 ?? 0), p99: round(row?.p99 ?? 0) };
}
