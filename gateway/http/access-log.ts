import type { Logger } from 'pino';
import { definitionOf } from '../../engine/errors/index.js';
import type { Exchange, ExchangeOutcome } from './exchange.js';

/** Lines about failures per second; the rest is counted and reported with the next line. */
const FAILURE_LINES_PER_SECOND = 20;

/**
 * One line per request: failures of the service at `warn` (`error`, with the cause, where the client is told nothing), the
 * rest at `debug`, so that an attacker cannot fill the log. No bodies, queries or credentials.
 */
export function createAccessLog(log: Logger): (exchange: Exchange, outcome: ExchangeOutcome) => void {
  let second = 0;
  let lines = 0;
  let suppressed = 0;

  const mayWrite = (): boolean => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) {
      second = now;
      lines = 0;
    }
    if (++lines <= FAILURE_LINES_PER_SECOND) return true;
    suppressed++;
    return false;
  };

  return (exchange, outcome) => {
    const failed = outcome.status >= 500;
    if (failed ? !mayWrite() : !log.isLevelEnabled('debug')) return;
    const line = {
      request_id: exchange.head.requestId,
      method: exchange.head.method,
      route: exchange.route?.path ?? 'unmatched',
      status: outcome.status,
      duration_ms: Math.round(outcome.durationMs * 1000) / 1000,
      ...(outcome.errorCode === undefined ? {} : { code: outcome.errorCode }),
    };
    if (!failed) return log.debug(line, outcome.status === 0 ? 'client left' : 'request');
    const hidden = outcome.error !== undefined && definitionOf(outcome.error).hideMessage === true;
    log[hidden ? 'error' : 'warn'](
      {
        ...line,
        ...(suppressed === 0 ? {} : { suppressed_lines: suppressed }),
        ...(outcome.error === undefined ? {} : { err: outcome.error.cause ?? outcome.error }),
      },
      'request failed',
    );
    suppressed = 0;
  };
}
