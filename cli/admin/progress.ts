import { Presets, SingleBar } from 'cli-progress';

/** Progress on stderr, on a terminal only: scripts read the result. */
export interface Bar {
  update(done: number): void;
  stop(): void;
}

/** @param total 0: unknown */
export function createBar(what: string, total: number): Bar {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar(
    {
      stream: process.stderr,
      format: total > 0 ? `{bar} {percentage} % | {value}/{total} ${what}` : `{value} ${what}`,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}
