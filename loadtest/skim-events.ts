/** Reads of a frame of events what a check needs, and passes over the rest: the client must cost less than the service. */
import { EVENT_ITEMS } from '../engine/wire/event-record.js';
import { FRAME } from '../engine/wire/index.js';
import {
  createReader,
  type Reader,
  readArray,
  readBinLength,
  readEnd,
  readOptional,
  readStrLength,
  readTuple,
  readUint,
} from '../engine/wire/msgpack-reader.js';

const FRAME_ITEMS = 6;
const ID_BYTES = 16;
const ANY = 0xffff_ffff;
const TEXTS = 5;

/** Called for each event; its id lies at `idAt`, 16 bytes. */
export type TakeEvent = (sequence: number, sequencedAtMicros: number, idAt: number) => void;

/** Reads a whole `events` frame. @throws WireError */
export function skimEvents(message: Uint8Array, take: TakeEvent): { first: number; last: number } {
  const reader = createReader(message);
  const items = readArray(reader, 'the frame', ANY);
  const type = readUint(reader, 'type');
  if (type !== FRAME.events || items !== FRAME_ITEMS)
    throw new Error(`a frame of type ${type} for one of events`);
  readUint(reader, 'id');
  const first = readUint(reader, 'first');
  const last = readUint(reader, 'last');
  readUint(reader, 'head');
  for (let left = readArray(reader, 'events', ANY); left > 0; left--) skimEvent(reader, take);
  readEnd(reader);
  return { first, last };
}

function skimEvent(reader: Reader, take: TakeEvent): void {
  readTuple(reader, 'an event', EVENT_ITEMS);
  const sequence = readUint(reader, 'sequence');
  const micros = readUint(reader, 'sequenced_at');
  readBinLength(reader, 'store', ID_BYTES);
  if (readBinLength(reader, 'event_id', ID_BYTES) !== ID_BYTES)
    throw new Error('an event id of another length');
  const idAt = reader.at - ID_BYTES;
  readBinLength(reader, 'agent', ID_BYTES);
  for (const what of ['agent_key_id', 'ves_version', 'payload_kind']) readUint(reader, what);
  readOptional(reader, () => readBinLength(reader, 'command_id', ID_BYTES));
  readOptional(reader, () => readUint(reader, 'base_version'));
  for (let text = 0; text < TEXTS; text++) readStrLength(reader, 'a text', ANY);
  readBinLength(reader, 'hashes', ANY);
  take(sequence, micros, idAt);
}
