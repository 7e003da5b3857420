/** How this thread hashes the rows of trees. */
import { type RowHashing, rowHashingOf } from '../engine/protocol/index.js';
import { createVectorRowHashing } from '../engine/sha256/index.js';
import { loadRowsModule } from '../engine/sha256/load-module.js';
import { sha256Into } from './native-crypto.js';

/**
 * By vectors, four messages at a time; one by one, with a warning, where the processor or the runtime lacks such instructions or
 * gives other digests than node:crypto. Not to be shared between threads.
 */
export function openRowHashing(): RowHashing {
  try {
    return createVectorRowHashing(loadRowsModule(), sha256Into);
  } catch (error) {
    process.emitWarning(`Trees are hashed one node at a time: ${(error as Error).message}`);
    return rowHashingOf(sha256Into);
  }
}
