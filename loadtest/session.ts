/** What the scenarios share: a target, a population that is registered there, generators, and what was acknowledged so far. */
import { randomUUID } from 'node:crypto';
import { createSequencerClient, type SequencerClient } from '../agent/client.js';
import type { Acknowledgements } from './acknowledgements.js';
import { cpuBetween, readClocks } from './clocks.js';
import { type CheckReport, checkRun } from './correctness.js';
import { createPopulation, type Population } from './event-source.js';
import type { SampledEvents } from './generator-messages.js';
import { type GeneratorGroup, type GroupResult, startGenerators } from './generators.js';
import type { Protocol } from './line.js';
import type { Options } from './options.js';
import { databaseReader, httpReader } from './read-stream.js';
import { registerAgents } from './register-agents.js';
import { type LoadRow, latencyMs } from './report.js';
import type { LoadPlan } from './run-load.js';
import { openTarget, type Target } from './target.js';

export interface Session {
  readonly options: Options;
  readonly target: Target;
  readonly population: Population;
  readonly client: SequencerClient;
  readonly generators: GeneratorGroup;
  /** Signs `events` events in requests of `batch`, to be sent over `protocol`. */
  prepare(events: number, batch: number, protocol: Protocol): Promise<void>;
  /** Runs what was prepared or taken, as one row of the report. */
  measure(name: string, plan: MeasurePlan): Promise<LoadRow>;
  /** Stores this many events over HTTP as fast as it goes, without measuring. */
  fill(events: number): Promise<void>;
  /** Everything that was acknowledged in this session, against what is stored. */
  check(): Promise<CheckReport>;
  say(line: string): void;
  close(): Promise<void>;
}

export interface MeasurePlan
  extends Pick<
    LoadPlan,
    'connections' | 'batch' | 'repeat' | 'expect' | 'ratePerSec' | 'warmupMs' | 'measureMs'
  > {
  readonly protocol: Protocol;
  readonly window: number;
}

const ONE_STREAM: ReadonlySet<string> = new Set(['streams', 'catch-up']);
const INGEST_PATH = '/api/v1/ves/events/ingest';
const SAMPLES_PER_RUN = 60;
const FILL_BATCH = 200;
const FILL_CONNECTIONS = 4;
/** Filling ends when the prepared requests are used up. */
const FILL_MS = 600_000;
const MB = 1024 * 1024;

/** @param dataDir a directory of the session's own */
export async function openSession(
  options: Options,
  dataDir: string,
  say: (line: string) => void,
): Promise<Session> {
  const { url, apiKey, env } = options;
  say(url === undefined ? 'starting a service …' : `using ${url} …`);
  const target = await openTarget({ url, apiKey, grpcPort: options.grpcPort, dataDir, env });
  // Subscribers listen to one stream, so everything goes there.
  const streams = ONE_STREAM.has(options.scenario) ? 1 : options.streams;
  // Streams of its own: they begin at 1 whatever else is stored.
  const population = createPopulation(`loadtest ${randomUUID()}`, streams, options.agents);
  const client = createSequencerClient({ url: target.url, apiKey: target.apiKey });
  const generators = startGenerators(options.generators);
  const acknowledgements: Acknowledgements[] = [];
  const samples: SampledEvents[] = [];
  let uncertainEvents = 0;
  let mixes = 0;
  let prepared = 0;
  const close = async () => {
    generators.close();
    await target.close();
  };
  try {
    await registerAgents(target, population);
  } catch (error) {
    await close();
    throw error;
  }

  async function prepare(events: number, batch: number, protocol: Protocol): Promise<void> {
    prepared = Math.ceil(events / batch);
    say(`signing ${(prepared * batch).toLocaleString('en-US')} events …`);
    await generators.prepare({
      population,
      mix: {
        payloadBytes: options.payloadBytes,
        entities: options.entities,
        seed: options.seed * 1000 + mixes++,
      },
      ...{ protocol, path: INGEST_PATH, host: `${target.host}:${target.port}`, apiKey: target.apiKey },
      ...{ requests: prepared, batch },
    });
  }

  async function run(plan: MeasurePlan, onPhase: (phase: 'begin' | 'end') => void): Promise<GroupResult> {
    const writes = plan.expect !== 'answers';
    const result = await generators.run(
      {
        ...plan,
        host: target.host,
        port: plan.protocol === 'grpc' ? target.grpcPort : target.port,
        apiKey: target.apiKey,
        sampleEvery: writes ? Math.max(1, Math.floor(prepared / 2 / SAMPLES_PER_RUN)) : 0,
        keepAcknowledgements: writes,
      },
      onPhase,
    );
    if (writes) uncertainEvents += result.failures * plan.batch;
    acknowledgements.push(...result.acknowledgements);
    samples.push(...result.samples);
    return result;
  }

  return {
    ...{ options, target, population, client, generators, prepare, say, close },
    async measure(name, plan) {
      say(`${name}: running …`);
      const clocks: ReturnType<typeof readClocks>[] = [];
      const result = await run(plan, () => clocks.push(readClocks(target.local)));
      const row = describe(name, plan, result, clocks, target.local !== undefined);
      say(`${name}: ${row.events_per_second} events/s, ${row.requests_per_second} requests/s`);
      return row;
    },
    async fill(events) {
      await prepare(events, FILL_BATCH, 'http');
      say('storing them …');
      const rest = { batch: FILL_BATCH, protocol: 'http', window: 1, warmupMs: 0 } as const;
      const { failures, failureTexts } = await run(
        { ...rest, connections: FILL_CONNECTIONS, measureMs: FILL_MS },
        () => {},
      );
      if (failures > 0) throw new Error(`events cannot be stored: ${failureTexts[0]}`);
    },
    check() {
      say('checking what was stored …');
      const { tenantId, storeIds } = population;
      const { local } = target;
      return checkRun({
        ...{ tenantId, storeIds, acknowledgements, uncertainEvents, client, samples },
        readStream: local ? databaseReader(local.sql, tenantId) : httpReader(client, tenantId),
      });
    },
  };
}

function describe(
  name: string,
  plan: MeasurePlan,
  result: GroupResult,
  [begin, end]: readonly ReturnType<typeof readClocks>[],
  isLocal: boolean,
): LoadRow {
  const seconds = result.measuredMs / 1000;
  const { ratePerSec } = plan;
  return {
    name,
    loop: ratePerSec === undefined ? 'closed' : 'open',
    offered: ratePerSec === undefined ? null : Math.round(ratePerSec * plan.batch),
    seconds: Number(seconds.toFixed(1)),
    events_per_second: plan.expect === 'answers' ? 0 : Math.round(result.measuredEvents / seconds),
    requests_per_second: Math.round(result.measuredRequests / seconds),
    latency_ms: latencyMs(result.latency),
    failures: result.failures,
    errors: result.errors,
    failure_texts: result.failureTexts,
    // Writes of a prepared file may not run out; other requests are as many as there are.
    ran_out: result.ranOut && plan.expect !== 'answers',
    cpu: cpuBetween(begin!, end!, isLocal),
    service_memory_mb: isLocal ? Math.round(end!.serviceBytes / MB) : null,
  };
}
