/** Everything about proofs that a running service has: the pool of proof workers, the notary, witnesses, the background work. */
import type { Logger } from 'pino';
import { type CommitmentService, createBackgroundCommitter } from '../engine/commitments/index.js';
import type { Config } from '../engine/config/index.js';
import { type BreakerRegistry, DEFAULT_BREAKER } from '../engine/resilience/index.js';
import type { DatabaseTarget, Sql } from '../engine/store/connection.js';
import { createLeadership } from '../engine/store/leadership.js';
import { createTransparencyLoop } from '../engine/transparency/background.js';
import { createTransparency } from '../engine/transparency/transparency.js';
import type { GatewayIdentity } from '../gateway/index.js';
import { sha256Into } from '../workers/native-crypto.js';
import { createProofPool } from '../workers/proof-pool.js';
import { startCommitmentLoop } from './commitment-loop.js';

/** Connections of the background work besides its leadership's. */
export const BACKGROUND_CONNECTIONS = 2;
/** Advisory lock of the process that does the background work; an arbitrary number of ours. */
const BACKGROUND_LOCK = 0x5345_5150_524f_4f46n;

/** A witness that takes longer than this is as good as silent. */
const SLOW_WITNESS_MS = 5000;

/** Starts the pool and the background work. */
export function startProofs(deps: {
  readonly config: Config;
  readonly database: DatabaseTarget;
  /** Pool of {@link BACKGROUND_CONNECTIONS}. */
  readonly sql: Sql;
  readonly identity: GatewayIdentity;
  readonly breakers: BreakerRegistry;
  readonly log: Logger;
  /** Times and counts what a service computes. */
  measured(service: CommitmentService): CommitmentService;
}) {
  const { config, database, sql, identity, breakers, log } = deps;
  const { origin, threads, witnesses, witnessQuorum, notaryIntervalMs, leaderElection } = config.transparency;
  const { applicationName, session } = config.database;
  const pool = createProofPool({ database, applicationName, session }, threads);
  const { logs, commitments } = pool;

  const report = (level: 'info' | 'warn' | 'error', message: string, details: object) =>
    log[level](details, message);
  const transparency = createTransparency({
    sql,
    sha256: sha256Into,
    logs,
    origin,
    signer: identity,
    witnesses,
    witnessQuorum,
    log: report,
    guard: (name, call, failed) =>
      breakers.of(name, { ...DEFAULT_BREAKER, slowCallMs: SLOW_WITNESS_MS }).run(call, failed),
  });
  const leadership = leaderElection
    ? createLeadership(database, BACKGROUND_LOCK, `${applicationName} background`)
    : undefined;
  const loop = createTransparencyLoop({
    ...transparency,
    log: report,
    intervalMs: notaryIntervalMs,
    ...(leadership && { leadership }),
  });
  const { eventsMax, intervalMs } = config.commitments;
  const committing = startCommitmentLoop(
    createBackgroundCommitter({
      sql,
      commitments: deps.measured(commitments),
      eventsMax,
      intervalMs,
      now: Date.now,
    }),
    log,
  );
  loop.start();

  return {
    /** Whether this process does the background work. */
    leads: () => leadership?.leads ?? true,
    commitments,
    transparency,
    async stop(): Promise<void> {
      await Promise.all([loop.stop(), committing.stop()]);
      await pool.close();
    },
  };
}
