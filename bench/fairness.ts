/**
 * What one tenant's flood does to another tenant: a modest one sends single requests at a fixed rate, first alone, then beside
 * a tenant that sends as fast as it is answered. Rounds alternate, so that a slow phase of the machine meets both.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generateApiKey, hashApiKey, insertApiKey } from '../engine/keys/api-keys.js';
import { createPopulation, type Population } from '../loadtest/event-source.js';
import { type GeneratorGroup, type GroupResult, startGenerators } from '../loadtest/generators.js';
import { registerAgents } from '../loadtest/register-agents.js';
import { type LatencyMs, latencyMs } from '../loadtest/report.js';
import { openTarget, type Target } from '../loadtest/target.js';
import { median } from './statistics.js';
import { formatTable } from './table.js';

export interface FairnessOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  /** Measured seconds of each kind of round, all rounds together. */
  readonly seconds: number;
  readonly payloadBytes: number;
  /** The modest tenant's requests per second, one event each. */
  readonly rate?: number;
  /** The flood: connections in closed loop, and events per request. */
  readonly connections?: number;
  readonly batch?: number;
  /** Settings of the service. */
  readonly env?: Readonly<Record<string, string>>;
  say(line: string): void;
}

export interface FairnessReport {
  /** The modest tenant's latency, by round. */
  readonly alone: readonly LatencyMs[];
  readonly beside: readonly LatencyMs[];
  /** Of the medians of the rounds. */
  readonly p50_ratio: number;
  readonly p99_ratio: number;
  /** What the flood got through meanwhile. */
  readonly flood_events_per_second: number;
  readonly flood_p99_ms: number;
  /** Requests of the modest tenant that were refused or failed: there should be none. */
  readonly modest_failures: number;
  readonly faults: readonly string[];
}

/** Enough that a request that waits does not hold up the next one before it is sent. */
const MODEST_CONNECTIONS = 64;
const ROUNDS = 3;
const WARMUP_MS = 2_000;
/** Before the first round: a fresh process spends its first seconds compiling its hot paths. */
const WARMUP_FIRST_MS = 6_000;
/** The flood is prepared for this rate, more than the machine does. */
const FLOOD_RATE_MAX = 20_000;
/** The flood begins before the modest tenant and ends after it. */
const OVERLAP_MS = 500;

/** A tenant with a key of its own and requests to send. */
interface Guest {
  readonly generators: GeneratorGroup;
  readonly population: Population;
  readonly apiKey: string;
  readonly batch: number;
}

export async function runFairness(
  options: FairnessOptions,
): Promise<{ report: FairnessReport; text: string }> {
  const { dataDir, seconds, say, rate = 50, connections = 8, batch = 100, env = {} } = options;
  const directory = join(dataDir, 'fairness');
  mkdirSync(directory, { recursive: true });
  say('fairness: starting a service');
  const target = await openTarget({
    ...{ url: undefined, apiKey: undefined, grpcPort: undefined, env },
    dataDir: directory,
  });
  const guests: Guest[] = [];
  try {
    const modest = await openGuest(target, 'modest', 1);
    const flood = await openGuest(target, 'flood', batch);
    guests.push(modest, flood);
    const measureMs = (seconds * 1000) / ROUNDS;
    const alone: GroupResult[] = [];
    const beside: GroupResult[] = [];
    const floods: GroupResult[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const warmupMs = round === 0 ? WARMUP_FIRST_MS : WARMUP_MS;
      const modestPlan = { connections: MODEST_CONNECTIONS, ratePerSec: rate, warmupMs, measureMs };
      const runModest = async () => {
        await prepare(target, modest, (rate * 1.1 * (warmupMs + measureMs)) / 1000 + 50, options);
        return () => run(target, modest, modestPlan);
      };
      say(`fairness: round ${round + 1} of ${ROUNDS}, alone`);
      alone.push(await (await runModest())());
      say(`fairness: round ${round + 1} of ${ROUNDS}, beside a flood of ${connections} × ${batch}`);
      const floodMs = measureMs + 2 * OVERLAP_MS;
      await prepare(target, flood, (FLOOD_RATE_MAX * (warmupMs + floodMs)) / 1000, options);
      const startModest = await runModest();
      const flooding = run(target, flood, {
        ...{ connections, warmupMs: Math.max(0, warmupMs - OVERLAP_MS), measureMs: floodMs },
      });
      beside.push(await startModest());
      floods.push(await flooding);
    }
    const report = summarise(alone, beside, floods);
    return { report, text: formatFairness(report, { rate, connections, batch }) };
  } finally {
    for (const { generators } of guests) generators.close();
    await target.close();
  }
}

async function openGuest(target: Target, name: string, batch: number): Promise<Guest> {
  const population = createPopulation(`fairness ${name} ${randomUUID()}`, 2, 4);
  await registerAgents(target, population);
  const apiKey = generateApiKey(population.tenantId);
  await insertApiKey(target.local!.sql, hashApiKey(apiKey), {
    ...{ tenantId: population.tenantId, storeIds: [], agentId: null, rateLimit: null },
    ...{ canRead: true, canWrite: true, canAdmin: false },
  });
  return { generators: startGenerators(1), population, apiKey, batch };
}

let mixes = 0;

function prepare(
  { host, port }: Target,
  { generators, population, apiKey, batch }: Guest,
  events: number,
  { payloadBytes }: FairnessOptions,
): Promise<void> {
  return generators.prepare({
    ...{ population, apiKey, batch, protocol: 'http', path: '/api/v1/ves/events/ingest' },
    mix: { payloadBytes, entities: 1000, seed: ++mixes },
    host: `${host}:${port}`,
    requests: Math.ceil(events / batch),
  });
}

const run = (
  { host, port }: Target,
  { generators, apiKey, batch }: Guest,
  plan: { connections: number; ratePerSec?: number; warmupMs: number; measureMs: number },
): Promise<GroupResult> => generators.run({ ...plan, host, port, apiKey, batch, sampleEvery: 0 }, () => {});

function summarise(
  alone: readonly GroupResult[],
  beside: readonly GroupResult[],
  floods: readonly GroupResult[],
): FairnessReport {
  const all = [...alone, ...beside];
  const middle = (results: readonly GroupResult[], of: (latency: LatencyMs) => number) =>
    median(results.map(({ latency }) => of(latencyMs(latency))));
  const ratio = (of: (latency: LatencyMs) => number) =>
    Number((middle(beside, of) / middle(alone, of)).toFixed(2));
  return {
    alone: alone.map(({ latency }) => latencyMs(latency)),
    beside: beside.map(({ latency }) => latencyMs(latency)),
    p50_ratio: ratio(({ p50 }) => p50),
    p99_ratio: ratio(({ p99 }) => p99),
    flood_events_per_second: Math.round(
      median(floods.map(({ measuredEvents, measuredMs }) => (measuredEvents * 1000) / measuredMs)),
    ),
    flood_p99_ms: middle(floods, ({ p99 }) => p99),
    modest_failures: all.reduce((sum, { failures }) => sum + failures, 0),
    faults: [...all, ...floods].flatMap(({ failureTexts }) => failureTexts).slice(0, 5),
  };
}

function formatFairness(
  report: FairnessReport,
  { rate, connections, batch }: { rate: number; connections: number; batch: number },
): string {
  const rounds = (name: string, latencies: readonly LatencyMs[]) =>
    latencies.map(({ p50, p99, max }, i) => [`${name}, round ${i + 1}`, p50, p99, max]);
  return [
    `\nA tenant with ${rate} single events/s, alone and beside one with ${connections} connections of ${batch} events in closed loop\n`,
    formatTable(
      ['the modest tenant', 'p50 ms', 'p99', 'max'],
      [...rounds('alone', report.alone), ...rounds('beside the flood', report.beside)],
    ),
    `\nbeside / alone, medians of the rounds: p50 × ${report.p50_ratio}, p99 × ${report.p99_ratio}; refused: ${report.modest_failures}\n`,
    `the flood: ${report.flood_events_per_second} events/s, p99 ${report.flood_p99_ms} ms\n`,
    ...report.faults.map((fault) => `  ${fault}\n`),
  ].join('');
}
