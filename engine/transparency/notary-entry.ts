import { formatCheckpoint, notaryEntry, type Sha256Into } from '../log/index.js';
import { tenantStoreOf, vesStreamId } from '../protocol/index.js';
import type { NotaryEntryRow } from '../store/notary.js';

/** A notary entry taken to its parts: the text of the stream's checkpoint and the log entry made from it. */
export interface NotarisedCheckpoint {
  readonly body: string;
  readonly entry: Uint8Array;
}

/** Makes the log entry of a notarised stream checkpoint from what is stored of it. */
export function createNotaryEntryMaker(
  sha256: Sha256Into,
): (
  row: Pick<NotaryEntryRow, 'tenantId' | 'storeId' | 'origin' | 'treeSize' | 'rootHash'>,
) => NotarisedCheckpoint {
  const digest = (bytes: Uint8Array) => {
    const hash = new Uint8Array(32);
    sha256(bytes, hash, 0);
    return hash;
  };
  return ({ tenantId, storeId, origin, treeSize, rootHash }) => {
    const streamId = vesStreamId(tenantStoreOf({ tenantId, storeId }), digest);
    const body = formatCheckpoint({ origin, size: treeSize, root: rootHash });
    return { body, entry: notaryEntry(streamId, body, sha256) };
  };
}
