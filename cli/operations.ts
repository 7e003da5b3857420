/** What watches over a running service: the pool of connections, circuit breakers, caches, traces. */
import {
  type CommitmentService,
  cacheCommitments,
  type InclusionProof,
  type LegacyCommitment,
  type VesCommitment,
} from '../engine/commitments/index.js';
import type { Config } from '../engine/config/index.js';
import { createBreakerRegistry, createCache } from '../engine/resilience/index.js';
import type { Sql } from '../engine/store/connection.js';
import { createPoolMonitor } from '../engine/store/pool-monitor.js';
import { type GatewayMetrics, type Operations, startOpenTelemetry, type Tracing } from '../gateway/index.js';

export type OperationsRuntime = Operations & {
  readonly breakers: ReturnType<typeof createBreakerRegistry>;
  /** The pool, watched. */
  readonly sql: Sql;
  /** Times and counts what is computed, whoever asked for it. */
  measured(service: CommitmentService): CommitmentService;
  /** The same behind caches, for requests. */
  commitmentsOf(service: CommitmentService): CommitmentService;
  /** Where measurements go; until then they are dropped. */
  measureWith(metrics: GatewayMetrics): void;
  /** Sends the traces that are left. */
  stop(): Promise<void>;
};

/** @param pool for reads and administration */
export async function startOperations(deps: {
  readonly config: Config;
  readonly pool: Sql;
  readonly version: string;
  readonly instanceId: string;
}): Promise<OperationsRuntime> {
  const { config, version, instanceId } = deps;
  const tracing: Tracing | undefined =
    config.tracing && (await startOpenTelemetry(config.tracing, { version, instanceId }));
  let metrics: GatewayMetrics | undefined;

  const pool = createPoolMonitor(deps.pool, config.database, {
    onAcquired: (ms) => metrics?.observeAcquisition(ms),
    onDone: (startedAt, failed) => metrics?.observeQuery((performance.now() - startedAt) / 1000, failed),
    ...(tracing && { onStart: () => traceStatement(tracing) }),
  });
  const caches = {
    vesCommitments: createCache<VesCommitment>('ves_commitments', config.caches.vesCommitments),
    vesProofs: createCache<InclusionProof>('ves_proofs', config.caches.vesProofs),
    legacyCommitments: createCache<LegacyCommitment>('commitments', config.caches.legacyCommitments),
    legacyProofs: createCache<InclusionProof>('proofs', config.caches.legacyProofs),
  };

  /** Times what really makes something: below the caches. */
  const timed = async <T>(what: 'commit' | 'proof', work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const made = await work();
    metrics?.observeWork(what, (performance.now() - startedAt) / 1000);
    if (what === 'commit')
      metrics?.count(
        'commitments_created',
        'Commitments made in the background or on request, repeated ones included',
      );
    return made;
  };
  const measured = (service: CommitmentService): CommitmentService => ({
    ...methodsOf(service),
    commitVes: (...args) => timed('commit', () => service.commitVes(...args)),
    commitLegacy: (...args) => timed('commit', () => service.commitLegacy(...args)),
    proveVes: (...args) => timed('proof', () => service.proveVes(...args)),
    proveLegacy: (...args) => timed('proof', () => service.proveLegacy(...args)),
    async markAnchored(...args) {
      const outcome = await service.markAnchored(...args);
      if (outcome === 'anchored')
        metrics?.count('commitments_anchored', 'Commitments whose place in a chain was reported');
      return outcome;
    },
  });

  return {
    pool,
    sql: pool.sql,
    breakers: createBreakerRegistry(),
    tracing,
    caches: () => Object.values(caches).map((cache) => cache.status()),
    measured,
    commitmentsOf: (service) => cacheCommitments(measured(service), caches),
    measureWith(given) {
      metrics = given;
    },
    async stop() {
      pool.close();
      await tracing?.shutdown();
    },
  };
}

/** The methods that are passed on as they are. The service may be a proxy, which has none of its own to copy. */
const methodsOf = (service: CommitmentService) => ({
  getVes: service.getVes.bind(service),
  listVes: service.listVes.bind(service),
  getLegacy: service.getLegacy.bind(service),
  listLegacy: service.listLegacy.bind(service),
  listPending: service.listPending.bind(service),
});

/** A statement that is sent in the course of a traced request is a part of it. */
function traceStatement(tracing: Tracing): (() => void) | undefined {
  const span = tracing.active();
  if (span === undefined) return undefined;
  const begun = performance.timeOrigin + performance.now();
  return () => {
    span.child('database', begun, performance.timeOrigin + performance.now(), {
      'db.system.name': 'postgresql',
    });
  };
}
