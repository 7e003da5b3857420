/** The coordinator's view of one stream's commitments: puts the pieces of their trees together and follows the chain. */

import {
  emptyFrontier,
  type Frontier,
  frontierRoot,
  type NodeHasher,
  type Sha256Into,
} from '../log/index.js';
import { DOMAIN, vesPadLeaf } from '../protocol/index.js';
import { type Fault, type FindingList, findingOf, type StreamId } from './finding.js';
import type { StreamKind } from './streams.js';
import { appendPieces, createPrefixedNodeHasher, paddedRoot } from './subtrees.js';
import { LEGACY_COMMITMENTS, VES_COMMITMENTS } from './tables.js';
import type { CommitmentPart, LogPart } from './task.js';

export interface CommitmentAudit {
  add(part: LogPart): void;
  /** The stream has ended at `n`. */
  finish(n: number): void;
}

/** How the roots of a kind of commitments are made. Shared by all streams. */
export interface CommitmentRules {
  readonly kind: StreamKind;
  readonly hashNode: NodeHasher;
  rootOf(frontier: Frontier): Uint8Array;
}

/** The trees of VES commitments: padded to a power of two. */
export function vesCommitmentRules(sha256: Sha256Into): CommitmentRules {
  const hashNode = createPrefixedNodeHasher(sha256, DOMAIN.node);
  const paddings = [vesPadLeaf()];
  const padding = (level: number): Uint8Array => {
    while (paddings.length <= level) {
      const below = paddings.at(-1)!;
      const above = new Uint8Array(32);
      hashNode(below, 0, below, 0, above, 0);
      paddings.push(above);
    }
    return paddings[level]!;
  };
  return { kind: 'ves', hashNode, rootOf: (frontier) => paddedRoot(frontier, padding, hashNode) };
}

/** The trees of legacy commitments: a last node without a neighbour moves up, which gives the shape of RFC 6962. */
export function legacyCommitmentRules(sha256: Sha256Into): CommitmentRules {
  const hashNode = createPrefixedNodeHasher(sha256, new Uint8Array(0));
  return { kind: 'legacy', hashNode, rootOf: (frontier) => frontierRoot(frontier, hashNode, sha256) };
}

/** A commitment whose last event has not been seen. */
interface OpenCommitment {
  readonly row: CommitmentPart;
  readonly frontier: Frontier;
  /** An event in its range is known to be wrong. */
  tainted: boolean;
}

export function createCommitmentAudit(
  rules: CommitmentRules,
  stream: StreamId,
  findings: FindingList,
): CommitmentAudit {
  const { table } = rules.kind === 'ves' ? VES_COMMITMENTS : LEGACY_COMMITMENTS;
  const rootColumn = rules.kind === 'ves' ? 'merkle_root' : 'events_root';
  const open = new Map<number, OpenCommitment>();
  let before: CommitmentPart | undefined;

  function fail({ start }: CommitmentPart, fault: Fault): void {
    const row = { table, stream, row: `sequence_start ${start}`, position: start };
    findings.add(findingOf(row, [fault]));
  }

  /** The first commitment may begin anywhere, each later one where the one before ends. */
  function follow(row: CommitmentPart): void {
    if (before !== undefined && row.start !== before.end + 1) {
      const message = `the commitment begins at ${row.start}, the one before it ends at ${before.end}`;
      fail(row, { check: 'commitment-range', column: 'sequence_start or sequence_end', message });
    }
    const expected = before?.newStateRoot ?? GENESIS;
    if (Buffer.compare(row.prevStateRoot, expected) !== 0) {
      const source = before
        ? `new_state_root of the commitment that begins at ${before.start}`
        : '32 zero bytes';
      const message = `prev_state_root is not ${source}`;
      fail(row, { check: 'state-root', column: 'prev_state_root', message });
    }
    before = row;
  }

  function close({ row, frontier, tainted }: OpenCommitment): void {
    open.delete(row.start);
    if (tainted || frontier.size === 0 || frontier.size !== row.end - row.start + 1) return;
    if (Buffer.compare(rules.rootOf(frontier), row.root) === 0) return;
    const message = `${rootColumn} is not the root of events ${row.start} to ${row.end}`;
    fail(row, { check: 'commitment-root', column: rootColumn, message });
  }

  return {
    add(part) {
      for (const row of part.commitments) {
        let each = open.get(row.start);
        if (each === undefined) {
          if (row.start < part.from) continue; // its beginning lies in front of everything that was looked at
          follow(row);
          each = { row, frontier: emptyFrontier(), tainted: false };
          open.set(row.start, each);
        }
        appendPieces(each.frontier, row.pieces, rules.hashNode);
        each.tainted ||= part.suspects.some((number) => number >= row.start && number <= row.end);
        if (row.end <= part.to) close(each);
      }
    },
    finish(n) {
      for (const { row } of open.values()) {
        const message = `the commitment ends at ${row.end}, the stream at ${n}`;
        fail(row, { check: 'commitment-range', column: 'sequence_end', message });
      }
    },
  };
}

const GENESIS = new Uint8Array(32);
