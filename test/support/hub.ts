/** Subscriptions without threads: the tail in this process, which hears of commits as those of other processes. */

import { connectDatabase, type DatabaseTarget } from '../../engine/store/connection.js';
import {
  type CommitWatch,
  createJsonEncoder,
  createMsgpackEncoder,
  createProtoEncoder,
  createSubscriptionHub,
  createTail,
  type SubscriptionHub,
  type Tail,
  type TailAnswer,
  type TailRequest,
} from '../../engine/subscriptions/index.js';
import { sha256Into } from '../../workers/native-crypto.js';

export interface LocalHub {
  readonly hub: SubscriptionHub;
  readonly tail: Tail;
  close(): Promise<void>;
}

/** Nobody commits in this process. */
const NO_COMMITS: CommitWatch = {
  watchStream: async () => {},
  unwatchStream: () => {},
  watchTenant: async () => {},
  unwatchTenant: () => {},
};

export function createLocalHub(
  target: DatabaseTarget,
  {
    commits = NO_COMMITS,
    instanceId = 'this',
    keptMs,
  }: { commits?: CommitWatch; instanceId?: string; keptMs?: number } = {},
): LocalHub {
  const sql = connectDatabase(target, { max: 4, applicationName: 'test-tail', pipelining: false });
  let listener: (answer: TailAnswer) => void = () => {};
  const tail = createTail({
    sql,
    encoders: {
      json: createJsonEncoder(),
      msgpack: createMsgpackEncoder(),
      proto: createProtoEncoder(sha256Into),
    },
    commits,
    instanceId,
    // As between threads: never within a call.
    post: (answer) => void setImmediate(() => listener(answer)),
    onError: () => {},
  });
  const port = {
    post: (request: TailRequest) => void setImmediate(() => tail.request(request)),
    onAnswer(given: typeof listener) {
      listener = given;
    },
  };
  const hub = createSubscriptionHub(port, { keptMs });
  return {
    hub,
    tail,
    async close() {
      hub.close();
      await tail.close();
      await sql.end({ timeout: 1 });
    },
  };
}

/** A hub without anything behind it, for those who need one but do not use it. */
export const idleHub = (): SubscriptionHub => createSubscriptionHub({ post() {}, onAnswer() {} });
