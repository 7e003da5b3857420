/**
 * What many subscribers of one stream heard, checked as it arrives. Subscribers who are equally far get the same bytes, so a frame is
 * decoded once; when the same bytes arrive for another subscriber, comparing them is enough.
 */
import { ID_BYTES } from './acknowledgements.js';
import { skimEvents } from './skim-events.js';

/** A decoded frame. */
export interface HeardFrame {
  readonly first: number;
  readonly last: number;
  /** `sequenced_at` in microseconds and how many events of the frame have it, in turns. */
  readonly instants: readonly number[];
}

export interface HeardLogRecorder {
  /** Takes a whole `events` frame. @throws Error when it is not in order, or says something else than another one did */
  take(message: Uint8Array): HeardFrame;
  /** Ids from the first number on. */
  ids(): Uint8Array;
}

/** Frames that are remembered: subscribers who are close to each other share them. */
const FRAMES_MAX = 256;
const IDS_MIN = 1 << 16;

/** @param first the number of the first event that will be heard */
export function createHeardLog(first: number): HeardLogRecorder {
  /** By the length and the first bytes, which hold the numbers. */
  const frames = new Map<string, { readonly bytes: Buffer; readonly frame: HeardFrame }>();
  let ids = new Uint8Array(IDS_MIN);
  let known = 0;

  /** L7: an event has the same id for everybody, and none is left out. */
  function remember(sequence: number, message: Uint8Array, idAt: number): void {
    const at = sequence - first;
    if (at > known) throw new Error(`event ${sequence} is heard before event ${first + known}`);
    if (at < known) {
      for (let i = 0; i < ID_BYTES; i++)
        if (ids[at * ID_BYTES + i] !== message[idAt + i])
          throw new Error(`event ${sequence} is not the same for every subscriber`);
      return;
    }
    if ((known + 1) * ID_BYTES > ids.length) {
      const larger = new Uint8Array(ids.length * 2);
      larger.set(ids);
      ids = larger;
    }
    for (let i = 0; i < ID_BYTES; i++) ids[at * ID_BYTES + i] = message[idAt + i]!;
    known++;
  }

  function decode(message: Uint8Array): HeardFrame {
    const instants: number[] = [];
    let begin = 0;
    let expected = 0;
    const { first: from, last } = skimEvents(message, (sequence, micros, idAt) => {
      if (begin === 0) begin = expected = sequence;
      if (sequence !== expected) throw new Error(`event ${sequence} stands where ${expected} belongs`);
      expected++;
      remember(sequence, message, idAt);
      if (instants.at(-2) === micros) instants[instants.length - 1]!++;
      else instants.push(micros, 1);
    });
    if (begin !== from || expected !== last + 1)
      throw new Error(`a frame of ${from} to ${last} holds the events from ${begin} to before ${expected}`);
    return { first: from, last, instants };
  }

  return {
    take(message) {
      const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
      const name = `${bytes.length} ${bytes.toString('latin1', 0, 32)}`;
      const seen = frames.get(name);
      if (seen?.bytes.equals(bytes)) return seen.frame;
      const frame = decode(message);
      if (frames.size === FRAMES_MAX) frames.delete(frames.keys().next().value!);
      frames.set(name, { bytes: Buffer.from(bytes), frame });
      return frame;
    },
    ids: () => ids.slice(0, known * ID_BYTES),
  };
}
