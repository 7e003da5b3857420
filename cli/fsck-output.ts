/** What `fsck` shows: progress on stderr, the result on stdout. */
import { Presets, SingleBar } from 'cli-progress';
import {
  type Finding,
  type FsckProgress,
  type FsckReport,
  streamOf,
  uuidText,
} from '../engine/fsck/index.js';

export interface Progress {
  update(progress: FsckProgress): void;
  stop(): void;
}

const LINES_INTERVAL_MS = 5000;
/** Seconds over which the rate is measured. */
const RATE_WINDOW_S = 10;

const number = (value: number): string => Math.round(value).toLocaleString('en-US');
const wrongRows = (count: number): string => (count === 0 ? '' : ` | ${number(count)} wrong`);

/** A bar on a terminal, a line every few seconds elsewhere. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? createBar(stream) : createLines(stream);
}

function createBar(stream: NodeJS.WriteStream): Progress {
  const rate = createRate();
  const bar = new SingleBar(
    {
      stream,
      format: '{bar} {percentage} % | {value}/{total} events | {rate} events/s | ETA {left}{wrong}',
      formatValue: (value, _, type) => (type === 'value' || type === 'total' ? number(value) : String(value)),
      hideCursor: true,
      clearOnComplete: true,
      emptyOnZero: true,
      gracefulExit: false, // the command ends in order when it is interrupted
    },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update({ events, eventsTotal, findings }) {
      const now = rate.at(events);
      const values = {
        rate: number(now),
        left: timeLeft(eventsTotal - events, now),
        wrong: wrongRows(findings),
      };
      if (!started) bar.start(eventsTotal, events, values);
      else bar.update(events, values);
      started = true;
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function createLines(stream: NodeJS.WriteStream): Progress {
  const rate = createRate();
  let lastLine = performance.now();
  return {
    update({ events, eventsTotal, findings }) {
      const now = rate.at(events);
      if (performance.now() - lastLine < LINES_INTERVAL_MS) return;
      lastLine = performance.now();
      const share = eventsTotal === 0 ? 100 : Math.floor((events / eventsTotal) * 100);
      stream.write(
        `${share} % | ${number(events)}/${number(eventsTotal)} events | ${number(now)} events/s | ETA ${timeLeft(eventsTotal - events, now)}${wrongRows(findings)}\n`,
      );
    },
    stop() {},
  };
}

/** Events per second over the last seconds. */
function createRate() {
  const samples = [{ time: performance.now(), events: 0 }];
  return {
    at(events: number): number {
      const time = performance.now();
      samples.push({ time, events });
      while (samples.length > 2 && time - samples[0]!.time > RATE_WINDOW_S * 1000) samples.shift();
      const first = samples[0]!;
      return time === first.time ? 0 : ((events - first.events) / (time - first.time)) * 1000;
    },
  };
}

function timeLeft(events: number, rate: number): string {
  if (events <= 0) return '0 s';
  return rate === 0 ? '?' : duration(events / rate);
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The result for people. */
export function formatReport(report: FsckReport): string {
  const { counts, seconds, findings, total, firstOfStreams, consequences, complete } = report;
  const events = (counts.ves_events ?? 0) + (counts.events ?? 0);
  const rate = number(events / seconds);
  const lines = [
    `${complete ? 'Checked' : 'Interrupted: checked'} ${number(events)} events in ${seconds.toFixed(1)} s (${rate} events/s), ` +
      `signatures ${report.signatures ? 'verified' : 'not verified'}.`,
    '',
    ...countLines(counts),
    '',
  ];
  if (total === 0)
    return [...lines, complete ? 'Nothing is wrong.' : 'Nothing was wrong so far.', ''].join('\n');
  lines.push(
    `${number(total)} wrong ${total === 1 ? 'row' : 'rows'}${total > findings.length ? `, the first ${findings.length}` : ''}:`,
  );
  for (const finding of findings) lines.push(...findingLines(finding, firstOfStreams.includes(finding)));
  const untold = firstOfStreams.filter((finding) => !findings.includes(finding));
  if (untold.length > 0) lines.push('', 'The first wrong row of further streams:');
  for (const finding of untold.slice(0, UNTOLD_MAX)) lines.push(...findingLines(finding, true));
  if (untold.length > UNTOLD_MAX) lines.push(`… and of ${untold.length - UNTOLD_MAX} more.`);
  if (consequences > 0)
    lines.push(
      '',
      `${number(consequences)} roots, tiles and frontiers are wrong because of these rows and are not listed.`,
    );
  return [...lines, ''].join('\n');
}

const UNTOLD_MAX = 20;

function countLines(counts: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(counts).filter(([, count]) => count > 0);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, count]) => `  ${name.padEnd(width)}  ${number(count).padStart(13)}`);
}

function findingLines(finding: Finding, first: boolean): string[] {
  const stream = streamOf(finding);
  const where = stream ? ` ${uuidText(stream.tenant)}/${uuidText(stream.store)}` : '';
  const mark =
    first && stream
      ? ` (first wrong row of this ${stream.kind === 'store' ? 'store' : `${stream.kind} stream`})`
      : '';
  const checks = [finding.check, ...finding.also].join(', ');
  return [
    '',
    `  ${finding.table}${where} ${finding.row}${mark}`,
    `    ${finding.message} [${checks}]`,
    `    column: ${finding.column}`,
  ];
}

/** The result for programs. */
export function reportJson(report: FsckReport): object {
  const { findings, firstOfStreams, total, consequences, counts, seconds, signatures, complete } = report;
  return {
    ok: complete && total === 0,
    complete,
    wrong_rows: total,
    findings: findings.map(findingJson),
    first_of_streams: firstOfStreams.map(findingJson),
    consequences,
    counts,
    signatures_verified: signatures,
    seconds,
  };
}

function findingJson(finding: Finding): object {
  const stream = streamOf(finding);
  return {
    check: finding.check,
    also: finding.also,
    table: finding.table,
    ...(stream
      ? { tenant_id: uuidText(stream.tenant), store_id: uuidText(stream.store), stream: stream.kind }
      : {}),
    row: finding.row,
    column: finding.column,
    message: finding.message,
  };
}
