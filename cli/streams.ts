/** Subscriptions of a running service: the tail's thread and the hub. */
import type { Logger } from 'pino';
import type { Config } from '../engine/config/index.js';
import {
  type ConsumerGroups,
  type CursorService,
  createConsumerGroups,
  createCursorService,
  createLagStats,
  type LagStats,
} from '../engine/consumers/index.js';
import type { DatabaseTarget, Sql } from '../engine/store/connection.js';
import { createSubscriptionHub, type SubscriptionHub } from '../engine/subscriptions/index.js';
import { OPENED_KEPT_MS } from '../engine/vault/index.js';
import type { Pipeline } from '../workers/pipeline.js';
import { startTail } from '../workers/tail-thread.js';

export interface Streams {
  readonly hub: SubscriptionHub;
  readonly cursors: CursorService;
  readonly consumerGroups: ConsumerGroups;
  readonly lag: LagStats;
  /** Ends all subscriptions, then the thread. */
  stop(): Promise<void>;
}

/** Starts the tail and connects it with the pipeline's partitions. */
export async function startStreams(deps: {
  readonly config: Config;
  readonly database: DatabaseTarget;
  readonly sql: Sql;
  readonly instanceId: string;
  readonly pipeline: Pick<Pipeline, 'connectTail'>;
  readonly log: Logger;
  onFatal(error: Error): void;
}): Promise<Streams> {
  const { config, database, sql, instanceId, pipeline, log } = deps;
  const tail = await startTail(
    {
      database,
      instanceId,
      applicationName: config.database.applicationName,
      session: config.database.session,
      encryption: config.encryption,
    },
    config.sequencer.partitions,
    pipeline.connectTail,
    { onLog: (message, details) => log.warn(details, message), onFatal: deps.onFatal },
  );
  const hub = createSubscriptionHub(tail, {
    keptMs: config.encryption.mode === 'disabled' ? undefined : OPENED_KEPT_MS,
  });
  return {
    hub,
    cursors: createCursorService({ sql }),
    consumerGroups: createConsumerGroups({
      sql,
      waitForHead: (stream, after, options) => hub.waitForHead('ves', stream, after, options),
    }),
    lag: createLagStats({ sql }),
    async stop() {
      hub.close();
      await tail.close();
    },
  };
}
