/** The demo from its first line to its verdict. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createSequencerClient, type SequencerClient } from '../../agent/client.js';
import { startAgents } from './agents.js';
import { createBoard } from './board.js';
import { checkStream } from './check-streams.js';
import type { CheckResult, CheckTask } from './check-thread.js';
import { gatherEvidence } from './evidence.js';
import { readLedger } from './ledger.js';
import type { AgentOrder } from './messages.js';
import { type Proof, proveOffline } from './prove.js';
import { type DemoService, findOrStartService } from './service.js';
import { addProgress, createTally, percentile } from './tally.js';

export interface DemoOptions {
  readonly url: string | undefined;
  readonly apiKey: string | undefined;
  /** Honest agents; the replayer and the forger come on top. */
  readonly agents: number;
  readonly seconds: number;
  /** Most events to send, over all agents. */
  readonly events: number;
  /** Kill the service half-way (an own one is started for it). */
  readonly crash: boolean;
  /** Directory for one event's evidence, which is verified after the service (an own one) has stopped; undefined: no proofs. */
  readonly prove: string | undefined;
  /** Print nothing but the result as JSON. */
  readonly json: boolean;
}

/** What the demo found. */
export interface DemoResult {
  readonly ok: boolean;
  readonly service: string;
  readonly agents: number;
  readonly seconds: number;
  readonly acknowledged: number;
  readonly events_per_second: number;
  readonly latency_ms: { readonly p50: number; readonly p99: number };
  readonly replayed: number;
  readonly refused: number;
  readonly retries: number;
  readonly receipts_verified: number;
  readonly verification_seconds: number;
  readonly streams: readonly { readonly name: string; readonly store_id: string; readonly events: number }[];
  /** The commands that proved it offline, with `prove`. */
  readonly proofs?: readonly Proof[];
  readonly faults: readonly string[];
}

const STORES = ['web-shop', 'marketplace', 'outlet'];
const BATCH_EVENTS_MAX = 40;
const TICK_MS = 100;
const FAULTS_SHOWN = 20;

/** Runs the demo. @throws Error when no service can be used */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const say = options.json ? () => {} : (line: string) => void process.stdout.write(`${line}\n`);
  let agents: ReturnType<typeof startAgents> | undefined;
  const directory = mkdtempSync(join(tmpdir(), 'sseq-ledger-'));
  const starting = findOrStartService({ ...options, own: options.crash || options.prove !== undefined, say });
  // Agents and service are processes of their own: nobody else ends them.
  const onSignal = (signal: NodeJS.Signals) => {
    agents?.kill();
    rmSync(directory, { recursive: true, force: true });
    // A service that is still starting is stopped as soon as it can be; a second signal does not wait for it.
    void starting
      .then((service) => service.close())
      .finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    const service = await starting;
    const scene = setScene(options, service, directory);
    const tally = createTally();
    say(
      `${scene.orders.length} agents (one replays, one forges) push to ${STORES.length} streams of a new tenant\n`,
    );
    const board = createBoard(tally, scene.storeNames, options.json ? { write: () => {} } : process.stdout);
    const startedAt = performance.now();
    agents = startAgents(scene.orders, (progress) => addProgress(tally, progress));
    let running = true;
    const ended = agents.done.finally(() => {
      running = false;
    });
    let crashed = !options.crash;
    while (running) {
      const elapsed = (performance.now() - startedAt) / 1000;
      if (!crashed && elapsed > options.seconds / 2) {
        crashed = true;
        service.crash();
      }
      board.show(elapsed > options.seconds ? 'waiting for the last answers' : 'sending');
      await Promise.race([sleep(TICK_MS), ended]);
    }
    const reports = await ended;
    const sendingSeconds = (performance.now() - startedAt) / 1000;
    board.close();

    say('\nchecking every receipt and every stream …');
    const checkedAt = performance.now();
    const client = createSequencerClient({ url: service.url, apiKey: service.apiKey });
    const checked = await checkEverything(client, scene);
    const forged = new Set(reports.flatMap((report) => report.forgedIds));
    const faults = [
      ...reports.flatMap((report) => report.faults),
      ...checked.faults,
      ...(await checkForgeries(client, scene.tenantId, forged)),
      ...(checked.receipts === tally.accepted
        ? []
        : [`${tally.accepted} events were acknowledged, ${checked.receipts} are in the ledgers`]),
      ...(tally.accepted === 0 ? ['nothing was acknowledged'] : []),
    ];
    const proven =
      options.prove === undefined ? undefined : await prove(options, options.prove, service, scene, say);
    faults.push(...(proven?.faults ?? []));
    return {
      ok: faults.length === 0,
      service: service.own ? `${service.url} (its own)` : service.url,
      agents: scene.orders.length,
      seconds: round(sendingSeconds, 1),
      acknowledged: tally.accepted,
      events_per_second: Math.round(tally.accepted / sendingSeconds),
      latency_ms: { p50: percentile(tally.latenciesMs, 50), p99: percentile(tally.latenciesMs, 99) },
      replayed: tally.replayed,
      refused: tally.refused,
      retries: tally.retries,
      receipts_verified: checked.receipts,
      verification_seconds: round((performance.now() - checkedAt) / 1000, 1),
      streams: checked.streams,
      ...(proven ? { proofs: proven.proofs } : {}),
      faults: faults.slice(0, FAULTS_SHOWN),
    };
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    agents?.kill();
    await starting.then(
      (service) => service.close(),
      () => {},
    );
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Takes the evidence of one event, stops the service, and lets the commands speak. */
async function prove(
  options: DemoOptions,
  directory: string,
  service: DemoService,
  { tenantId, orders }: Scene,
  say: (line: string) => void,
): Promise<Awaited<ReturnType<typeof proveOffline>>> {
  const entries = orders
    .filter((order) => existsSync(order.ledgerFile))
    .flatMap((order) => readLedger(order.ledgerFile));
  const chosen = entries[Math.floor(entries.length / 2)];
  if (!chosen) throw new Error('there is no event to prove');
  const { storeId } = chosen;
  const head = entries.reduce(
    (last, each) => (each.storeId === storeId ? Math.max(last, each.receipt.sequenceNumber) : last),
    0,
  );
  await gatherEvidence({
    url: service.url,
    apiKey: service.apiKey,
    tenantId,
    storeId,
    eventId: chosen.eventId,
    sequence: chosen.receipt.sequenceNumber,
    head,
    directory,
  });
  await service.stop();
  say(
    `\nevent ${chosen.eventId}, number ${chosen.receipt.sequenceNumber} of ${head}: evidence in ${directory}; the service is stopped`,
  );
  return proveOffline({
    dataDir: service.dataDir!,
    directory,
    tenantId,
    storeId,
    output: options.json ? undefined : process.stdout,
    say,
  });
}

interface Scene {
  readonly tenantId: string;
  /** Store id -> name. */
  readonly storeNames: ReadonlyMap<string, string>;
  readonly orders: readonly AgentOrder[];
}

function setScene(options: DemoOptions, service: DemoService, directory: string): Scene {
  const tenantId = randomUUID();
  const storeNames = new Map(STORES.map((name) => [randomUUID() as string, name]));
  const roles = [
    ...Array.from({ length: options.agents }, () => 'honest' as const),
    'replayer' as const,
    'forger' as const,
  ];
  const orders = roles.map((role, i): AgentOrder => {
    const ledgerFile = join(directory, `agent-${i + 1}.ndjson`);
    writeFileSync(ledgerFile, '');
    return {
      name: role === 'honest' ? `agent-${i + 1}` : role,
      role,
      url: service.url,
      apiKey: service.apiKey,
      tenantId,
      storeIds: [...storeNames.keys()],
      durationMs: options.seconds * 1000,
      eventsMax: Math.ceil(options.events / roles.length),
      batchEventsMax: BATCH_EVENTS_MAX,
      ledgerFile,
    };
  });
  return { tenantId, storeNames, orders };
}

async function checkEverything(client: SequencerClient, { tenantId, storeNames, orders }: Scene) {
  const { keys } = await client.sequencerKeys();
  const files = orders.map((order) => order.ledgerFile).filter((file) => existsSync(file));
  const threads = Math.min(availableParallelism(), files.length);
  const offline = Promise.all(
    Array.from({ length: threads }, (_, thread) =>
      checkInThread({ ledgerFiles: files.filter((__, i) => i % threads === thread), tenantId, keys }),
    ),
  );
  const entries = files.flatMap(readLedger);
  const streams = [];
  const faults: string[] = [];
  for (const [storeId, name] of storeNames) {
    const mine = entries.filter((entry) => entry.storeId === storeId);
    const check = await checkStream(client, { tenantId, storeId }, mine);
    streams.push({ name, store_id: storeId, events: check.events });
    faults.push(...check.faults);
  }
  const results = await offline;
  return {
    streams,
    receipts: results.reduce((sum, result) => sum + result.checked, 0),
    faults: [...faults, ...results.flatMap((result) => result.faults)],
  };
}

function checkInThread(task: CheckTask): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./check-thread.js', import.meta.url), { workerData: task });
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the checking thread ended with code ${code}`)));
  });
}

/** Nothing forged is to be found by its id, either; a few are asked for. */
async function checkForgeries(
  client: SequencerClient,
  tenantId: string,
  forged: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = [];
  for (const eventId of [...forged].slice(0, FAULTS_SHOWN)) {
    if (await client.findEvent(tenantId, eventId)) found.push(`the forged event ${eventId} is stored`);
  }
  return found;
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
