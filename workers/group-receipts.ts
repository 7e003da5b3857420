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

/** One event's place in the log. */
export interface GroupProof {
  /** Index in the request. */
  readonly event: number;
  readonly sequence: number;
  /** Numbers of {@link GroupReceipt.hashes}, leaf upwards. */
  readonly path: readonly number[];
}

/** The evidence for those events of a request that one group accepted. */
export interface GroupReceipt {
  /** The checkpoint after the group, a signed note. */
  readonly checkpoint: string;
  readonly treeSize: number;
  /** 32 bytes each. */
  readonly root: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  /** At least one. */
  readonly proofs: readonly GroupProof[];
}

/** The group receipts of a request's accepted events. */
export type GroupReceiptIssuer = (request: VesRequest, result: RequestOutcome) => GroupReceipt[];

/** Makes the issuer; checkpoints are signed with `identity`, their logs are named `<origin>/<tenant>/<store>`. */
export function createGroupReceiptIssuer(identity: SequencerIdentity, origin: string): GroupReceiptIssuer {
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
    return formatNote(body, [signNote(body, { name, publicKey: identity.publicKey, sign })]);
  }

  function issue(tree: GroupTree, request: VesRequest, result: RequestOutcome): GroupReceipt {
    const { tree: opened, checkpoint } = open(tree, request);
    const paths = opened.paths();
    const proofs: GroupProof[] = [];
    for (let event = 0; event < request.events.length; event++) {
      const at = event * outcome.EVENT_NUMBERS;
      const sequence = result.events[at + 1]!;
      if (result.events[at] !== outcome.ACCEPTED || sequence <= tree.before || sequence > tree.after)
        continue;
      proofs.push({ event, sequence, path: paths.pathOf(sequence - 1) });
    }
    return { checkpoint, treeSize: tree.after, root: opened.root, hashes: paths.hashes, proofs };
  }

  return (request, result) =>
    (result.trees ?? [])
      .map((tree) => issue(tree, request, result))
      .filter(({ proofs }) => proofs.length > 0);
}
