/**
 * Group receipts: one signed checkpoint per group and stream, and the inclusion path of each of the request's events in
 * the tree after the group. Neighbouring events share most of their path, so the hashes are listed once and a path is a list
 * of numbers into that list.
 */
import {
  createNodeHasher,
  formatCheckpoint,
  formatNote,
  type GroupTree,
  type OpenGroupTree,
  openGroupTree,
  signNote,
} from '../engine/log/index.js';
import { FIXED, formatUuid } from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import type { SequencerIdentity } from './messages.js';
import { createSigner, sha256Into } from './native-crypto.js';
import type { VesRequest } from './request-context.js';

/** Renders the group receipts of a request's accepted events as a JSON array, `''` if there are none. */
export type GroupReceiptRenderer = (request: VesRequest, result: RequestOutcome) => string;

/** Makes the renderer; checkpoints are signed with `identity`, their logs are named `<origin>/<tenant>/<store>`. */
export function createGroupReceiptRenderer(
  identity: SequencerIdentity,
  origin: string,
): GroupReceiptRenderer {
  const hashNode = createNodeHasher(sha256Into, Buffer.alloc(65));
  const signInto = createSigner(identity.seed);
  const sign = (message: Uint8Array): Uint8Array => {
    const signature = Buffer.alloc(64);
    signInto(message, signature);
    return signature;
  };
  /** What the requests of a group and stream share. */
  const shared = new WeakMap<GroupTree, { readonly tree: OpenGroupTree; readonly checkpoint: string }>();

  function open(tree: GroupTree, request: VesRequest) {
    const known = shared.get(tree);
    if (known !== undefined) return known;
    const opened = openGroupTree(tree, hashNode);
    const fresh = { tree: opened, checkpoint: signCheckpoint(tree.after, opened.root, request) };
    shared.set(tree, fresh);
    return fresh;
  }

  /** L5: the group is committed, and the root was recorded under the stream's lock in the same transaction. */
  function signCheckpoint(size: number, root: Uint8Array, request: VesRequest): string {
    const { fixed, fixedOffset } = request.events[0]!.envelope;
    const tenant = formatUuid(fixed, fixedOffset + FIXED.tenantId);
    const store = formatUuid(fixed, fixedOffset + FIXED.storeId);
    const name = `${origin}/${tenant}/${store}`;
    const body = formatCheckpoint({ origin: name, size, root });
    const note = formatNote(body, [signNote(body, { name, publicKey: identity.publicKey, sign })]);
    return JSON.stringify(note);
  }

  function render(tree: GroupTree, request: VesRequest, result: RequestOutcome): string {
    const { tree: opened, checkpoint } = open(tree, request);
    const paths = opened.paths();
    const proofs: string[] = [];
    for (let i = 0; i < request.events.length; i++) {
      const at = i * outcome.EVENT_NUMBERS;
      const sequence = result.events[at + 1]!;
      if (result.events[at] !== outcome.ACCEPTED || sequence <= tree.before || sequence > tree.after)
        continue;
      const { fixed, fixedOffset } = request.events[i]!.envelope;
      proofs.push(
        `{"eventId":"${formatUuid(fixed, fixedOffset + FIXED.eventId)}","sequenceNumber":${sequence},"leafIndex":${sequence - 1},"path":[${paths.pathOf(sequence - 1).join(',')}]}`,
      );
    }
    if (proofs.length === 0) return '';
    const hashes = paths.hashes.map((hash) => `"${hex(hash)}"`).join(',');
    return `{"checkpoint":${checkpoint},"treeSize":${tree.after},"rootHash":"${hex(opened.root)}","hashes":[${hashes}],"proofs":[${proofs.join(',')}]}`;
  }

  return (request, result) => {
    const receipts = (result.trees ?? []).map((tree) => render(tree, request, result)).filter(Boolean);
    return receipts.length === 0 ? '' : `[${receipts.join(',')}]`;
  };
}

const hex = (hash: Uint8Array): string =>
  Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('hex');
