import type { Logger } from 'pino';
import type { BackgroundCommitter } from '../engine/commitments/index.js';

const TICK_MS = 1000;
const PAUSE_MS_MAX = 60_000;

/**
 * Lets the background committer tick about once a second, at once again while there is more to do, more seldom while the database
 * gives errors.
 */
export function startCommitmentLoop(
  committer: BackgroundCommitter,
  log: Pick<Logger, 'warn'>,
): { stop(): Promise<void> } {
  let stopped = false;
  let wake: () => void = () => {};

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    let pauseMs = TICK_MS;
    while (!stopped) {
      await sleep(pauseMs);
      if (stopped) return;
      try {
        const { more, failures } = await committer.tick();
        for (const { kind, stream, error } of failures)
          log.warn(
            { err: error, kind, ...stream },
            'a stream could not be committed; it is tried again after a pause',
          );
        pauseMs = more && failures.length === 0 ? 0 : TICK_MS;
      } catch (error) {
        pauseMs = Math.min(PAUSE_MS_MAX, Math.max(TICK_MS, pauseMs) * 2);
        log.warn({ err: error, retry_ms: pauseMs }, 'the background committer failed; it is tried again');
      }
    }
  }

  const running = run();
  return {
    stop() {
      stopped = true;
      wake();
      return running;
    },
  };
}
