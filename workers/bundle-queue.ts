/**
 * Requests that wait for one verify worker, and how they are put together: in turns between tenants (L10), each tenant's in order
 * of arrival. A bundle is answered when all of it is, so a tenant's large requests share one with nobody else, while small ones
 * of many tenants travel together.
 */
import { createFairQueue } from '../engine/sequencer/index.js';
import type { BlockPool } from './block-pool.js';
import type { IngestRequest } from './ingest-port.js';

/** A bundle is closed at this size, so that its first request does not wait for the verification of too many others. */
export const BUNDLE_BYTES = 96 * 1024;
/** The same for a bundle of several tenants. */
export const MIXED_BUNDLE_BYTES = 32 * 1024;
/** A tenant's turn. */
const TURN_BYTES = 32 * 1024;
/** What a request costs beside its bytes. */
export const REQUEST_BYTES = 256;

/** A request with a copy of its body, the first `bytes` of `block`. */
export interface HeldRequest {
  readonly request: IngestRequest;
  readonly tenant: string;
  readonly block: Buffer;
  readonly bytes: number;
}

/** Requests that go to the worker together. */
export interface Bundle {
  readonly requests: readonly HeldRequest[];
  readonly tenants: ReadonlySet<string>;
  readonly bytes: number;
}

export interface BundleQueue {
  /**
   * The body is copied: it is valid until this returns.
   *
   * @param tenant whose turn it takes
   */
  push(tenant: string, request: IngestRequest): void;
  /** The next bundle, if there is one. @param mayGo whether a tenant's requests may be sent now */
  next(mayGo: (tenant: string) => boolean): Bundle | undefined;
  readonly size: number;
}

/** @param blocks where copies of bodies come from; whoever takes a bundle gives them back */
export function createBundleQueue(blocks: BlockPool): BundleQueue {
  const queue = createFairQueue<HeldRequest>(({ bytes }) => bytes + REQUEST_BYTES, TURN_BYTES);
  return {
    push(tenant, request) {
      const { body } = request;
      const block = blocks.take(body.length);
      block.set(body);
      queue.push(tenant, { request, tenant, block, bytes: body.length });
    },
    next(mayGo) {
      const requests: HeldRequest[] = [];
      const tenants = new Set<string>();
      let bytes = 0;
      for (let held = queue.peek(mayGo); held !== undefined; held = queue.peek(mayGo)) {
        const isMixed = tenants.size > (tenants.has(held.tenant) ? 1 : 0);
        const bytesMax = isMixed ? MIXED_BUNDLE_BYTES : BUNDLE_BYTES;
        if (requests.length > 0 && bytes + held.bytes > bytesMax) break;
        requests.push(queue.take());
        tenants.add(held.tenant);
        bytes += held.bytes;
      }
      return requests.length === 0 ? undefined : { requests, tenants, bytes };
    },
    get size() {
      return queue.size;
    },
  };
}
