/**
 * Blocks of memory that are used again. Large buffers live outside of V8's heap, and V8 collects the whole heap after so many bytes of
 * them: what a busy thread allocates per request it pays for twice.
 */
export interface BlockPool {
  /** A block of at least so many bytes; what it held before is still in it. */
  take(bytes: number): Buffer;
  /** Gives a block back. Nobody may look at it any more. */
  give(block: Buffer): void;
}

/** Sizes are powers of two from here on: less than 4 KiB comes from Node's own pool, or from the heap. */
const SIZE_MIN = 4 * 1024;
const SIZE_MIN_LOG2 = 12;

/** @param keptBytesMax blocks kept in all (L8); what is given back beyond that is forgotten */
export function createBlockPool(keptBytesMax: number): BlockPool {
  const free: Buffer[][] = [];
  let kept = 0;
  const classOf = (bytes: number): number => Math.max(0, 32 - Math.clz32(bytes - 1) - SIZE_MIN_LOG2);

  return {
    take(bytes) {
      if (bytes <= SIZE_MIN / 2) return Buffer.allocUnsafe(bytes);
      const sizes = classOf(bytes);
      const block = free[sizes]?.pop();
      if (block === undefined) return Buffer.allocUnsafeSlow(SIZE_MIN << sizes);
      kept -= block.length;
      return block;
    },
    give(block) {
      if (block.length < SIZE_MIN || kept + block.length > keptBytesMax) return;
      kept += block.length;
      const sizes = classOf(block.length);
      free[sizes] ??= [];
      free[sizes].push(block);
    },
  };
}
