/**
 * A process that sends GET requests over some connections, one after the other on each, and counts the answers. Its CPU time is
 * its own: what the server uses is measured in the server's process.
 */
import { build } from 'hdr-histogram-js';
import { openRawConnection, type RawConnection } from '../loadtest/connection.js';

export interface GetPlan {
  readonly port: number;
  /** Whole heads of requests, sent in turns. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** What every answer has to be. */
  readonly status: number;
}

export type GetReport =
  | { readonly type: 'begin' | 'end' }
  | {
      readonly type: 'result';
      readonly answers: number;
      readonly seconds: number;
      readonly p50_us: number;
      readonly p99_us: number;
    }
  | { readonly type: 'failed'; readonly message: string };

const report = (message: GetReport) => process.send!(message);

process.once('disconnect', () => process.exit(0));
process.on('message', (plan: GetPlan) => {
  run(plan).catch((error: Error) => report({ type: 'failed', message: error.message }));
});

async function run({
  port,
  requests,
  connections,
  warmupMs,
  measureMs,
  status: wanted,
}: GetPlan): Promise<void> {
  const heads = requests.map((text) => Buffer.from(text));
  const latencies = build({ lowestDiscernibleValue: 1, highestTrackableValue: 10_000_000 });
  let answers = 0;
  let next = 0;
  let measuring = false;
  let fail: (reason: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });

  async function open(): Promise<RawConnection> {
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      connection.send(heads[next++ % heads.length]!);
    };
    const connection = await openRawConnection({
      host: '127.0.0.1',
      port,
      onAnswer(status) {
        if (status !== wanted) return fail(new Error(`answered ${status}`));
        if (measuring) {
          answers++;
          latencies.recordValue(Math.round((performance.now() - sentAt) * 1000));
        }
        send();
      },
      onBroken: (reason) => fail(new Error(reason)),
    });
    send();
    return connection;
  }

  const pause = (ms: number) => Promise.race([failure, new Promise((resolve) => setTimeout(resolve, ms))]);
  const opened = await Promise.all(Array.from({ length: connections }, open));
  await pause(warmupMs);
  report({ type: 'begin' });
  measuring = true;
  const begin = performance.now();
  await pause(measureMs);
  measuring = false;
  const seconds = (performance.now() - begin) / 1000;
  report({ type: 'end' });
  for (const connection of opened) connection.close();
  report({
    type: 'result',
    answers,
    seconds,
    p50_us: latencies.getValueAtPercentile(50),
    p99_us: latencies.getValueAtPercentile(99),
  });
}
