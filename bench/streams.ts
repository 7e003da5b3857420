/**
 * Protocols side by side in one run, on one service: events in over HTTP, WebSocket and gRPC; events out to many subscribers; a long
 * stream read from its beginning; and what a connection costs that does nothing.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckReport } from '../loadtest/correctness.js';
import type { Protocol } from '../loadtest/line.js';
import { parseOptions } from '../loadtest/options.js';
import type { LoadRow } from '../loadtest/report.js';
import { measureCatchUp } from '../loadtest/scenarios/catch-up.js';
import { type FanOutResult, measureFanOut } from '../loadtest/scenarios/fan-out.js';
import { measureIdle } from '../loadtest/scenarios/idle.js';
import { openSession, type Session } from '../loadtest/session.js';
import { median } from './statistics.js';
import { formatTable } from './table.js';

export interface StreamsOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  /** Measured seconds of each run. */
  readonly seconds: number;
  readonly payloadBytes: number;
  readonly subscribers: number;
  /** Events per second of the fan-out. */
  readonly rate: number;
  /** Idle connections. */
  readonly sockets: number;
  /** Events of the stream that is read from its beginning. */
  readonly events: number;
  say(line: string): void;
}

/** One protocol. The protocols take turns, so that a slow phase of the machine meets all of them; figures are medians. */
export interface IngestReport {
  readonly protocol: Protocol;
  readonly events_per_second: number;
  /** Of the rounds' ratios. */
  readonly ratio_to_http: number;
  /** CPU time of service and database; unlike the rate, it does not suffer from other work on the machine. */
  readonly cpu_us_per_event: number;
  readonly cpu_ratio_to_http: number;
  readonly rounds: readonly LoadRow[];
}

export interface StreamsReport {
  /** Batches of 100, closed loop, by protocol. */
  readonly ingest: readonly IngestReport[];
  readonly fan_out: FanOutResult;
  /** Several subscribers reading what is stored as fast as they can, all together. */
  readonly deliveries: { readonly subscribers: number; readonly events_per_second: number };
  readonly catch_up: { readonly events: number; readonly events_per_second: number };
  readonly idle: { readonly sockets: number; readonly kilobytes_per_connection: number };
  readonly correctness: readonly CheckReport[];
  /** What subscribers heard, or did not. */
  readonly faults: readonly string[];
}

const BATCH = 100;
const FAN_OUT_BATCH = 10;
const WARMUP_MS = 3_000;
/** Before the first run: a fresh process spends its first seconds compiling its hot paths. */
const WARMUP_FIRST_MS = 8_000;
/** Requests are prepared for this rate, more than the machine does. */
const EXPECTED_RATE = 24_000;
/** Subscribers who read what is stored, all at once. */
const READERS = 100;
/** The measured time is divided among them. */
const ROUNDS = 3;
/** Sixteen requests are under way in all, whatever the protocol: with eight, all but HTTP leave a part of the machine idle. */
const LINES: readonly (readonly [protocol: Protocol, connections: number, window: number])[] = [
  ['http', 16, 1],
  ['ws', 2, 8],
  ['grpc', 2, 8],
];

export async function runStreams(options: StreamsOptions): Promise<{ report: StreamsReport; text: string }> {
  const { ingest, check } = await inSession(options, 'ingest', async (session) => ({
    ingest: await measureIngest(session, options.seconds),
    check: await session.check(),
  }));
  const out = await inSession(options, 'streams', (session) => measureOut(session, options));
  const idle = await inSession(options, 'idle', (session) => measureIdle(session, options.sockets));
  const report: StreamsReport = {
    ingest,
    fan_out: out.fanOut,
    deliveries: out.readers,
    catch_up: out.catchUp,
    idle,
    correctness: [check, out.check],
    faults: [...out.fanOut.faults, ...out.readers.faults, ...out.catchUp.faults, ...idle.faults],
  };
  return { report, text: formatStreams(report) };
}

/** A service of its own for each, so that none finds the other's garbage. */
async function inSession<T>(
  { dataDir, payloadBytes, say }: StreamsOptions,
  scenario: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const directory = join(dataDir, scenario);
  mkdirSync(directory, { recursive: true });
  const session = await openSession(
    parseOptions([scenario, '--payload', String(payloadBytes)]),
    directory,
    (line) => say(`streams: ${line.replace(/ …$/, '')}`),
  );
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

async function measureIngest(session: Session, seconds: number): Promise<readonly IngestReport[]> {
  const rounds: LoadRow[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const rows: LoadRow[] = [];
    for (const [protocol, connections, window] of LINES) {
      const warmupMs = round === 0 && rows.length === 0 ? WARMUP_FIRST_MS : WARMUP_MS;
      const measureMs = (seconds * 1000) / ROUNDS;
      await session.prepare((EXPECTED_RATE * (warmupMs + measureMs)) / 1000, BATCH, protocol);
      const plan = { protocol, connections, window, batch: BATCH, warmupMs, measureMs };
      rows.push(await session.measure(`${protocol}, batch ${BATCH}`, plan));
    }
    rounds.push(rows);
  }
  return LINES.map(([protocol], line) => {
    const middle = (of: (row: LoadRow) => number, digits = 0) =>
      Number(median(rounds.map((rows) => of(rows[line]!))).toFixed(digits));
    const ratio = (of: (row: LoadRow) => number) =>
      Number(median(rounds.map((rows) => of(rows[line]!) / Math.max(1, of(rows[0]!)))).toFixed(2));
    return {
      protocol,
      events_per_second: middle(rateOf),
      ratio_to_http: ratio(rateOf),
      cpu_us_per_event: middle(cpuMicrosOf, 1),
      cpu_ratio_to_http: ratio(cpuMicrosOf),
      rounds: rounds.map((rows) => rows[line]!),
    };
  });
}

const rateOf = (row: LoadRow): number => row.events_per_second;
const cpuMicrosOf = ({ cpu, events_per_second: rate }: LoadRow): number =>
  (((cpu.service ?? 0) + (cpu.postgres ?? 0)) * 1e6) / Math.max(1, rate);

async function measureOut(session: Session, options: StreamsOptions) {
  const { seconds, subscribers, rate, events } = options;
  const measureMs = seconds * 1000;
  await session.prepare((rate * 1.05 * (WARMUP_MS + measureMs)) / 1000, FAN_OUT_BATCH, 'http');
  const fanOut = await measureFanOut(session, subscribers, {
    ...{ protocol: 'http', connections: 8, window: 1, batch: FAN_OUT_BATCH },
    ...{ warmupMs: WARMUP_MS, measureMs, ratePerSec: rate / FAN_OUT_BATCH },
  });
  await session.fill(events);
  const catchUp = await measureCatchUp(session, 1);
  const readers = await measureCatchUp(session, READERS);
  return { fanOut, catchUp, readers, check: await session.check() };
}

function formatStreams({ ingest, fan_out: out, ...report }: StreamsReport): string {
  const checks = report.correctness.map((check) => (check.ok ? 'L1–L4 hold' : check.faults.join('; ')));
  return [
    `\nEvents in, batches of ${BATCH}, closed loop, sixteen requests under way\n`,
    formatTable(
      ['protocol', 'events/s', 'to http', 'CPU µs/event', 'to http', 'p50 ms', 'p99', 'errors'],
      ingest.map((row) => [
        row.protocol,
        row.events_per_second,
        row.ratio_to_http,
        row.cpu_us_per_event,
        row.cpu_ratio_to_http,
        median(row.rounds.map((round) => round.latency_ms.p50)),
        median(row.rounds.map((round) => round.latency_ms.p99)),
        row.rounds.reduce((sum, round) => sum + round.failures, 0),
      ]),
    ),
    `\nEvents out over WebSocket\n`,
    formatTable(
      ['what', 'subscribers', 'events/s delivered', 'commit to client p50 ms', 'p99'],
      [
        ['fan-out', out.subscribers, out.deliveries_per_second, out.delivery_ms.p50, out.delivery_ms.p99],
        ['catch-up', 1, report.catch_up.events_per_second, '–', '–'],
        [
          'catch-up, all at once',
          report.deliveries.subscribers,
          report.deliveries.events_per_second,
          '–',
          '–',
        ],
      ],
    ),
    `\n${report.idle.sockets} idle connections: ${report.idle.kilobytes_per_connection} kB each\n`,
    `correctness: ${checks.join(' · ')}; subscribers: ${report.faults.length === 0 ? 'L7 holds' : 'VIOLATED'}\n`,
    ...report.faults.map((fault) => `  ${fault}\n`),
  ].join('');
}
