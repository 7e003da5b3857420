#!/usr/bin/env node
/** `npm run demo`: several agents, one service, and the proof that it kept its promises. */
import { Command, InvalidArgumentError } from 'commander';
import { type DemoResult, runDemo } from './demo/run.js';
import { DEFAULT_URL } from './demo/service.js';
import { runStreamsDemo, type StreamsDemoResult } from './demo/streams/run.js';

const EVENTS_MAX = 100_000_000;

const wholeNumber = (min: number, max: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new InvalidArgumentError(`a whole number from ${min} to ${max}`);
  return value;
};

const options = new Command('demo')
  .description(
    'Agents sign commerce events and push them to several streams at once; one replays, one forges. Then every receipt is ' +
      'verified offline and every stream is read back. Exit code 0: everything held.',
  )
  .option('--url <url>', `service to use (default: the one at ${DEFAULT_URL}, or one of the demo’s own)`)
  .option(
    '--key <key>',
    'administrator’s API key (default: BOOTSTRAP_ADMIN_API_KEY, or the file in DATA_DIR)',
  )
  .option('--agents <n>', 'honest agents; the replayer and the forger come on top', wholeNumber(1, 64), 4)
  .option('--seconds <n>', 'seconds of sending', wholeNumber(1, 86_400), 15)
  .option('--events <n>', 'events to send at most', wholeNumber(1, EVENTS_MAX), EVENTS_MAX)
  .option('--crash', 'kill -9 the service half-way (one of the demo’s own) and go on when it is back', false)
  .option(
    '--prove [directory]',
    'write the evidence of one event to files, stop the service (one of the demo’s own), verify the files offline, run fsck, change one byte by SQL, run fsck again (default directory: demo-proof)',
  )
  .option(
    '--streams',
    'instead: agents on three protocols write to one stream and follow it while the service (one of the demo’s own) is killed half-way; all of them must see one order',
    false,
  )
  .option('--json', 'print only the result, as JSON', false)
  .parse()
  .opts<{
    url?: string;
    key?: string;
    agents: number;
    seconds: number;
    events: number;
    crash: boolean;
    prove?: string | true;
    streams: boolean;
    json: boolean;
  }>();

try {
  const { url, key, prove, ...rest } = options;
  if (url !== undefined && (options.crash || prove))
    throw new Error('--crash and --prove stop only a service of the demo’s own; leave --url out');
  if (options.streams) {
    if (url !== undefined) throw new Error('--streams kills a service of the demo’s own; leave --url out');
    const result = await runStreamsDemo(options);
    process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : streamsSummary(result));
    process.exit(result.ok ? 0 : 1);
  }
  const directory = prove === true ? 'demo-proof' : prove;
  const result = await runDemo({ ...rest, url, apiKey: key, prove: directory });
  process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : summary(result));
  process.exit(result.ok ? 0 : 1);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}

function summary(result: DemoResult): string {
  const { p50, p99 } = result.latency_ms;
  const count = (value: number) => value.toLocaleString('en-US');
  const lines = [
    `${count(result.acknowledged)} events acknowledged in ${result.seconds} s: ${count(result.events_per_second)}/s, p50 ${p50} ms, p99 ${p99} ms`,
    `${count(result.receipts_verified)} receipts verified offline in ${result.verification_seconds} s`,
    ...result.streams.map(({ name, events }) => `${name}: read back 1..${count(events)}`),
    `${count(result.replayed)} replays got their first receipt, ${count(result.refused)} forged or stale events were refused`,
    `${count(result.retries)} requests were sent again after a lost answer`,
    ...(result.proofs
      ? [
          `${result.proofs.filter(({ ok }) => ok).length} of ${result.proofs.length} offline proofs ended as they should`,
        ]
      : []),
    '',
    result.ok
      ? 'Everything holds: no gap, no duplicate, every acknowledged event is there, every receipt verifies.'
      : `NOT everything holds:\n  ${result.faults.join('\n  ')}`,
  ];
  return `\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n\n`;
}

function streamsSummary(result: StreamsDemoResult): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const lines = [
    ...result.peers.map(
      ({ protocol, pushed, heard, reconnects }) =>
        `${protocol.padEnd(10)} sent ${count(pushed)}, heard 1..${count(heard)}, connected again ${reconnects} times`,
    ),
    '',
    result.ok
      ? `One order: all three heard the ${count(result.events)} stored events, each once, in the stored order, across a kill -9.`
      : `NOT one order:\n  ${result.faults.join('\n  ')}`,
  ];
  return `\n${lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')}\n\n`;
}
