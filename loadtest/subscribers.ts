import { Worker } from 'node:worker_threads';
import type {
  DeliveryCounts,
  HeardLog,
  SubscriberCommand,
  SubscriberReply,
  SubscribersPlan,
} from './subscriber-messages.js';

/** Many sockets in a thread of their own. */
export interface Subscribers {
  /** Opens the sockets and subscribes. */
  open(plan: SubscribersPlan): Promise<void>;
  begin(): Promise<void>;
  /** What was delivered since {@link Subscribers.begin}. */
  end(): Promise<DeliveryCounts>;
  /** Whether every subscriber got the event with this number in time. */
  await(sequence: number, timeoutMs: number): Promise<boolean>;
  /** Closes all sockets and ends the thread. */
  close(): Promise<HeardLog>;
}

export function startSubscribers(): Subscribers {
  const thread = new Worker(new URL('./subscriber-thread.js', import.meta.url));
  let onReply: (reply: SubscriberReply) => void = () => {};
  let ended: string | undefined;
  const onEnd = (message: string) => {
    ended ??= message;
    onReply({ type: 'failed', message: ended });
  };
  thread.on('message', (reply: SubscriberReply) => onReply(reply));
  thread.on('error', (error) => onEnd(`the thread of the subscribers failed: ${error.stack}`));
  thread.on('exit', () => onEnd('the thread of the subscribers ended'));

  function ask<Type extends SubscriberReply['type']>(
    command: SubscriberCommand,
    type: Type,
  ): Promise<Extract<SubscriberReply, { type: Type }>> {
    return new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(new Error(ended));
      onReply = (reply) => {
        if (reply.type === type) resolve(reply as Extract<SubscriberReply, { type: Type }>);
        else reject(new Error(reply.type === 'failed' ? reply.message : `answered ${reply.type}`));
      };
      thread.postMessage(command);
    });
  }

  return {
    open: async (plan) => void (await ask({ type: 'open', plan }, 'done')),
    begin: async () => void (await ask({ type: 'begin' }, 'done')),
    end: async () => (await ask({ type: 'end' }, 'counts')).counts,
    await: async (sequence, timeoutMs) => (await ask({ type: 'await', sequence, timeoutMs }, 'done')).reached,
    async close() {
      const { heard } = await ask({ type: 'close' }, 'heard');
      onReply = () => {};
      await thread.terminate();
      return heard;
    },
  };
}
