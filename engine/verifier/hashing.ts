/** The portable hash functions in the forms that the log's functions take. */
import { createNodeHasher, leafHash, type NodeHasher, type Sha256Into } from '../log/index.js';
import { portableSha256 } from '../protocol/index.js';

const sha256Into: Sha256Into = (bytes, target, offset) => target.set(portableSha256(bytes), offset);

/** Hashes two nodes of an RFC 9162 tree. */
export const hashNode: NodeHasher = createNodeHasher(sha256Into);

/** The RFC 9162 leaf hash of a log entry. */
export const entryHash = (entry: Uint8Array): Uint8Array => leafHash(entry, sha256Into);

/** The log's functions that hash take this. */
export { sha256Into };
