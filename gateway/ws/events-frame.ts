import type { EventChunk } from '../../engine/subscriptions/chunk.js';
import { encodeEvents } from '../../engine/wire/index.js';

/** The events frame of a chunk for a subscription of that id; of a tenant's subscription with its store. */
export type EventsFrames = (chunk: EventChunk, id: number, storeId?: string) => Uint8Array;

/**
 * Frames made once per chunk and subscription id. Most clients use small ids, so a thousand subscribers of a stream share a few frames,
 * as they share the chunk.
 */
export function createEventsFrames(): EventsFrames {
  const known = new WeakMap<EventChunk, Map<number, Uint8Array>>();
  return (chunk, id, storeId) => {
    let frames = known.get(chunk);
    if (frames === undefined) {
      frames = new Map();
      known.set(chunk, frames);
    }
    // A chunk is of one store: with and without its name are told apart by the sign.
    const name = storeId === undefined ? id : -id - 1;
    let frame = frames.get(name);
    if (frame === undefined) {
      frame = encodeEvents(id, chunk, chunk.bytes, storeId);
      frames.set(name, frame);
    }
    return frame;
  };
}
