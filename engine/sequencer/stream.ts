/** Names of streams inside the sequencer, and the partition a stream belongs to. */
import type { StreamKind } from './batch.js';

/** `<kind><tenant hex><store hex>`: one of the two logs of a (tenant, store). */
export type StreamKey = string;

export function streamKey(kind: StreamKind, tenantHex: string, storeHex: string): StreamKey {
  return `${kind}${tenantHex}${storeHex}`;
}

/**
 * The partition of a (tenant, store): both of its logs go to one, because they share entity versions. FNV-1a over the 32
 * raw bytes; which partition a stream is in is a matter of speed only, so P may change between runs.
 */
export function partitionOf(tenant: Uint8Array, store: Uint8Array, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ tenant[i]!, 0x01000193);
  for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ store[i]!, 0x01000193);
  return (hash >>> 0) % partitions;
}
