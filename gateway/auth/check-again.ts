/** Credentials of connections and answers that go on are looked at again now and then: revoked and expired ones end them. */
import { toServiceError } from '../../engine/errors/index.js';
import type { AuthContext } from './context.js';

/** How often that is. */
export const RECHECK_MS = 5000;

/**
 * Looks at credentials again, once.
 *
 * @param again as they are now; throws or rejects when they count no more
 * @param known what has to hold for them; what it throws is a refusal as well
 * @param refused not called while they cannot be checked: whoever is known stays until the database can say otherwise
 */
export function checkAgain(
  again: () => AuthContext | Promise<AuthContext>,
  known: (auth: AuthContext) => void,
  refused: (thrown: unknown) => void,
): void {
  const failed = (thrown: unknown): void => {
    if (toServiceError(thrown).code !== 'SERVICE_UNAVAILABLE') refused(thrown);
  };
  try {
    const found = again();
    if (found instanceof Promise) found.then(known).catch(failed);
    else known(found);
  } catch (error) {
    failed(error);
  }
}

/** Does so every {@link RECHECK_MS} until it is told to stop, or once they are refused. @returns stops it */
export function keepChecking(...[again, known, refused]: Parameters<typeof checkAgain>): () => void {
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    clearInterval(timer);
  };
  const timer = setInterval(() => {
    checkAgain(
      again,
      (auth) => {
        if (!stopped) known(auth);
      },
      (thrown) => {
        if (stopped) return;
        stop();
        refused(thrown);
      },
    );
  }, RECHECK_MS);
  timer.unref();
  return stop;
}
