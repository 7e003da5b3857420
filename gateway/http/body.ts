import type { HttpResponse } from 'uWebSockets.js';
import { ServiceError } from '../../engine/errors/index.js';
import type { Exchange } from './exchange.js';

/** Bytes of half-received bodies on all connections together. */
export interface BodyBudget {
  /** Takes `bytes` if they fit. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** @param elsewhere bytes that count against the same limit but are held by others */
export function createBodyBudget(bytesMax: number, elsewhere: () => number): BodyBudget {
  let held = 0;
  return {
    take(bytes) {
      if (held + elsewhere() + bytes > bytesMax) return false;
      held += bytes;
      return true;
    },
    give(bytes) {
      held -= bytes;
    },
  };
}

/** Takes possession of the body that is being handed over; `undefined` when the exchange had to be refused for it. */
export type KeepBody = () => Uint8Array | undefined;

/**
 * Receives the body of a request whose head promised no more than `bytesMax`. A body that arrives in one piece is handed
 * over where it lies; others are put together first, in one block if their size was announced.
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
  const announced = exchange.head.contentLength;
  let block: Uint8Array | undefined;
  let chunks: Uint8Array[] = [];
  let length = 0;
  let held = 0;
  let kept = false;

  const release = () => {
    budget.give(held);
    held = 0;
    block = undefined;
    chunks = [];
  };
  const hold = (bytes: number): boolean => {
    if (budget.take(bytes)) {
      held += bytes;
      return true;
    }
    exchange.fail(new ServiceError('OVERLOADED'), { close: true });
    return false;
  };
  const append = (chunk: Uint8Array): boolean => {
    if (announced !== undefined) {
      if (block === undefined) {
        if (!hold(announced)) return false;
        block = Buffer.allocUnsafeSlow(announced);
      }
      block.set(chunk, length);
    } else if (chunk.length > 0) {
      if (!hold(chunk.length)) return false;
      chunks.push(chunk.slice());
    }
    length += chunk.length;
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
    if (append(chunk) && isLast) handOver(block ?? Buffer.concat(chunks, length), true);
  });
}

/** The answer to a body over the limit. */
export const bodyTooLarge = (bytesMax: number): ServiceError =>
  new ServiceError('PAYLOAD_TOO_LARGE', `The body is larger than ${bytesMax} bytes`, {
    details: { limit_bytes: bytesMax },
  });
