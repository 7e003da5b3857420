import { consistencyReceipt, formatTlogProof, inclusionReceipt } from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import type { Reply } from '../http/reply.js';
import type { GatewayIdentity } from '../identity.js';
import type { CertifiedLeaf } from '../transparency.js';

/** JSON of an inclusion proof. */
export const inclusionJson = ({ leafIndex, proof, checkpoint }: CertifiedLeaf) => ({
  leaf_index: leafIndex,
  tree_size: checkpoint.size,
  leaf_hash: encodeHex(proof.leafHash),
  hashes: proof.hashes.map((hash) => encodeHex(hash)),
  root: encodeHex(proof.root),
  checkpoint: checkpoint.note,
});

/** The same as a COSE receipt; only the root in its checkpoint, which is recorded, is signed (L5). */
export const inclusionCose = (
  { leafIndex, proof, checkpoint }: CertifiedLeaf,
  origin: string,
  identity: GatewayIdentity,
): Reply =>
  coseReply(
    inclusionReceipt(
      { origin, size: checkpoint.size, leafIndex, hashes: proof.hashes, root: checkpoint.root },
      identity,
    ),
  );

/** A COSE receipt of consistency. */
export const consistencyCose = (
  proof: {
    readonly origin: string;
    readonly from: number;
    readonly to: number;
    readonly hashes: readonly Uint8Array[];
    /** The recorded root at `to` (L5). */
    readonly root: Uint8Array;
  },
  identity: GatewayIdentity,
): Reply => coseReply(consistencyReceipt(proof, identity));

/** A proof file with the log entry as extra data, to be saved under the event's id. */
export const tlogProofReply = ({ leafIndex, proof, checkpoint }: CertifiedLeaf, eventId: string): Reply => ({
  status: 200,
  contentType: 'text/plain; charset=utf-8',
  headers: [['content-disposition', `attachment; filename="${eventId}.tlog-proof"`]],
  body: formatTlogProof({
    extra: proof.entry,
    index: leafIndex,
    hashes: proof.hashes,
    checkpoint: checkpoint.note,
  }),
});

const coseReply = (body: Uint8Array): Reply => ({ status: 200, contentType: 'application/cose', body });
