import { createSequencerClient, type SequencerClient } from '../../agent/client.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createPopulation, type Population } from '../../loadtest/event-source.js';
import type { SampledEvents } from '../../loadtest/generator-messages.js';
import type { Protocol } from '../../loadtest/line.js';
import type { LoadPlan, LoadResult } from '../../loadtest/load-plan.js';
import { registerAgents } from '../../loadtest/register-agents.js';
import { buildRequests, hashesAt, idsAt } from '../../loadtest/requests.js';
import { runLoad } from '../../loadtest/run-load.js';
import { startTestService, type TestService } from '../support/service.js';

/** A service with a registered population, and what looks into it. */
export interface Loaded {
  readonly service: TestService;
  readonly sql: Sql;
  readonly client: SequencerClient;
}

export async function startLoaded(env: Record<string, string> = {}): Promise<Loaded> {
  const service = await startTestService({ env });
  if (service.database === 'embedded') throw new Error('the service has a database of the test run');
  return {
    service,
    sql: connectDatabase(service.database, { max: 2, applicationName: 'test-loadtest' }),
    client: createSequencerClient({ url: service.url, apiKey: service.adminKey }),
  };
}

export async function registerPopulation({ service }: Loaded, seed: string): Promise<Population> {
  const population = createPopulation(seed, 3, 4);
  await registerAgents({ url: service.url, apiKey: service.adminKey }, population);
  return population;
}

export interface ShortRun {
  readonly result: LoadResult;
  readonly samples: readonly SampledEvents[];
}

/** A short run in this process. */
export async function shortRun(
  { service }: Loaded,
  population: Population,
  protocol: Protocol,
  more: Partial<LoadPlan> & { requests?: number } = {},
): Promise<ShortRun> {
  const { requests = 40, ...rest } = more;
  const batch = 5;
  const host = '127.0.0.1';
  const block = buildRequests({
    ...{ population, protocol, batch, requests, path: '/api/v1/ves/events/ingest' },
    mix: { payloadBytes: 300, entities: 20, seed: 7 },
    ...{ host: `${host}:${service.port}`, apiKey: service.adminKey },
  });
  const plan: LoadPlan = {
    ...{ host, port: service.port, protocol, apiKey: service.adminKey, batch },
    ...{ connections: 3, warmupMs: 0, measureMs: 10_000, sampleEvery: 10, keepAcknowledgements: true },
    ...rest,
  };
  const result = await runLoad(plan, [block]);
  const samples = result.samples.map(({ request, text }) => ({
    ids: idsAt(block, request, batch),
    hashes: hashesAt(block, request, batch),
    text: protocol === 'http' ? text : '',
  }));
  return { result, samples };
}
