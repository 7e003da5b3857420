/** Group receipts as JSON. */
import { FIXED, formatUuid } from '../engine/protocol/index.js';
import type { RequestOutcome } from '../engine/sequencer/index.js';
import { createGroupReceiptIssuer, type GroupReceipt } from './group-receipts.js';
import type { SequencerIdentity } from './messages.js';
import type { VesRequest } from './request-context.js';

/** Renders the group receipts of a request's accepted events as a JSON array, `''` if there are none. */
export type GroupReceiptRenderer = (request: VesRequest, result: RequestOutcome) => string;

/** Makes the renderer; see {@link createGroupReceiptIssuer}. */
export function createGroupReceiptRenderer(
  identity: SequencerIdentity,
  origin: string,
): GroupReceiptRenderer {
  const issue = createGroupReceiptIssuer(identity, origin);
  return (request, result) => {
    const receipts = issue(request, result).map((receipt) => render(receipt, request));
    return receipts.length === 0 ? '' : `[${receipts.join(',')}]`;
  };
}

function render({ checkpoint, treeSize, root, hashes, proofs }: GroupReceipt, request: VesRequest): string {
  const proofList = proofs.map(({ event, sequence, path }) => {
    const { fixed, fixedOffset } = request.events[event]!.envelope;
    const eventId = formatUuid(fixed, fixedOffset + FIXED.eventId);
    return `{"eventId":"${eventId}","sequenceNumber":${sequence},"leafIndex":${sequence - 1},"path":[${path.join(',')}]}`;
  });
  const hashList = hashes.map((hash) => `"${hex(hash)}"`).join(',');
  return `{"checkpoint":${JSON.stringify(checkpoint)},"treeSize":${treeSize},"rootHash":"${hex(root)}","hashes":[${hashList}],"proofs":[${proofList.join(',')}]}`;
}

const hex = (hash: Uint8Array): string =>
  Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('hex');
