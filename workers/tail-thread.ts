/** The main thread's end of the tail. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { TailAnswer, TailPort } from '../engine/subscriptions/index.js';
import type { TailReport, TailSetup } from './tail-messages.js';

export interface TailThread extends TailPort {
  close(): Promise<void>;
}

/**
 * Starts the thread and connects it with the partitions.
 *
 * @param connectPartition gives a partition its end of the line
 */
export async function startTail(
  setup: Omit<TailSetup, 'partitions'>,
  partitions: number,
  connectPartition: (partition: number, port: MessagePort) => void,
  events: {
    onLog(message: string, details: object): void;
    /** The thread died: subscribers can no longer be served. */
    onFatal(error: Error): void;
  },
): Promise<TailThread> {
  const channels = Array.from({ length: partitions }, () => new MessageChannel());
  const ports = channels.map(({ port2 }) => port2);
  const thread = new Worker(new URL('./tail.js', import.meta.url), {
    workerData: { ...setup, partitions: ports } satisfies TailSetup,
    transferList: ports,
    name: 'tail',
  });
  channels.forEach(({ port1 }, partition) => {
    connectPartition(partition, port1);
  });
  let listener: (answer: TailAnswer) => void = () => {};
  let stopping = false;
  let closed: () => void = () => {};
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (message: TailAnswer | TailReport) => {
      switch (message.type) {
        case 'ready':
          return resolve();
        case 'closed':
          return closed();
        case 'log':
          return events.onLog(message.message, { cause: message.cause });
        default:
          return listener(message);
      }
    });
  });
  thread.on('error', (error) => events.onFatal(error));
  thread.on('exit', (code) => {
    if (!stopping) events.onFatal(new Error(`the thread of the subscriptions ended with code ${code}`));
  });
  return {
    post: (request) => thread.postMessage(request),
    onAnswer(given) {
      listener = given;
    },
    async close() {
      stopping = true;
      const done = new Promise<void>((resolve) => {
        closed = resolve;
      });
      thread.postMessage({ type: 'stop' });
      await done;
      await thread.terminate();
    },
  };
}
