/**
 * What subscriptions have in common: a queue between the line and whoever iterates, credits for what is taken from it, and the
 * beginning anew after a cut or a pause that the service asked for.
 */
import { type Ended, type EventRecord, encodeAck, encodeUnsubscribe } from '../engine/wire/index.js';
import { type Line, StreamFailed } from './stream-socket.js';

export interface DeliveryOptions {
  /** The subscription's on the line. */
  readonly id: number;
  /** Events received ahead of their use. Unset: 1000. */
  readonly window: number | undefined;
  line(): Line | undefined;
  /** The frames that ask for what comes behind the last event received. */
  request(credits: number): readonly Uint8Array<ArrayBuffer>[];
  /** An event is handed out. */
  onTaken(event: EventRecord): void;
  /** Called once. */
  onStopped(reason: StreamFailed): void;
}

export interface Delivery extends AsyncIterable<EventRecord> {
  readonly closed: boolean;
  /** Everything received was handed out. */
  readonly drained: boolean;
  add(events: readonly EventRecord[]): void;
  /** The line is up. */
  up(): void;
  /** The service ended the subscription; where that is for a while only, it begins again. */
  onEnded(frame: Ended): void;
  /** Tells the service; what was received can still be taken. */
  close(): void;
  /** Ends with the line or for a reason that does not go away; without a reason, the iteration ends in order. */
  stop(reason?: StreamFailed): void;
}

const WINDOW = 1000;
const RESUME_MS_MIN = 100;

export function createDelivery(options: DeliveryOptions): Delivery {
  const { id, line, window = WINDOW } = options;
  const queue: EventRecord[] = [];
  /** Handed out since credits were last given. */
  let used = 0;
  let wake: (() => void) | undefined;
  let failure: StreamFailed | undefined;
  let closed = false;
  /** The pause that the service asked for. */
  let pause: ReturnType<typeof setTimeout> | undefined;

  function request(): void {
    clearTimeout(pause); // a new connection does not wait: asking twice for one subscription would end it
    used = 0;
    for (const frame of options.request(Math.max(1, window - queue.length))) line()?.send(frame);
  }

  function grant(): void {
    used++;
    if (used < window / 2) return;
    line()?.send(encodeAck({ id, credits: used, sequence: undefined }));
    used = 0;
  }

  function stop(reason?: StreamFailed): void {
    if (closed) return;
    closed = true;
    clearTimeout(pause);
    failure = reason;
    wake?.();
    options.onStopped(reason ?? new StreamFailed('the subscription was closed', undefined));
  }

  function close(): void {
    if (closed) return;
    line()?.send(encodeUnsubscribe(id));
    stop();
  }

  async function* events(): AsyncGenerator<EventRecord> {
    try {
      for (;;) {
        const event = queue.shift();
        if (event !== undefined) {
          options.onTaken(event);
          if (!closed) grant();
          yield event;
        } else if (closed) {
          if (failure !== undefined) throw failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      close();
    }
  }

  return {
    [Symbol.asyncIterator]: events,
    get closed() {
      return closed;
    },
    get drained() {
      return queue.length === 0;
    },
    add(batch) {
      for (const event of batch) queue.push(event);
      wake?.();
    },
    up: request,
    onEnded(frame) {
      if (closed) return;
      if (frame.retryAfterSecs === undefined)
        return stop(new StreamFailed(frame.message ?? 'the subscription ended', frame.code));
      const resume = () => {
        if (!closed && line()?.up) request();
      };
      clearTimeout(pause);
      pause = setTimeout(resume, Math.max(RESUME_MS_MIN, 1000 * frame.retryAfterSecs));
    },
    close,
    stop,
  };
}
