import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { GeneratorCommand, GeneratorReport, GeneratorResult } from './generator-messages.js';
import type { RequestPlan } from './requests.js';
import type { LoadPlan } from './run-load.js';

const GENERATOR = new URL('./generator.js', import.meta.url);

/** A load generator that runs beside this thread. */
export interface Generator {
  /** Builds requests in so many threads. */
  prepare(plan: RequestPlan, threads: number): Promise<void>;
  /** Takes ready requests instead. */
  take(requests: readonly Uint8Array[]): Promise<void>;
  run(plan: LoadPlan, onPhase: (phase: 'begin' | 'end') => void): Promise<GeneratorResult>;
  close(): void;
}

/** A load generator in a process of its own. */
export function startGenerator(): Generator {
  const child = fork(fileURLToPath(GENERATOR), {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return steer({
    send: (command) => void child.send(command),
    listen(onReport, onEnd) {
      child.on('message', onReport);
      child.on('exit', () => onEnd('the load generator ended'));
    },
    close() {
      if (child.connected) child.disconnect();
    },
  });
}

/** A load generator in a thread. */
export function startGeneratorThread(): Generator {
  const thread = new Worker(GENERATOR);
  return steer({
    send: (command) => thread.postMessage(command),
    listen(onReport, onEnd) {
      thread.on('message', onReport);
      thread.on('error', (error) => onEnd(error.message));
      thread.on('exit', () => onEnd('the load generator ended'));
    },
    close: () => void thread.terminate(),
  });
}

interface Channel {
  send(command: GeneratorCommand): void;
  listen(onReport: (report: GeneratorReport) => void, onEnd: (reason: string) => void): void;
  close(): void;
}

function steer(channel: Channel): Generator {
  let onReport: (report: GeneratorReport) => void = () => {};
  let ended: string | undefined;
  channel.listen(
    (report) => onReport(report),
    (reason) => {
      ended = reason;
      onReport({ type: 'failed', message: reason });
    },
  );

  function ask<T>(command: GeneratorCommand, take: (report: GeneratorReport) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(new Error(ended));
      onReport = (report) => {
        if (report.type === 'failed') return reject(new Error(report.message));
        const answer = take(report);
        if (answer !== undefined) resolve(answer);
      };
      channel.send(command);
    });
  }
  const whenPrepared = (report: GeneratorReport) => report.type === 'prepared' || undefined;

  return {
    async prepare(plan, threads) {
      await ask({ type: 'prepare', plan, threads }, whenPrepared);
    },
    async take(requests) {
      await ask({ type: 'take', requests }, whenPrepared);
    },
    run: (plan, onPhase) =>
      ask({ type: 'run', plan }, (report) => {
        if (report.type === 'phase') onPhase(report.phase);
        return report.type === 'result' ? report : undefined;
      }),
    close: () => channel.close(),
  };
}
