import type { VerifyStats } from './messages.js';
import type { PreparedRequest } from './request-context.js';
import type { SignatureChecks } from './signature-checks.js';

const INTERVAL_MS = 1000;
/** L8: bundles told of in one report. */
const BUNDLES_MAX = 2000;
/** Reasons told apart; they come from a fixed list, so there are fewer. */
const REASONS_MAX = 64;

/** Counts what a verify worker does, per bundle, and gives it away about once a second. */
export interface VerifyReport {
  bundle(requests: readonly (PreparedRequest | undefined)[], verifyMs: number, sequenceMs: number): void;
  /** What was counted since the last time, if that is long enough ago. */
  due(): VerifyStats | undefined;
}

type Counted = Omit<VerifyStats, 'signatures'>;

export function createVerifyReport(signatures: SignatureChecks): VerifyReport {
  let stats: Counted = { events: 0, bundles: [], rejections: {} };
  let reportedAt = performance.now();

  return {
    bundle(requests, verifyMs, sequenceMs) {
      if (stats.bundles.length < BUNDLES_MAX) stats.bundles.push({ verifyMs, sequenceMs });
      for (const request of requests) {
        if (request === undefined) continue;
        stats.events += request.events.length;
        for (const { reason } of request.rejections) count(stats.rejections, reason);
      }
    },
    due() {
      if (performance.now() - reportedAt < INTERVAL_MS) return undefined;
      const given = { ...stats, signatures: signatures.takeStats() };
      stats = { events: 0, bundles: [], rejections: {} };
      reportedAt = performance.now();
      return given;
    },
  };
}

/** A reason may carry a detail behind a colon, which is not counted by. */
function count(rejections: VerifyStats['rejections'], reason: string): void {
  const colon = reason.indexOf(':');
  const name = colon < 0 ? reason : reason.slice(0, colon);
  if (rejections[name] === undefined && Object.keys(rejections).length >= REASONS_MAX) return;
  rejections[name] = (rejections[name] ?? 0) + 1;
}
