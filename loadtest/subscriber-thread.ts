/** A thread with many subscribers of one stream, or with sockets that do nothing. */
import { parentPort } from 'node:worker_threads';
import {
  CREDITS_MAX,
  decodeServerFrame,
  encodeAck,
  encodeSubscribe,
  FRAME,
  type FrameHead,
  type Reader,
} from '../engine/wire/index.js';
import { createHeardLog, type HeardLogRecorder } from './heard-log.js';
import { createLatencyRecorder, type LatencyRecorder } from './latency.js';
import type {
  DeliveryCounts,
  SubscriberCommand,
  SubscriberReply,
  SubscribersPlan,
} from './subscriber-messages.js';
import { createWebSocketOpener, type LoadSocket } from './websocket.js';
import { clientFrame } from './websocket-frames.js';
import { openWireSession } from './wire-session.js';

interface Subscriber {
  socket: LoadSocket;
  cursor: number;
  credits: number;
}

const SUBSCRIPTION = 1;
/** Connections that are being opened at once. */
const OPENING_MAX = 50;
const FAULTS_MAX = 20;
const POLL_MS = 5;

const openWebSocket = createWebSocketOpener();
const subscribers: Subscriber[] = [];
const faults: string[] = [];
let heard: HeardLogRecorder | undefined;
let firstSequence = 1;
let closing = false;
let recorder: LatencyRecorder | undefined;
let counting = { beganAt: 0, deliveries: 0, frames: 0, bytes: 0 };

const fault = (text: string) => {
  if (!closing && faults.length < FAULTS_MAX) faults.push(text);
};
/** The service's clock is this machine's. */
const wallMicros = (): number => (performance.timeOrigin + performance.now()) * 1000;
const reply = (message: SubscriberReply) => parentPort!.postMessage(message);

parentPort!.on('message', (command: SubscriberCommand) => {
  perform(command).then(reply, (error: Error) => reply({ type: 'failed', message: error.message }));
});

async function perform(command: SubscriberCommand): Promise<SubscriberReply> {
  switch (command.type) {
    case 'open':
      await openAll(command.plan);
      return { type: 'done', reached: true };
    case 'begin':
      recorder = createLatencyRecorder();
      counting = { beganAt: performance.now(), deliveries: 0, frames: 0, bytes: 0 };
      return { type: 'done', reached: true };
    case 'end':
      return { type: 'counts', counts: endCounting() };
    case 'await':
      return { type: 'done', reached: await awaitSequence(command.sequence, command.timeoutMs) };
    case 'close':
      closing = true;
      for (const { socket } of subscribers) socket.close();
      return {
        type: 'heard',
        heard: {
          first: firstSequence,
          ids: heard?.ids() ?? new Uint8Array(0),
          faults,
          leastCursor: leastCursor(),
        },
      };
  }
}

async function openAll(plan: SubscribersPlan): Promise<void> {
  const { subscription } = plan;
  if (subscription) {
    firstSequence = subscription.after + 1;
    heard = createHeardLog(firstSequence);
  }
  let left = plan.sockets;
  const opener = async () => {
    while (left-- > 0) await openOne(plan);
  };
  await Promise.all(Array.from({ length: Math.min(OPENING_MAX, plan.sockets) }, opener));
}

async function openOne({ host, port, apiKey, subscription }: SubscribersPlan): Promise<void> {
  const subscriber: Subscriber = {
    socket: undefined as never,
    cursor: subscription?.after ?? 0,
    credits: CREDITS_MAX,
  };
  let subscribed = () => {};
  const ready = new Promise<void>((resolve) => {
    subscribed = resolve;
  });
  subscriber.socket = await openWireSession(openWebSocket, {
    ...{ host, port, apiKey },
    onFrame(head, reader) {
      if (head.type === FRAME.subscribed) subscribed();
      else onFrame(subscriber, head, reader);
    },
    onClosed: (reason) => fault(`a connection was lost: ${reason}`),
  });
  subscribers.push(subscriber);
  if (!subscription) return;
  const { tenantId, storeId, after } = subscription;
  const request = { id: SUBSCRIPTION, tenantId, storeId, after, credits: CREDITS_MAX };
  subscriber.socket.send(clientFrame(encodeSubscribe({ ...request, filter: undefined, agentId: undefined })));
  await ready;
}

function onFrame(subscriber: Subscriber, { type }: FrameHead, reader: Reader): void {
  if (type === FRAME.events) {
    onEvents(subscriber, reader.bytes);
  } else if (type === FRAME.error || type === FRAME.ended) {
    const frame = decodeServerFrame(reader.bytes);
    if ('message' in frame) fault(`a subscription ended: ${frame.code} ${frame.message}`);
  }
}

function onEvents(subscriber: Subscriber, message: Uint8Array): void {
  const now = wallMicros();
  let events = 0;
  try {
    const { first, last, instants } = heard!.take(message);
    // L7: in order, each event once.
    if (first !== subscriber.cursor + 1) fault(`after event ${subscriber.cursor} comes event ${first}`);
    subscriber.cursor = last;
    events = last - first + 1;
    for (let i = 0; i < instants.length; i += 2) recorder?.record(now - instants[i]!, instants[i + 1]!);
  } catch (error) {
    fault((error as Error).message);
  }
  counting.deliveries += events;
  counting.frames++;
  counting.bytes += message.length;
  subscriber.credits -= events;
  if (subscriber.credits > CREDITS_MAX / 2) return;
  const credits = CREDITS_MAX - subscriber.credits;
  subscriber.credits = CREDITS_MAX;
  subscriber.socket.send(clientFrame(encodeAck({ id: SUBSCRIPTION, credits, sequence: undefined })));
}

function endCounting(): DeliveryCounts {
  const { beganAt, ...counts } = counting;
  const latencies = (recorder ?? createLatencyRecorder()).encode();
  recorder = undefined;
  return { ...counts, seconds: (performance.now() - beganAt) / 1000, latencies };
}

const leastCursor = (): number =>
  subscribers.reduce((least, { cursor }) => Math.min(least, cursor), Number.MAX_SAFE_INTEGER);

async function awaitSequence(sequence: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (leastCursor() < sequence) {
    // Who lost a connection or an event will not get there.
    if (faults.length > 0 || performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}
