/** The parts on their own: what each costs when nothing else runs, and what the machine could do with that. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { migrate } from '../../engine/store/migrate.js';
import { createPopulation } from '../../loadtest/event-source.js';
import { openDatabase, readSettings } from '../database.js';
import { measureCommit } from './commit-part.js';
import { measureParts, type PartCost } from './cost.js';
import { measureCrossings } from './crossing-part.js';
import { measureHttp } from './http-part.js';
import { treeParts, WITH_TREE, WITHOUT_TREE } from './tree-part.js';
import { workerParts } from './worker-parts.js';

export type { PartCost } from './cost.js';

export interface PartsReport {
  /** Events per request. */
  readonly batch: number;
  readonly costs: readonly PartCost[];
  /** Sum of those that count. */
  readonly sum_us_per_event: number;
  /** What the Merkle trees add to planning a group, alone and as a share of that sum. */
  readonly trees: { readonly us_per_event: number; readonly percent: number };
}

export interface PartsOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  readonly payloadBytes: number;
  say(line: string): void;
}

const BATCH = 100;
const STORES = 8;
const AGENTS = 32;
const GIB = 1024 ** 3;
/** An event's envelope besides its payload, as JSON. */
const ENVELOPE_BYTES = 900;
const MIGRATIONS = fileURLToPath(new URL('../../../migrations/postgres', import.meta.url));

export async function runParts(options: PartsOptions): Promise<PartsReport> {
  const { dataDir, payloadBytes, say } = options;
  const population = createPopulation('stateset-sequencer bench', STORES, AGENTS);
  say('parts: parsing, verifying, rendering …');
  const costs = measureParts(workerParts(population, payloadBytes, BATCH));
  costs.push(...measureParts(treeParts(population, payloadBytes)));
  costs.push(await measureCrossings(payloadBytes + ENVELOPE_BYTES, BATCH));

  say('parts: database and HTTP …');
  const server = await startEmbeddedPostgres({
    dataDir: join(dataDir, 'parts'),
    sharedBuffers: GIB,
    log: () => {},
  });
  const sql = openDatabase(server.target);
  try {
    await migrate(sql, MIGRATIONS);
    await readSettings(sql);
    costs.push(...(await measureCommit(server.target, server.pid, population, payloadBytes)));
    costs.push(...(await measureHttp(sql, population, payloadBytes, BATCH)));
  } finally {
    await sql.end({ timeout: 1 });
    await server.stop();
    rmSync(join(dataDir, 'parts'), { recursive: true, force: true });
  }
  const terms = costs.filter((cost) => cost.counts);
  const sum = terms.reduce((total, cost) => total + cost.us_per_event, 0);
  const microsOf = (name: string) => costs.find((cost) => cost.name === name)!.us_per_event;
  const trees = microsOf(WITH_TREE) - microsOf(WITHOUT_TREE);
  return {
    trees: { us_per_event: Number(trees.toFixed(2)), percent: Number(((100 * trees) / sum).toFixed(2)) },
    batch: BATCH,
    costs: [...terms, ...costs.filter((cost) => !cost.counts)],
    sum_us_per_event: Number(sum.toFixed(1)),
  };
}
