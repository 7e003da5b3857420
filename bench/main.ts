/**
 * `npm run bench -- [parts] [pipeline] [entity-index] [proofs] [trees] [tiles] [fsck] [streams] [fairness] [ed25519] [options]`: what the service does on this machine, and what it could
 * do. Without a name: parts and pipeline.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { calibrate } from './calibrate.js';
import { runEd25519Bench } from './ed25519.js';
import { runEntityIndex } from './entity-index.js';
import { runFairness } from './fairness.js';
import { runFsckBench } from './fsck.js';
import { describeMachine } from './machine.js';
import { runParts } from './parts/index.js';
import { type RunReport, referenceRun, runPipeline } from './pipeline.js';
import { runProofs } from './proofs.js';
import { type BenchReport, type Ceiling, formatReport } from './report.js';
import { runStreams, type StreamsReport } from './streams.js';
import { runTiles } from './tiles.js';
import { runTreesBench } from './trees.js';

const USAGE = `usage: npm run bench -- [parts] [pipeline] [entity-index] [proofs] [trees] [tiles] [fsck] [streams] [fairness] [ed25519] [options]

  parts           CPU time of each part on its own, and the ceiling that follows from it
  pipeline        the whole service over HTTP, then a check of what it stored
  proofs          latency of Merkle proofs on a long stream, and building commitments
  trees           hashing a commitment's tree: ours, node:crypto, hash-wasm, noble
  tiles           tiles per second from the cache, beside a plain node:http server
  fsck            events per second of fsck, with and without signatures
  streams         HTTP, WebSocket and gRPC side by side; fan-out, catch-up, idle connections
  fairness        a modest tenant's latencies alone, and beside another one's flood
  ed25519         one verification: the engine, node:crypto, libsodium, noble
  entity-index    cost of the index on entities, on a table of more than a million rows

  --seconds N     measured seconds of each run (20)
  --batches LIST  events per request, one closed-loop run each (1,10,100,1000)
  --clients N     connections at batch 1; larger batches use fewer (64)
  --payload N     bytes of the canonical payload (400)
  --set NAME=X    setting of the service, such as VERIFY_THREADS=1; may be repeated
  --no-open       leave out the open-loop run at half of the greatest rate
  --rows N        rows of the entity-index table (1200000)
  --events N      events of the streams of proofs and fsck (1000000)
  --data-dir DIR  where the database goes, in a directory of its own that is removed afterwards (.bench)
  --profile DIR   write CPU profiles of the service there
  --json FILE     where the result goes (.bench/<date>.json)
`;

const PARTS = [
  'parts',
  'pipeline',
  'entity-index',
  'proofs',
  'trees',
  'tiles',
  'fsck',
  'streams',
  'fairness',
  'ed25519',
];
const say = (line: string) => console.error(`… ${line}`);

const { values, positionals } = parse();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const wanted = positionals.length === 0 ? ['parts', 'pipeline'] : positionals;
const machine = describeMachine();
// Children end with their parent, but a parent that dies of a signal tells nobody.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
mkdirSync(values['data-dir'], { recursive: true });
const dataDir = mkdtempSync(join(resolve(values['data-dir']), 'run-'));
const round = (value: number) => Number(value.toFixed(1));

if (wanted.includes('entity-index')) {
  const { report, text } = await runEntityIndex({ dataDir, rows: count('rows'), say });
  process.stdout.write(text);
  if (wanted.length === 1) {
    save({ machine, ...report });
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  }
}
let broken = false;
for (const [name, measure] of [
  ['proofs', () => runProofs({ dataDir, events: count('events', 1_000_000), say })],
  ['trees', () => runTreesBench({ say })],
  ['tiles', () => runTiles({ dataDir, seconds: count('seconds'), say })],
  [
    'fsck',
    () => runFsckBench({ dataDir, events: count('events', 1_000_000), payloadBytes: count('payload'), say }),
  ],
  [
    'streams',
    () =>
      runStreams({
        dataDir,
        seconds: count('seconds'),
        payloadBytes: count('payload'),
        subscribers: 1000,
        rate: 500,
        sockets: 10_000,
        events: count('events', 20_000),
        say,
      }),
  ],
  [
    'fairness',
    () => runFairness({ dataDir, seconds: count('seconds'), payloadBytes: count('payload'), say }),
  ],
  ['ed25519', () => runEd25519Bench({ say })],
] as const) {
  if (!wanted.includes(name)) continue;
  const { report, text } = await measure();
  process.stdout.write(text);
  if ('correctness' in report && 'faults' in report) broken ||= isBroken(report as StreamsReport);
  save({ machine, calibration_us: { after: round(calibrate()) }, ...report }, name);
}
if (!wanted.includes('parts') && !wanted.includes('pipeline')) {
  rmSync(dataDir, { recursive: true, force: true });
  process.exit(broken ? 1 : 0);
}
const before = calibrate();
const parts = wanted.includes('parts')
  ? await runParts({ dataDir, payloadBytes: count('payload'), say })
  : undefined;
const between = calibrate();
const pipeline = wanted.includes('pipeline')
  ? await runPipeline({
      dataDir,
      seconds: count('seconds'),
      batches: values.batches.split(',').map(Number),
      clients: count('clients'),
      payloadBytes: count('payload'),
      openLoop: !values['no-open'],
      env: settings(),
      profileDir: values.profile && resolve(values.profile),
      say,
    })
  : undefined;
const report: BenchReport = {
  machine,
  calibration_us: { before: round(before), between: round(between), after: round(calibrate()) },
  ...(parts ? { parts } : {}),
  ...(pipeline ? { pipeline } : {}),
  ...(parts && pipeline ? { ceiling: ceiling(parts.sum_us_per_event, pipeline.runs) } : {}),
};
process.stdout.write(formatReport(report));
save(report);
rmSync(dataDir, { recursive: true, force: true });
const failed = pipeline !== undefined && !pipeline.correctness.ok;
process.exit(failed || broken ? 1 : 0);

/** The parts and the run were measured minutes apart: the ceiling is scaled to the speed the machine had for the run. */
function ceiling(sumMicros: number, runs: readonly RunReport[]): Ceiling {
  const run = referenceRun(runs);
  const slowdown = run.calibration_us / ((before + between) / 2);
  const rate = (machine.processors * 1e6) / (sumMicros * slowdown);
  return {
    sum_us_per_event: round(sumMicros),
    slowdown: Number(slowdown.toFixed(2)),
    events_per_second: Math.round(rate),
    reached: Number((run.events_per_second / rate).toFixed(3)),
    cpu_efficiency: Number(((sumMicros * slowdown) / run.cpu_us_per_event.sum).toFixed(3)),
  };
}

/** Whether something was lost, or heard wrongly. */
function isBroken({ faults, correctness }: StreamsReport): boolean {
  return faults.length > 0 || correctness.some(({ ok }) => !ok);
}

function save(result: object, part = ''): void {
  const suffix = part === '' || wanted.length === 1 ? '' : `-${part}`;
  const name = machine.date.slice(0, 19).replaceAll(':', '-') + suffix;
  const file = resolve(values.json ?? join('.bench', `${name}.json`));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  console.error(`result written to ${file}`);
}

function parse() {
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: 'string', default: '20' },
        batches: { type: 'string', default: '1,10,100,1000' },
        clients: { type: 'string', default: '64' },
        payload: { type: 'string', default: '400' },
        set: { type: 'string', multiple: true, default: [] as string[] },
        'no-open': { type: 'boolean', default: false },
        rows: { type: 'string', default: '1200000' },
        events: { type: 'string' },
        'data-dir': { type: 'string', default: '.bench' },
        profile: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const unknown = parsed.positionals.find((name) => !PARTS.includes(name));
    if (unknown !== undefined) throw new Error(`there is no part named ${unknown}`);
    return parsed;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function count(name: 'seconds' | 'clients' | 'payload' | 'rows' | 'events', otherwise = 0): number {
  const value = Number(values[name] ?? otherwise);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${name} must be a whole number greater than 0\n\n${USAGE}`);
  process.exit(2);
}

function settings(): Record<string, string> {
  return Object.fromEntries(
    values.set.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1) {
        console.error(`--set takes NAME=VALUE, not ${text}\n\n${USAGE}`);
        process.exit(2);
      }
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
