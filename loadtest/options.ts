import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PROTOCOLS, type Protocol } from './line.js';

export const SCENARIOS = ['ingest', 'queries', 'commitments', 'streams', 'catch-up', 'idle'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

export const USAGE = `usage: npm run loadtest -- [scenario] [options]

  ingest          signed events in, over --protocol (the default)
  queries         reads: head, pages, single events, entities
  commitments     making commitments, proofs in them, proofs of the log
  streams         subscribers of one stream over WebSocket while events are written
  catch-up        one subscriber reads a long stream over WebSocket
  idle            memory of WebSocket connections that do nothing

  --protocol P      http, ws or grpc (http)
  --rate N          open loop at N events per second (requests per second for reads); without it closed loop
  --batch N         events per request (100)
  --connections N   connections (8)
  --window N        requests under way on each connection (1; ws and grpc: 8)
  --streams N       streams (8)              --agents N     agents, one key each (32)
  --payload N       bytes of the canonical payload (400)
  --entities N      entities the events are about (200000)
  --duration N      measured seconds (20)    --warmup N     seconds before (3)
  --generators N    threads that generate load, at most one per processor (1)
  --events N        events stored beforehand, for queries, commitments and catch-up (20000)
  --subscribers N   subscribers of streams (100)
  --sockets N       connections of idle (1000)
  --expected N      events per second to prepare for in closed loop (20000)
  --seed N          of the event mix (1)

  --url URL         a service that is there; without it, one is started and removed afterwards
  --api-key KEY     an administrator's, with --url
  --grpc-port N     with --url: where it serves gRPC (its port + 1)
  --set NAME=VALUE  setting of the service that is started; may be repeated
  --data-dir DIR    where its database goes, in a directory of its own (.bench)
  --no-check        leave out the correctness pass
  --json FILE       the result as JSON
`;

export interface Options {
  readonly scenario: ScenarioName;
  readonly protocol: Protocol;
  /** Events (or reads) per second; undefined: closed loop. */
  readonly rate: number | undefined;
  readonly batch: number;
  readonly connections: number;
  readonly window: number;
  readonly streams: number;
  readonly agents: number;
  readonly payloadBytes: number;
  readonly entities: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly generators: number;
  readonly events: number;
  readonly subscribers: number;
  readonly sockets: number;
  readonly expectedRate: number;
  readonly seed: number;
  readonly url: string | undefined;
  readonly apiKey: string | undefined;
  readonly grpcPort: number | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly dataDir: string;
  readonly check: boolean;
  readonly json: string | undefined;
  readonly help: boolean;
}

const DEFAULTS = {
  batch: '100',
  connections: '8',
  streams: '8',
  agents: '32',
  payload: '400',
  entities: '200000',
  duration: '20',
  warmup: '3',
  generators: '1',
  events: '20000',
  subscribers: '100',
  sockets: '1000',
  expected: '20000',
  seed: '1',
} as const;
const PIPELINED_WINDOW = 8;

/** @throws Error that says which argument is wrong */
export function parseOptions(args: readonly string[]): Options {
  const text = () => ({ type: 'string' as const });
  const numbers = Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, value]) => [name, { type: 'string', default: value }]),
  ) as Record<keyof typeof DEFAULTS, { type: 'string'; default: string }>;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...numbers,
      ...{ rate: text(), window: text(), url: text(), 'api-key': text() },
      ...{ 'grpc-port': text(), json: text() },
      protocol: { type: 'string', default: 'http' },
      'data-dir': { type: 'string', default: '.bench' },
      set: { type: 'string', multiple: true, default: [] as string[] },
      'no-check': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const count = (name: string, value: unknown, min = 1): number => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= min) return number;
    throw new Error(`--${name} must be a whole number of at least ${min}, not ${value}`);
  };
  const positive = (name: string, value: unknown): number => {
    const number = Number(value);
    if (number > 0 && Number.isFinite(number)) return number;
    throw new Error(`--${name} must be a number above 0, not ${value}`);
  };
  const [scenario = 'ingest', ...more] = positionals;
  if (more.length > 0) throw new Error(`one scenario at a time, not ${positionals.join(' and ')}`);
  const protocol = oneOf(PROTOCOLS, 'protocol', values.protocol);
  const window = count('window', values.window ?? (protocol === 'http' ? 1 : PIPELINED_WINDOW));
  if (protocol === 'http' && window !== 1)
    throw new Error('--window: over HTTP one request is under way on a connection; use --connections');
  return {
    scenario: oneOf(SCENARIOS, 'scenario', scenario),
    ...{ protocol, window },
    rate: values.rate === undefined ? undefined : positive('rate', values.rate),
    batch: count('batch', values.batch),
    connections: count('connections', values.connections),
    streams: count('streams', values.streams),
    agents: count('agents', values.agents),
    payloadBytes: count('payload', values.payload),
    entities: count('entities', values.entities),
    durationMs: positive('duration', values.duration) * 1000,
    warmupMs: Math.max(0, Number(values.warmup)) * 1000,
    generators: Math.min(availableParallelism(), count('generators', values.generators)),
    events: count('events', values.events),
    subscribers: count('subscribers', values.subscribers),
    sockets: count('sockets', values.sockets),
    expectedRate: count('expected', values.expected),
    seed: count('seed', values.seed),
    url: values.url,
    apiKey: values['api-key'],
    grpcPort: values['grpc-port'] === undefined ? undefined : count('grpc-port', values['grpc-port']),
    env: settingsOf(values.set),
    dataDir: values['data-dir'],
    check: !values['no-check'],
    json: values.json,
    help: values.help,
  };
}

function oneOf<T extends string>(all: readonly T[], name: string, value: string): T {
  const found = all.find((each) => each === value);
  if (found === undefined) throw new Error(`${name}: one of ${all.join(', ')}, not ${value}`);
  return found;
}

const settingsOf = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1) throw new Error(`--set takes NAME=VALUE, not ${text}`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
