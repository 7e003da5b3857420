/** What the streams' Merkle trees cost the sequencer thread: the same groups planned with and without them, in turns. */
import { createNodeHasher, decodeFrontier, encodeFrontier, frontierRoot } from '../../engine/log/index.js';
import {
  createPlanner,
  createSubmission,
  readBatch,
  type Snapshot,
  wholeSlice,
} from '../../engine/sequencer/index.js';
import { createRandom, type Population } from '../../loadtest/event-source.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { packRows } from '../rows.js';
import type { Part } from './cost.js';

const GROUP_EVENTS = 1000;
/** Leaves the streams have already: a million, less a few, so that every level has a subtree. */
const LEAVES = 2 ** 20 - 1 - GROUP_EVENTS;

export const WITHOUT_TREE = '  share: planning a group without the Merkle trees';
export const WITH_TREE = '  share: planning a group with them';

/** The parts; their difference is the trees' cost. */
export function treeParts(population: Population, payloadBytes: number): Part[] {
  const mix = { payloadBytes, entities: 200_000, random: createRandom(5) };
  const batch = readBatch(packRows(population, mix, GROUP_EVENTS));
  const hashNode = createNodeHasher(sha256Into);
  const planGroup = createPlanner(sha256Into, { keyVersion: () => 0 });
  const peaks = Buffer.alloc(32 * encodedPeaks(LEAVES), 7);
  const nowMicros = Date.now() * 1000;

  const part = (name: string, trees: boolean, groupReceipts: boolean): Part => {
    let group = submissions(groupReceipts);
    let snapshot = snapshotOf(group, trees);
    return {
      name,
      events: GROUP_EVENTS,
      counts: false,
      before() {
        group = submissions(groupReceipts);
        snapshot = snapshotOf(group, trees);
      },
      run() {
        const plan = planGroup(group, snapshot, nowMicros);
        for (const { frontier } of plan.write!.streams) {
          if (!frontier) continue;
          frontierRoot(frontier, hashNode, sha256Into);
          encodeFrontier(frontier);
        }
        plan.settle();
      },
    };
  };

  function submissions(groupReceipts: boolean) {
    return Array.from({ length: batch.requestCount }, (_, request) =>
      wholeSlice({ ...createSubmission(batch, request), groupReceipts }),
    );
  }

  function snapshotOf(group: ReturnType<typeof submissions>, trees: boolean): Snapshot {
    const streams = new Map(
      group.map(({ submission }) => [
        submission.stream,
        { head: LEAVES, frontier: trees ? decodeFrontier(LEAVES, peaks) : undefined },
      ]),
    );
    return { streams, events: new Map(), commands: new Set(), versions: new Map() };
  }

  return [
    part(WITHOUT_TREE, false, false),
    part(WITH_TREE, true, false),
    part('  share: planning a group with them, for group receipts', true, true),
  ];
}

/** Subtrees of the frontier of a log of `size` leaves. */
function encodedPeaks(size: number): number {
  let peaks = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) peaks += rest % 2;
  return peaks;
}
