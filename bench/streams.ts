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

export interface StreamsReport {
  /** Batches of 100, closed loop. */
  readonly ingest: readonly (LoadRow & { readonly ratio_to_http: number })[];
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
/** Eight requests are under way in all, whatever the protocol. */
const LINES: readonly (readonly [protocol: Protocol, connections: number, window: number])[] = [
  ['http', 8, 1],
  ['ws', 2, 4],
  ['grpc', 2, 4],
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

async function measureIngest(session: Session, seconds: number): Promise<StreamsReport['ingest']> {
  const rows: LoadRow[] = [];
  for (const [protocol, connections, window] of LINES) {
    const warmupMs = rows.length === 0 ? WARMUP_FIRST_MS : WARMUP_MS;
    const measureMs = seconds * 1000;
    await session.prepare((EXPECTED_RATE * (warmupMs + measureMs)) / 1000, BATCH, protocol);
    rows.push(
      await session.measure(`${protocol}, batch ${BATCH}`, {
        ...{ protocol, connections, window, batch: BATCH, warmupMs, measureMs },
      }),
    );
  }
  const http = Math.max(1, rows[0]!.events_per_second);
  return rows.map((row) => ({ ...row, ratio_to_http: Number((row.events_per_second / http).toFixed(2)) }));
}

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
    `\nEvents in, batches of ${BATCH}, closed loop, eight requests under way\n`,
    formatTable(
      ['protocol', 'events/s', 'to http', 'p50 ms', 'p99', 'errors'],
      ingest.map((row) => [
        row.name,
        row.events_per_second,
        row.ratio_to_http,
        row.latency_ms.p50,
        row.latency_ms.p99,
        row.failures,
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
