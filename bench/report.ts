/** The bench's results as text for people. The JSON file holds the same figures and more. */
import type { MachineDescription } from './machine.js';
import type { PartsReport } from './parts/index.js';
import type { PipelineReport, RunReport } from './pipeline.js';
import { formatTable } from './table.js';

export interface BenchReport {
  readonly machine: MachineDescription;
  readonly calibration_us: { readonly before: number; readonly between: number; readonly after: number };
  readonly parts?: PartsReport;
  readonly pipeline?: PipelineReport;
  readonly ceiling?: Ceiling;
}

/** What both processors could do if every part cost what it costs alone, and how much of it the service reaches. */
export interface Ceiling {
  readonly sum_us_per_event: number;
  /** How much slower the machine was during the run (batch 100) than while the parts were measured, by its calibration. */
  readonly slowdown: number;
  readonly events_per_second: number;
  /** Best closed-loop rate over the ceiling. */
  readonly reached: number;
  /** The ceiling's CPU time per event over what the run really used: unlike the rate, it does not suffer from other work. */
  readonly cpu_efficiency: number;
}

export function formatReport(report: BenchReport): string {
  const { machine, calibration_us: calibration } = report;
  const parts = [
    `\n${machine.processor}, ${machine.processors} processors, ${machine.memory_gib} GiB, ${machine.system}\n` +
      `Node ${machine.node}, OpenSSL ${machine.openssl}, commit ${machine.commit}, ${machine.date}\n` +
      `calibration: one node:crypto verification ${calibration.before} µs before, ` +
      `${calibration.between} µs between parts and pipeline, ${calibration.after} µs after\n`,
  ];
  if (report.parts) parts.push(formatParts(report.parts));
  if (report.pipeline) parts.push(formatPipeline(report.pipeline));
  if (report.ceiling)
    parts.push(
      `ceiling: ${machine.processors} processors / ${report.ceiling.sum_us_per_event} µs, at ${report.ceiling.slowdown} times that cost while batch ${report.parts?.batch ?? 100} ran: ` +
        `${report.ceiling.events_per_second} events/s; it reaches ${Math.round(report.ceiling.reached * 100)} %; ` +
        `${Math.round(report.ceiling.cpu_efficiency * 100)} % of the CPU time that run used is that of the parts\n`,
    );
  return parts.join('\n');
}

function formatParts(parts: PartsReport): string {
  const rows = parts.costs.map((cost) => [
    cost.name,
    cost.us_per_event.toFixed(2),
    `±${cost.spread_percent} %`,
    cost.counts ? 'yes' : '',
  ]);
  const { trees } = parts;
  return (
    `Parts, CPU µs per event (batches of ${parts.batch})\n${formatTable(['part', 'µs', 'spread', 'in the ceiling'], rows)}` +
    `The Merkle trees cost ${trees.us_per_event} µs per event: ${trees.percent} % of the sum.\n`
  );
}

function formatPipeline(pipeline: PipelineReport): string {
  const { database, memory_mb: memory, correctness } = pipeline;
  const settings = Object.entries(pipeline.settings).map(([name, value]) => `${name} ${value}`);
  return [
    `Service over HTTP: PostgreSQL ${database.server_version}, fsync ${database.fsync}, synchronous_commit ` +
      `${database.synchronous_commit}, shared_buffers ${database.shared_buffers}\n${settings.join(', ')}\n`,
    formatTable(
      [
        'run',
        'clients',
        'offered',
        'events/s',
        'p10–p90 of seconds',
        'p50 ms',
        'p90',
        'p99',
        'p99.9',
        'group',
        'stolen',
        'calibration',
      ],
      pipeline.runs.map(loadRow),
    ),
    '\nCPU µs per event\n',
    formatTable(
      [
        'run',
        'main',
        'verify',
        'partition',
        'proof',
        'runtime',
        'postgres',
        'generator',
        'sum',
        'processors used',
        'by others',
        'stolen',
      ],
      pipeline.runs.map(({ name, cpu_us_per_event: cpu, processors }) => [
        name,
        cpu.main,
        cpu.verify,
        cpu.partition,
        cpu.proof,
        cpu.runtime,
        cpu.postgres,
        cpu.generator,
        cpu.sum,
        processors.used,
        processors.others,
        processors.stolen,
      ]),
    ),
    ...pipeline.runs.filter((run) => run.failures > 0 || run.ran_out).map(troubleLine),
    `\nmemory of the service: start ${memory.start} MB, greatest ${memory.max}, end ${memory.end}, ` +
      `slope of the second half ${memory.slope_per_minute} MB per minute\n`,
    `correctness: ${correctness.ok ? 'L1–L4 hold' : 'VIOLATED'} (${correctness.events_stored} events stored, ` +
      `${correctness.events_acknowledged} acknowledged, ${correctness.streams} streams, ` +
      `${correctness.receipts_verified} receipts verified, ${correctness.events_read_back} events read back)\n`,
    ...correctness.faults.map((fault) => `  ${fault}\n`),
  ].join('');
}

const loadRow = (run: RunReport): (string | number)[] => [
  run.name,
  run.connections,
  run.offered_rate ?? '–',
  run.events_per_second,
  `${run.windows.p10}–${run.windows.p90}`,
  run.latency_ms.p50,
  run.latency_ms.p90,
  run.latency_ms.p99,
  run.latency_ms.p999,
  Math.round(run.group_events.p50),
  run.calibration_us,
];

const troubleLine = (run: RunReport): string =>
  `  ${run.name}: ${run.failures} failures ${run.failure_texts.join(' | ')}${run.ran_out ? ' (ran out of prepared requests)' : ''}\n`;
