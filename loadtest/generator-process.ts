import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AnsweredSample, GeneratorCommand, GeneratorReport } from './generator-messages.js';
import type { RequestPlan } from './requests.js';
import type { LoadPlan, LoadResult } from './run-load.js';

const GENERATOR = fileURLToPath(new URL('./generator.js', import.meta.url));

/** A load generator in a process of its own. */
export interface Generator {
  prepare(plan: RequestPlan, threads: number): Promise<void>;
  run(
    plan: LoadPlan,
    onPhase: (phase: 'begin' | 'end') => void,
  ): Promise<{ result: LoadResult; samples: readonly AnsweredSample[] }>;
  close(): void;
}

export function startGenerator(): Generator {
  const child = fork(GENERATOR, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let onReport: (report: GeneratorReport) => void = () => {};
  child.on('message', (report: GeneratorReport) => onReport(report));
  child.on('exit', () => onReport({ type: 'failed', message: 'the load generator ended' }));

  function ask<T>(command: GeneratorCommand, take: (report: GeneratorReport) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      onReport = (report) => {
        if (report.type === 'failed') return reject(new Error(report.message));
        const answer = take(report);
        if (answer !== undefined) resolve(answer);
      };
      child.send(command);
    });
  }

  return {
    async prepare(plan, threads) {
      await ask({ type: 'prepare', plan, threads }, (report) => report.type === 'prepared' || undefined);
    },
    run: (plan, onPhase) =>
      ask({ type: 'run', plan }, (report) => {
        if (report.type === 'phase') onPhase(report.phase);
        return report.type === 'result' ? report : undefined;
      }),
    close() {
      if (child.connected) child.disconnect();
    },
  };
}
