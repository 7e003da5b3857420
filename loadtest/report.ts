/** The figures of a load test, for programs (snake_case, as in the bench) and for people. */
import type { MachineDescription } from '../bench/machine.js';
import { formatTable } from '../bench/table.js';
import type { CpuReport } from './clocks.js';
import type { CheckReport } from './correctness.js';
import type { LatencySummary } from './latency.js';

export interface LatencyMs {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One measurement. */
export interface LoadRow {
  readonly name: string;
  readonly loop: 'open' | 'closed';
  /** Per second, in open loop. */
  readonly offered: number | null;
  readonly seconds: number;
  /** Of well answered requests. */
  readonly events_per_second: number;
  readonly requests_per_second: number;
  readonly latency_ms: LatencyMs;
  readonly failures: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly failure_texts: readonly string[];
  readonly ran_out: boolean;
  readonly cpu: CpuReport;
  /** Resident memory of the service at the end; null: not on this machine. */
  readonly service_memory_mb: number | null;
}

export interface LoadReport {
  readonly machine: MachineDescription;
  readonly target: string;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly database: Readonly<Record<string, string>> | null;
  readonly rows: readonly LoadRow[];
  /** Figures of a scenario that do not fit into the rows. */
  readonly figures: Readonly<Record<string, number>>;
  readonly correctness: CheckReport | null;
}

const MICROS_PER_MS = 1000;

export const latencyMs = (latency: LatencySummary): LatencyMs => {
  const ms = (micros: number) => Number((micros / MICROS_PER_MS).toFixed(2));
  return {
    p50: ms(latency.p50),
    p90: ms(latency.p90),
    p99: ms(latency.p99),
    p999: ms(latency.p999),
    max: ms(latency.max),
  };
};

export function formatLoadReport(report: LoadReport): string {
  const { machine, database, rows, correctness } = report;
  const settings = Object.entries(report.settings).map(([name, value]) => `${name} ${value}`);
  return [
    `\n${machine.processor}, ${machine.processors} processors, ${machine.memory_gib} GiB, ${machine.system}\n`,
    `Node ${machine.node}, commit ${machine.commit}, ${machine.date}\n`,
    `${report.target}${database ? `, PostgreSQL ${database.server_version}, fsync ${database.fsync}` : ''}\n`,
    `${settings.join(', ')}\n\n`,
    ...(rows.length === 0 ? [] : formatRows(rows)),
    ...rows.flatMap(troubles),
    ...Object.entries(report.figures).map(([name, value]) => `${name.replaceAll('_', ' ')}: ${value}\n`),
    correctness === null ? 'correctness: not checked\n' : formatCheck(correctness),
  ].join('');
}

const formatRows = (rows: readonly LoadRow[]): string[] => [
  formatTable(
    ['run', 'loop', 'offered/s', 'events/s', 'requests/s', 'p50 ms', 'p90', 'p99', 'p99.9', 'max', 'errors'],
    rows.map((row) => [
      row.name,
      row.loop,
      row.offered ?? '–',
      row.events_per_second,
      row.requests_per_second,
      ...Object.values(row.latency_ms).map((value: number) => value),
      row.failures,
    ]),
  ),
  '\nprocessors kept busy\n',
  formatTable(
    ['run', 'service', 'postgres', 'generator', 'service MB'],
    rows.map(({ name, cpu, service_memory_mb: memory }) => [
      name,
      ...[cpu.service, cpu.postgres, cpu.generator, memory].map((value) => value ?? '–'),
    ]),
  ),
];

const troubles = (row: LoadRow): string[] => [
  ...Object.entries(row.errors).map(([code, count]) => `  ${row.name}: ${count} × ${code}\n`),
  ...row.failure_texts.slice(0, 3).map((text) => `    ${text}\n`),
  ...(row.ran_out ? [`  ${row.name}: the prepared requests ran out; raise --expected\n`] : []),
];

const formatCheck = (check: CheckReport): string =>
  [
    `correctness: ${check.ok ? 'L1–L4 hold' : 'VIOLATED'} (${check.events_stored} events stored, `,
    `${check.events_acknowledged} acknowledged, ${check.streams} streams, `,
    `${check.receipts_verified} receipts verified)\n`,
    ...check.faults.map((fault) => `  ${fault}\n`),
  ].join('');
