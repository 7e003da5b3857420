/**
 * The decision of a group, as a pure function: given the requests in arrival order and what the database holds, which
 * events get the next numbers, which are replays, which are rejected and why. The only bytes it writes are the two
 * open columns of the rows.
 *
 * Order of checks per event (first hit wins): repeated in its request · stored already (replay or conflict) · accepted
 * earlier in this group · the verify worker's verdict · command id · base version.
 */
import {
  appendLeaf,
  createNodeHasher,
  encodeFrontier,
  type Frontier,
  type GroupTree,
  type HashList,
  type Sha256Into,
} from '../log/index.js';
import {
  eventBaseVersion,
  eventCommand,
  eventDigest,
  eventEntity,
  eventEntityKey,
  eventId,
  eventVerdict,
  patchRow,
  proofOffset,
  STREAM_LEGACY,
  STREAM_VES,
} from './batch.js';
import * as code from './outcome.js';
import type {
  EntityRef,
  GroupNeeds,
  GroupWrite,
  RowRef,
  Snapshot,
  StreamAdvance,
  StreamRef,
} from './ports.js';
import { type StreamKey, streamKey } from './stream.js';
import { type Slice, type Submission, TENTATIVE_DECIDED, TENTATIVE_WRITTEN } from './submission.js';

/** Microseconds from the Unix epoch to the Postgres epoch (2000-01-01). */
const PG_EPOCH_MICROS = 946_684_800_000_000;

const entityRefKey = (submission: Submission, entityKey: string): string =>
  `${submission.tenant}${submission.store}${entityKey}`;

/** What must be read before `group` can be planned. */
export function collectNeeds(group: readonly Slice[]): GroupNeeds {
  const streams = new Map<StreamKey, StreamRef>();
  const eventIds: [string[], string[]] = [[], []];
  const commands = new Map<StreamKey, string[]>();
  const entities = new Map<string, EntityRef>();
  for (const { submission, from, to } of group) {
    const { batch, kind, tenant, store, stream } = submission;
    if (!streams.has(stream)) streams.set(stream, { key: stream, kind, tenant, store });
    for (let i = from; i < to; i++) {
      const event = submission.firstEvent + i;
      if (eventVerdict(batch, event) === code.REPEATED_EVENT_ID) continue;
      eventIds[kind].push(eventId(batch, event));
      if (eventVerdict(batch, event) !== code.ACCEPTED) continue;
      const command = eventCommand(batch, event);
      if (command !== undefined) {
        const list = commands.get(stream);
        if (list) list.push(command);
        else commands.set(stream, [command]);
      }
      if (eventBaseVersion(batch, event) !== undefined) {
        const entityKey = eventEntityKey(batch, event);
        const key = entityRefKey(submission, entityKey);
        if (!entities.has(key))
          entities.set(key, { key, tenant, store, entityKey, ...eventEntity(batch, event) });
        addTwin(submission);
      }
    }
  }
  return { streams, eventIds, commands, entities };

  /** A version counts the events of both logs, so both are held still while it is checked. */
  function addTwin({ kind, tenant, store }: Submission): void {
    const twin = kind === STREAM_VES ? STREAM_LEGACY : STREAM_VES;
    const key = streamKey(twin, tenant, store);
    if (!streams.has(key)) streams.set(key, { key, kind: twin, tenant, store });
  }
}

/** A plan: outcomes to apply once the write is durable. `write` is undefined when nothing is to be stored. */
export interface GroupPlan {
  readonly write: GroupWrite | undefined;
  /** Applies the outcomes to the submissions. Call it only after the commit (or at once when there is no write). */
  settle(): void;
  /** Marks the events this plan would store: the write's outcome got lost. */
  markTentative(): void;
}

interface Acceptance {
  readonly slice: Slice;
  readonly index: number;
  readonly sequence: number;
}

interface StreamProgress {
  readonly ref: StreamRef;
  readonly first: number;
  head: number;
  readonly frontier: Frontier | undefined;
  /** What the group adds to the log, kept where an answer needs it. */
  readonly recorded: { readonly frontier: Uint8Array; readonly nodes: HashList } | undefined;
}

/** Makes the planner; `keyVersion` is the version of the key that will sign the receipts of newly accepted events. */
export function createPlanner(sha256: Sha256Into, identity: { readonly keyVersion: () => number }) {
  const hashNode = createNodeHasher(sha256, Buffer.allocUnsafeSlow(65));
  // 0x00 ‖ the 147-byte VES leaf preimage: "VES_LEAF_V1" ‖ tenant ‖ store ‖ u64 sequence ‖ signing hash ‖ signature.
  const leaf = Buffer.allocUnsafeSlow(148);
  leaf[0] = 0;
  leaf.write('VES_LEAF_V1', 1, 'latin1');
  const leafHash = Buffer.allocUnsafeSlow(32);

  function extendLog(
    progress: StreamProgress,
    submission: Submission,
    event: number,
    sequence: number,
  ): void {
    if (!progress.frontier) return;
    const { batch } = submission;
    leaf.writeUInt32BE(Math.floor(sequence / 0x1_0000_0000), 44);
    leaf.writeUInt32BE(sequence >>> 0, 48);
    const proof = proofOffset(batch, event);
    batch.bytes.copy(leaf, 52, proof, proof + 96);
    sha256(leaf, leafHash, 0);
    appendLeaf(progress.frontier, leafHash, 0, hashNode, progress.recorded?.nodes);
  }

  return function planGroup(group: readonly Slice[], snapshot: Snapshot, nowMicros: number): GroupPlan {
    const progress = new Map<StreamKey, StreamProgress>();
    const acceptedIds = new Map<string, Acceptance>();
    const acceptedCommands = new Set<string>();
    const versions = new Map<string, number>();
    const checkedEntities = new Map<string, EntityRef>();
    const rows: [RowRef[], RowRef[]] = [[], []];
    const accepted: Acceptance[] = [];
    /** Deferred outcome writes: slice, index, code, sequence, micros, key version. */
    const decided: {
      slice: Slice;
      index: number;
      code: number;
      sequence: number;
      at: number;
      key: number;
      by?: string;
    }[] = [];
    const keyVersion = identity.keyVersion();
    const pgMicros = nowMicros - PG_EPOCH_MICROS;
    const lostWriteStored = wasLostWriteStored(group, snapshot);
    const treeWanted = new Set<StreamKey>();
    for (const { submission } of group) if (submission.groupReceipts) treeWanted.add(submission.stream);

    for (const slice of group) {
      const { submission } = slice;
      const { batch, kind, stream } = submission;
      let at = progress.get(stream);
      if (!at) {
        const state = snapshot.streams.get(stream);
        if (!state) throw new Error(`the snapshot lacks stream ${stream}`);
        const { tenant, store } = submission;
        at = {
          ref: { key: stream, kind, tenant, store },
          first: state.head + 1,
          head: state.head,
          frontier: state.frontier,
          recorded:
            state.frontier && treeWanted.has(stream)
              ? { frontier: encodeFrontier(state.frontier), nodes: { bytes: new Uint8Array(0), count: 0 } }
              : undefined,
        };
        progress.set(stream, at);
      }
      if (kind === STREAM_VES) {
        leaf.write(submission.tenant, 12, 'hex');
        leaf.write(submission.store, 28, 'hex');
      }
      for (let index = slice.from; index < slice.to; index++) {
        const event = submission.firstEvent + index;
        // Decided before its neighbours that are stored now: decided anew it might be stored after them, out of order.
        if (lostWriteStored && submission.tentative?.[index] === TENTATIVE_DECIDED) continue;
        const verdict = eventVerdict(batch, event);
        if (verdict === code.REPEATED_EVENT_ID) {
          decided.push({ slice, index, code: verdict, sequence: 0, at: 0, key: 0 });
          continue;
        }
        const id = eventId(batch, event);
        const stored = snapshot.events
          .get(`${kind}${id}`)
          ?.find((known) => known.tenant === submission.tenant);
        if (stored) {
          const mine = stored.stream === stream && stored.digest === eventDigest(batch, event);
          const tentative = submission.tentative?.[index] === TENTATIVE_WRITTEN;
          let outcome = code.EVENT_ID_TAKEN;
          // L2: the same envelope again gets the first receipt; a lost commit that did happen is simply an acceptance.
          if (mine && tentative) outcome = code.ACCEPTED;
          else if (kind === STREAM_VES && mine) outcome = code.REPLAYED;
          else if (kind === STREAM_VES && stored.stream === stream) outcome = code.EVENT_ID_DIFFERS;
          decided.push({
            slice,
            index,
            code: outcome,
            sequence: stored.sequence,
            at: stored.sequencedAtMicros,
            key: stored.keyVersion,
            by: stored.sequencer,
          });
          continue;
        }
        const idKey = `${kind}${submission.tenant}${id}`;
        const earlier = acceptedIds.get(idKey);
        if (earlier) {
          const other = earlier.slice.submission;
          const same =
            other.stream === stream &&
            eventDigest(other.batch, other.firstEvent + earlier.index) === eventDigest(batch, event);
          let outcome = code.EVENT_ID_TAKEN;
          if (kind === STREAM_VES && same) outcome = code.REPLAYED;
          else if (kind === STREAM_VES && other.stream === stream) outcome = code.EVENT_ID_DIFFERS;
          decided.push({
            slice,
            index,
            code: outcome,
            sequence: earlier.sequence,
            at: nowMicros,
            key: keyVersion,
          });
          continue;
        }
        if (verdict !== code.ACCEPTED) {
          decided.push({ slice, index, code: verdict, sequence: 0, at: 0, key: 0 });
          continue;
        }
        const command = eventCommand(batch, event);
        const commandKey = command === undefined ? undefined : stream + command;
        if (
          commandKey !== undefined &&
          (snapshot.commands.has(commandKey) || acceptedCommands.has(commandKey))
        ) {
          decided.push({ slice, index, code: code.COMMAND_ID_TAKEN, sequence: 0, at: 0, key: 0 });
          continue;
        }
        const base = eventBaseVersion(batch, event);
        if (base !== undefined || snapshot.versions.size > 0 || checkedEntities.size > 0) {
          const key = entityRefKey(submission, eventEntityKey(batch, event));
          const actual = versions.get(key) ?? snapshot.versions.get(key);
          if (base !== undefined) {
            if (base !== (actual ?? 0)) {
              decided.push({
                slice,
                index,
                code: code.VERSION_CONFLICT,
                sequence: actual ?? 0,
                at: base,
                key: 0,
              });
              continue;
            }
            if (!checkedEntities.has(key)) {
              const { tenant, store } = submission;
              const entityKey = eventEntityKey(batch, event);
              checkedEntities.set(key, { key, tenant, store, entityKey, ...eventEntity(batch, event) });
            }
          }
          if (actual !== undefined || base !== undefined) versions.set(key, (actual ?? 0) + 1);
        }
        const sequence = ++at.head; // L1: numbers are given out here and nowhere else, under the stream's row lock
        patchRow(batch, event, sequence, pgMicros);
        extendLog(at, submission, event, sequence);
        rows[kind].push({ batch, event, stream: at.ref });
        const acceptance = { slice, index, sequence };
        accepted.push(acceptance);
        acceptedIds.set(idKey, acceptance);
        if (commandKey !== undefined) acceptedCommands.add(commandKey);
      }
    }

    const streams: StreamAdvance[] = [];
    for (const { ref, first, head, frontier } of progress.values()) {
      if (head >= first) streams.push({ stream: ref, first, last: head, frontier });
    }
    const write: GroupWrite | undefined =
      accepted.length === 0
        ? undefined
        : {
            rows,
            streams,
            versions: [...checkedEntities.values()].map((entity) => ({
              entity,
              version: versions.get(entity.key)!,
            })),
            sequencedAtMicros: nowMicros,
            keyVersion,
          };

    /** Every request gets to know the groups it has events in. */
    function recordTrees(): void {
      const trees = new Map<StreamKey, GroupTree>();
      for (const [key, { first, head, recorded }] of progress) {
        if (!recorded || head < first) continue;
        const nodes = recorded.nodes.bytes.subarray(0, recorded.nodes.count * 32);
        trees.set(key, { before: first - 1, after: head, frontier: recorded.frontier, nodes });
      }
      for (const { submission } of group) {
        const tree = submission.groupReceipts ? trees.get(submission.stream) : undefined;
        if (tree === undefined) continue;
        submission.outcome.trees ??= [];
        if (!submission.outcome.trees.includes(tree)) submission.outcome.trees.push(tree);
      }
    }

    function recordAccepted(): void {
      for (const { slice, index, sequence } of accepted) {
        code.setOutcome(slice.submission.outcome, index, code.ACCEPTED, sequence, nowMicros, keyVersion);
      }
    }

    function recordDecided(): void {
      for (const { slice, index, code: outcome, sequence, at, key, by } of decided) {
        const target = slice.submission.outcome;
        code.setOutcome(target, index, outcome, sequence, at, key);
        if (by !== undefined) {
          target.sequencers ??= new Map();
          target.sequencers.set(index, by);
        }
      }
    }

    return {
      write,
      settle() {
        recordAccepted();
        recordDecided();
        recordTrees();
        for (const { submission, from, to } of group) {
          submission.undecided -= to - from;
          submission.outcome.head = progress.get(submission.stream)!.head;
        }
      },
      markTentative() {
        recordAccepted();
        recordDecided();
        for (const { slice, index } of accepted) mark(slice.submission, index, TENTATIVE_WRITTEN);
        for (const { slice, index, code: outcome } of decided) {
          // Accepted without being in this write: an earlier one had stored it, and that stays so.
          if (outcome !== code.ACCEPTED) mark(slice.submission, index, TENTATIVE_DECIDED);
        }
      },
    };
  };
}

function mark(submission: Submission, index: number, tentative: number): void {
  submission.tentative ??= new Uint8Array(submission.eventCount);
  submission.tentative[index] = tentative;
}

/**
 * Whether the write that got lost did happen. A transaction is stored whole or not at all, so one of its events tells:
 * stored with the number and the instant this write had given it (somebody else may have stored the same envelope since).
 */
function wasLostWriteStored(group: readonly Slice[], snapshot: Snapshot): boolean {
  return group.some(({ submission, from, to }) => {
    const { batch, kind, tenant, stream, firstEvent, tentative, outcome } = submission;
    for (let index = from; tentative && index < to; index++) {
      if (tentative[index] !== TENTATIVE_WRITTEN) continue;
      const known = snapshot.events.get(`${kind}${eventId(batch, firstEvent + index)}`);
      const stored = known?.find((each) => each.tenant === tenant && each.stream === stream);
      const [, sequence, at] = outcome.events.subarray(index * code.EVENT_NUMBERS);
      if (stored && stored.sequence === sequence && stored.sequencedAtMicros === at) return true;
    }
    return false;
  });
}
