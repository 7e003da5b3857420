/** Subscriptions of a running service: the tail's thread and the hub. */
import type { Logger } from 'pino';
import type { Config } from '../engine/config/index.js';
import type { DatabaseTarget } from '../engine/store/connection.js';
import { createSubscriptionHub, type SubscriptionHub } from '../engine/subscriptions/index.js';
import type { Pipeline } from '../workers/pipeline.js';
import { startTail } from '../workers/tail-thread.js';

export interface Streams {
  readonly hub: SubscriptionHub;
  /** Ends all subscriptions, then the thread. */
  stop(): Promise<void>;
}

/** Starts the tail and connects it with the pipeline's partitions. */
export async function startStreams(deps: {
  readonly config: Config;
  readonly database: DatabaseTarget;
  readonly instanceId: string;
  readonly pipeline: Pick<Pipeline, 'connectTail'>;
  readonly log: Logger;
  onFatal(error: Error): void;
}): Promise<Streams> {
  const { config, database, instanceId, pipeline, log } = deps;
  const tail = await startTail(
    { database, instanceId, statementTimeoutMs: config.database.statementTimeoutMs },
    config.sequencer.partitions,
    pipeline.connectTail,
    { onLog: (message, details) => log.warn(details, message), onFatal: deps.onFatal },
  );
  const hub = createSubscriptionHub(tail);
  return {
    hub,
    async stop() {
      hub.close();
      await tail.close();
    },
  };
}
