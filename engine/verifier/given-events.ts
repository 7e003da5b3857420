/** Events that the user holds, in the files that people have of them. */

import type { Problem } from '../log/index.js';
import {
  type LegacyEnvelope,
  LosslessJsonError,
  parseLegacyEnvelope,
  parseLossless,
} from '../protocol/index.js';
import { type CheckedEvent, readEvent } from './event-steps.js';
import { isObject, type JsonObject } from './fields.js';

/** One event: of the VES stream with the JSON it was read from, or of the older stream. */
export type GivenEvent =
  | { readonly stream: 'ves'; readonly envelope: JsonObject; readonly event: CheckedEvent }
  | { readonly stream: 'legacy'; readonly event: LegacyEnvelope };

/** Reads an event, a request or a page with `events`, such a request with its reply, or a reply with an `envelope`. */
export function readGivenEvents(text: string): GivenEvent[] | Problem {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problem: `It is not valid JSON: ${(error as Error).message}` };
  }
  if (!isObject(json)) return { problem: 'It is not an event' };
  if (!('ves_version' in json) && 'payload_hash' in json) return readLegacy(text);
  const holder = isObject(json.request) ? json.request : json;
  const list = Array.isArray(holder.events) ? holder.events : [json.envelope ?? json];
  const events: GivenEvent[] = [];
  for (const item of list as unknown[]) {
    const envelope = isObject(item) && 'envelope' in item ? item.envelope : item;
    const event = readEvent(envelope);
    if ('problem' in event) return event;
    events.push({ stream: 'ves', envelope: envelope as JsonObject, event });
  }
  return events;
}

/** Numbers of the older stream are hashed as they were written. */
function readLegacy(text: string): GivenEvent[] | Problem {
  try {
    const parsed = parseLegacyEnvelope(parseLossless(text));
    return parsed.ok ? [{ stream: 'legacy', event: parsed.envelope }] : { problem: parsed.message };
  } catch (error) {
    if (error instanceof LosslessJsonError) return { problem: error.message };
    throw error;
  }
}
