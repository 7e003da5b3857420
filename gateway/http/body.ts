import type { HttpResponse } from 'uWebSockets.js';
import { ServiceError } from '../../engine/errors/index.js';
import { createShares, type Shortage } from '../../engine/sequencer/index.js';
import { refusedIngest } from '../limits/refused-ingest.js';
import type { Exchange } from './exchange.js';

/** Bytes of half-received bodies on all connections together. */
export interface BodyBudget {
  /** Takes `bytes`, unless there is no room for them, or the tenant has its part of it (L10); then it answers that. */
  take(bytes: number, tenant: string): Shortage | undefined;
  give(bytes: number, tenant: string): void;
}

/** @param elsewhere bytes that count against the same limit but are held by others */
export function createBodyBudget(bytesMax: number, elsewhere: () => number): BodyBudget {
  const held = createShares(bytesMax);
  return {
    take(bytes, tenant) {
      const shortage = held.shortage(tenant, bytes, elsewhere());
      if (shortage === undefined) held.add(tenant, bytes);
      return shortage;
    },
    give: (bytes, tenant) => held.remove(tenant, bytes),
  };
}

const NO_BYTES = new Uint8Array(0);

/** Takes possession of the body that is being handed over; `undefined` when the exchange had to be refused for it. */
export type KeepBody = () => Uint8Array | undefined;

/** First size of the block a body is put together in; it doubles. What is announced but does not come takes no room. */
const BLOCK_BYTES_MIN = 256 * 1024;

/**
 * Receives the body of a request whose head promised no more than `bytesMax`. A body that arrives in one piece is handed
 * over where it lies; others are put together in one block first.
 *
 * @param onBody the bytes are valid until it returns, unless it calls `keep`
 */
export function receiveBody(
  res: HttpResponse,
  exchange: Exchange,
  limits: { bytesMax: number; budget: BodyBudget },
  onBody: (body: Uint8Array, keep: KeepBody) => void,
): void {
  const { bytesMax, budget } = limits;
  const expected = exchange.head.contentLength ?? bytesMax;
  let block: Uint8Array = NO_BYTES;
  let length = 0;
  let held = 0;
  let kept = false;
  /** Whose room it takes: nobody's while the credentials are being looked up. */
  const { tenant } = exchange.auth;

  const release = () => {
    budget.give(held, tenant);
    held = 0;
    block = NO_BYTES;
  };
  const hold = (bytes: number): boolean => {
    const shortage = budget.take(bytes, tenant);
    if (shortage === undefined) {
      held += bytes;
      return true;
    }
    exchange.fail(refusedIngest(shortage === 'all' ? 'service_full' : 'tenant_full'), { close: true });
    return false;
  };
  const append = (chunk: Uint8Array): boolean => {
    const needed = length + chunk.length;
    if (needed > block.length) {
      const size = Math.min(Math.max(needed, 2 * block.length, BLOCK_BYTES_MIN), Math.max(needed, expected));
      if (!hold(size - block.length)) return false;
      const larger = Buffer.allocUnsafeSlow(size);
      larger.set(block.subarray(0, length));
      block = larger;
    }
    block.set(chunk, length);
    length = needed;
    return true;
  };
  const handOver = (body: Uint8Array, owned: boolean) => {
    onBody(body, () => {
      kept = true;
      if (owned) return body;
      return hold(body.length) ? body.slice() : undefined;
    });
    if (!kept) release();
  };

  exchange.release = release;
  res.onData((data, isLast) => {
    if (exchange.phase !== 'receiving') return;
    const chunk = new Uint8Array(data);
    if (length + chunk.length > bytesMax) return exchange.fail(bodyTooLarge(bytesMax), { close: true });
    if (isLast && length === 0) return handOver(chunk, false);
    if (append(chunk) && isLast) handOver(block.subarray(0, length), true);
  });
}

/** The answer to a body over the limit. */
export const bodyTooLarge = (bytesMax: number): ServiceError =>
  new ServiceError('PAYLOAD_TOO_LARGE', `The body is larger than ${bytesMax} bytes`, {
    details: { limit_bytes: bytesMax },
  });
