/** What waits to be sent on a socket. Frames of one turn leave together; uWebSockets.js buffers what the kernel does not take. */
import type { WebSocket } from 'uWebSockets.js';
import type { WebSocketStats } from './stats.js';

/** The part of a socket an outbox needs. */
export type Socket = Pick<WebSocket<unknown>, 'send' | 'cork' | 'getBufferedAmount'>;

export interface Outbox {
  /** Nothing is sent after `stop`. The frame is not copied before it leaves: nobody may change it. */
  send(frame: Uint8Array): void;
  /** Sends what waits, now. */
  flush(): void;
  /** Bytes not taken by the kernel yet. */
  readonly buffered: number;
  /** The kernel took something. */
  drained(): void;
  /** Milliseconds on the clock of `performance.now` since which nothing was taken although something waits; 0: nothing waits. */
  readonly stalledSince: number;
  stop(): void;
}

export interface OutboxEvents {
  /** Frames were dropped: the socket's buffer is full beyond its limit. */
  onLost(): void;
  /** What waited has left. When the kernel takes all of it at once, nothing else will tell that there is room again. */
  onFlushed(): void;
}

/** Makes outboxes that flush at the end of the turn, all in one go. */
export function createOutboxes(options: {
  readonly compress: boolean;
  readonly stats: WebSocketStats;
}): (socket: Socket, events: OutboxEvents) => Outbox {
  const { compress, stats } = options;
  let dirty: Outbox[] = [];

  function flushAll(): void {
    const now = dirty;
    dirty = [];
    for (const outbox of now) outbox.flush();
  }

  return (socket, { onLost, onFlushed }) => {
    let frames: Uint8Array[] = [];
    let waiting = 0;
    let stalledSince = 0;
    let stopped = false;

    const outbox: Outbox = {
      send(frame) {
        if (stopped) return;
        if (frames.length === 0 && dirty.push(outbox) === 1) setImmediate(flushAll);
        frames.push(frame);
        waiting += frame.length;
      },
      flush() {
        if (stopped || frames.length === 0) return;
        const batch = frames;
        frames = [];
        stats.framesOut += batch.length;
        stats.bytesOut += waiting;
        waiting = 0;
        let lost = false;
        socket.cork(() => {
          for (const frame of batch) lost ||= socket.send(frame, true, compress) === 2;
        });
        if (lost) return onLost();
        if (stalledSince === 0 && socket.getBufferedAmount() > 0) stalledSince = performance.now();
        onFlushed();
      },
      get buffered() {
        return stopped ? 0 : waiting + socket.getBufferedAmount();
      },
      drained() {
        stalledSince = stopped || socket.getBufferedAmount() === 0 ? 0 : performance.now();
      },
      get stalledSince() {
        return stalledSince;
      },
      stop() {
        stopped = true;
        frames = [];
      },
    };
    return outbox;
  };
}
