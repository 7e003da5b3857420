/** Ready-made requests, back to back in one block of memory: sending one costs a slice and a write. */
import { parseUuid, type VesEnvelopeJson } from '../engine/protocol/index.js';
import { ID_BYTES } from './acknowledgements.js';
import { ENCODERS } from './encoders.js';
import { createSignedEventSource, type EventMix, type Population } from './event-source.js';
import type { Protocol } from './line.js';

export interface RequestPlan {
  readonly population: Population;
  readonly mix: EventMix;
  /** Unset: http. */
  readonly protocol?: Protocol;
  readonly path: string;
  readonly host: string;
  readonly apiKey: string;
  readonly requests: number;
  /** Events per request. */
  readonly batch: number;
}

/** `ends[i]` is the offset behind request `i`; it begins where the one before it ends. */
export interface RequestBlock {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Float64Array<ArrayBuffer>;
  /** What is in them, for checking afterwards: event ids, 16 bytes each, `batch` of them per request. */
  readonly ids: Uint8Array<ArrayBuffer>;
  /** Signing hashes of the events, 32 bytes each. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** The store of each request, an index into the population's. */
  readonly stores: Uint16Array<ArrayBuffer>;
}

const HASH_BYTES = 32;
const BYTES_MIN = 1024 * 1024;

/** Builds the requests; agents and streams take turns. */
export function buildRequests(plan: RequestPlan): RequestBlock {
  const { population, batch } = plan;
  const next = createSignedEventSource(population, plan.mix);
  const encode = ENCODERS[plan.protocol ?? 'http'](plan);
  const ends = new Float64Array(plan.requests);
  const ids = new Uint8Array(plan.requests * batch * ID_BYTES);
  const hashes = new Uint8Array(plan.requests * batch * HASH_BYTES);
  const stores = new Uint16Array(plan.requests);
  let block = Buffer.allocUnsafeSlow(BYTES_MIN);
  let end = 0;
  for (let i = 0; i < plan.requests; i++) {
    const agent = i % population.agents.length;
    // Every agent visits every store, whatever the two counts have in common.
    const store = (agent + Math.floor(i / population.agents.length)) % population.storeIds.length;
    const events: VesEnvelopeJson[] = new Array(batch);
    for (let e = 0; e < batch; e++) {
      const { envelope, signingHash } = next(agent, store);
      events[e] = envelope;
      ids.set(parseUuid(envelope.event_id)!, (i * batch + e) * ID_BYTES);
      hashes.set(signingHash, (i * batch + e) * HASH_BYTES);
    }
    stores[i] = store;
    const request = encode({
      tenantId: population.tenantId,
      storeId: population.storeIds[store]!,
      agentId: population.agents[agent]!.agentId,
      events,
      serial: i,
    });
    const needed = end + request.length;
    if (needed > block.length) {
      // The rest will be about like what there is.
      const guess = Math.ceil((needed / (i + 1)) * plan.requests * 1.02);
      const larger = Buffer.allocUnsafeSlow(Math.max(needed * 2, guess));
      block.copy(larger, 0, 0, end);
      block = larger;
    }
    block.set(request, end);
    end = needed;
    ends[i] = end;
  }
  return { bytes: block as unknown as Uint8Array<ArrayBuffer>, ends, ids, hashes, stores };
}

/** A block of requests that carry no events, such as reads. */
export function blockOf(requests: readonly Uint8Array[]): RequestBlock {
  const ends = new Float64Array(requests.length);
  let end = 0;
  requests.forEach((request, i) => {
    end += request.length;
    ends[i] = end;
  });
  const bytes = new Uint8Array(end);
  requests.forEach((request, i) => {
    bytes.set(request, ends[i]! - request.length);
  });
  const none = new Uint8Array(0);
  return { bytes, ends, ids: none, hashes: none, stores: new Uint16Array(requests.length) };
}

/** Request `i` of a block, as it is sent. */
export function requestAt({ bytes, ends }: RequestBlock, i: number): Uint8Array {
  return bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!);
}

/** Ids of the events of request `i`, 16 bytes each. */
export const idsAt = ({ ids }: RequestBlock, i: number, batch: number): Uint8Array =>
  ids.subarray(i * batch * ID_BYTES, (i + 1) * batch * ID_BYTES);

/** Signing hashes of the events of request `i`, 32 bytes each. */
export const hashesAt = ({ hashes }: RequestBlock, i: number, batch: number): Uint8Array =>
  hashes.subarray(i * batch * HASH_BYTES, (i + 1) * batch * HASH_BYTES);

/** The JSON body of HTTP request `i`. */
export function bodyOf(block: RequestBlock, i: number): { agentId: string; events: unknown[] } {
  const text = Buffer.from(requestAt(block, i)).toString('utf8');
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
}
