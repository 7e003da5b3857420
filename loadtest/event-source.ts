/**
 * Signed events for load: many agents, several streams of one tenant, orders with a canonical payload of a chosen size.
 * Everything but the ids and the instants follows from the seed, so two runs send the same mix.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type SignedEvent, signEvent } from '../agent/sign-event.js';
import {
  canonicalize,
  formatUuid,
  newUuidV7,
  publicKeyFromSeed,
  utf8Length,
} from '../engine/protocol/index.js';
import { createSigner, nativeSha256 } from '../workers/native-crypto.js';

/** Who sends and where to; plain data. */
export interface Population {
  readonly tenantId: string;
  readonly storeIds: readonly string[];
  readonly agents: readonly { readonly agentId: string; readonly seed: Uint8Array }[];
}

export interface EventMix {
  /** Bytes of the canonical payload text. */
  readonly payloadBytes: number;
  /** Events per entity, about; entities are drawn at random. */
  readonly entities: number;
  readonly seed: number;
}

export const LOAD_KEY_ID = 1;

/** Ids and keys of a load test, all derived from `seed`. */
export function createPopulation(seed: string, stores: number, agents: number): Population {
  const bytes = (name: string) => createHash('sha256').update(`${seed}/${name}`).digest();
  const id = (name: string) => {
    const uuid = bytes(name).subarray(0, 16);
    uuid[6] = (uuid[6]! & 0x0f) | 0x40;
    uuid[8] = (uuid[8]! & 0x3f) | 0x80;
    return formatUuid(uuid);
  };
  return {
    tenantId: id('tenant'),
    storeIds: Array.from({ length: stores }, (_, i) => id(`store ${i}`)),
    agents: Array.from({ length: agents }, (_, i) => ({
      agentId: id(`agent ${i}`),
      seed: bytes(`key ${i}`),
    })),
  };
}

/** The public half of an agent's key, 32 bytes. */
export const publicKeyOf = (agent: Population['agents'][number]): Uint8Array => publicKeyFromSeed(agent.seed);

/** Small and fast, and the same on every machine (xorshift32). */
export function createRandom(seed: number): () => number {
  let state = seed | 0 || 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

/** Makes the JSON text of signed envelopes, one per call. */
export function createEventSource(
  population: Population,
  mix: EventMix,
): (agent: number, store: number) => string {
  const next = createSignedEventSource(population, mix);
  return (agent, store) => JSON.stringify(next(agent, store).envelope);
}

/** Makes signed events, one per call. */
export function createSignedEventSource(
  population: Population,
  mix: EventMix,
): (agent: number, store: number) => SignedEvent {
  const { tenantId, storeIds } = population;
  const random = createRandom(mix.seed);
  const signers = population.agents.map(({ seed }) => createSigner(seed));
  const signature = Buffer.alloc(64);
  const entropy = Buffer.alloc(16 * 1024);
  let entropyAt = entropy.length;
  const newId = (): string => {
    if (entropyAt === entropy.length) {
      entropy.set(randomBytes(entropy.length));
      entropyAt = 0;
    }
    entropyAt += 16;
    return formatUuid(newUuidV7(Date.now(), entropy.subarray(entropyAt - 16, entropyAt)));
  };

  return (agent, store) => {
    const order = Math.floor(random() * mix.entities);
    return signEvent(
      {
        eventId: newId(),
        tenantId,
        storeId: storeIds[store]!,
        agentId: population.agents[agent]!.agentId,
        keyId: LOAD_KEY_ID,
        entityType: 'order',
        entityId: `ord-${order.toString(36).padStart(6, '0')}`,
        eventType: 'order.updated',
        createdAt: new Date().toISOString(),
        payload: orderPayload(order, random, mix.payloadBytes),
      },
      (hash) => {
        signers[agent]!(hash, signature);
        return signature;
      },
      nativeSha256,
    );
  };
}

const STATES = ['placed', 'paid', 'picked', 'packed', 'shipped', 'delivered'];

/** An order whose canonical text has exactly `bytes` bytes, if it fits at all; members in canonical order. */
function orderPayload(order: number, random: () => number, bytes: number): object {
  const payload = {
    currency: 'EUR',
    customer_id: `cus-${(order % 9973).toString(36)}`,
    discount: Math.floor(random() * 50) / 2,
    gift: random() < 0.1,
    lines: [
      { price: 1999, quantity: 1 + Math.floor(random() * 3), sku: 'espresso-machine' },
      { price: 449, quantity: 2, sku: 'beans-1kg' },
    ],
    note: '',
    ship_to: { city: 'Lisbon', country: 'PT', postal_code: '1100-053', street: 'Rua do Ouro 12' },
    state: STATES[Math.floor(random() * STATES.length)],
    total: 2897,
  };
  const missing = bytes - utf8Length(canonicalize(payload));
  if (missing > 0) payload.note = 'leave at the door; '.repeat(Math.ceil(missing / 19)).slice(0, missing);
  return payload;
}
