import { emptyFrontier } from '../../engine/log/index.js';
import {
  createPlanner,
  createSubmission,
  outcome,
  type PartitionLimits,
  type Snapshot,
  STREAM_VES,
  type StoredEvent,
  type StreamKind,
  type Submission,
  streamKey,
} from '../../engine/sequencer/index.js';
import {
  type JudgedEnvelope,
  packRequests,
  type SimulatedEnvelope,
} from '../../engine/simulation/envelope.js';
import { sha256, sha256Into } from '../../engine/simulation/sha256.js';

/** A made-up id: 32 hex digits that depend on the name only. */
export const id = (name: string | number): string => sha256(Buffer.from(`id ${name}`)).toString('hex', 0, 16);

export const TENANT = id('tenant');
export const STORE = id('store');
export const KEY_VERSION = 3;
export const NOW_MICROS = 1_790_000_000_123_456;

export const envelope = (
  name: string | number,
  changes: Partial<SimulatedEnvelope> = {},
): SimulatedEnvelope => ({
  kind: STREAM_VES,
  tenant: TENANT,
  store: STORE,
  id: id(name),
  entityType: 'order',
  entityId: `${name}`,
  content: `content of ${name}`,
  ...changes,
});

export const judged = (event: SimulatedEnvelope | JudgedEnvelope): JudgedEnvelope =>
  'envelope' in event ? event : { envelope: event, verdict: 0 };

/** A request of one stream as the partition takes it. */
export const submission = (
  events: readonly (SimulatedEnvelope | JudgedEnvelope)[],
  {
    deadlineMs = Number.POSITIVE_INFINITY,
    kind = STREAM_VES as StreamKind,
    tenant = TENANT,
    store = STORE,
  } = {},
): Submission => {
  const all = events.map(judged);
  const first = all[0]?.envelope ?? { kind, tenant, store };
  const batch = packRequests([
    { kind: first.kind, tenant: first.tenant, store: first.store, events: all, deadlineMs },
  ]);
  return createSubmission(batch, 0);
};

export const planGroup = createPlanner(sha256Into, { keyVersion: () => KEY_VERSION });

/** A database's answer in which every stream of the submissions stands at `head`. */
export const snapshot = (
  submissions: readonly Submission[],
  known: {
    head?: number;
    events?: readonly [string, StoredEvent][];
    commands?: readonly string[];
    versions?: readonly [string, number][];
  } = {},
): Snapshot => {
  const streams = new Map(
    submissions.map(({ stream, kind }) => {
      const frontier = kind === STREAM_VES ? emptyFrontier() : undefined;
      if (frontier) frontier.size = known.head ?? 0;
      return [stream, { head: known.head ?? 0, frontier }];
    }),
  );
  const events = new Map<string, StoredEvent[]>();
  for (const [key, stored] of known.events ?? []) events.set(key, [...(events.get(key) ?? []), stored]);
  return { streams, events, commands: new Set(known.commands), versions: new Map(known.versions) };
};

export const vesStream = streamKey(STREAM_VES, TENANT, STORE);

/** An outcome as readable rows. */
export const outcomes = ({ outcome: { events } }: Submission) =>
  Array.from({ length: events.length / outcome.EVENT_NUMBERS }, (_, i) => {
    const [code, sequence, at, key] = events.subarray(
      i * outcome.EVENT_NUMBERS,
      (i + 1) * outcome.EVENT_NUMBERS,
    );
    return { code, sequence, at, key };
  });
export const codes = (of: Submission) => outcomes(of).map(({ code }) => code);
export const sequences = (of: Submission) => outcomes(of).map(({ sequence }) => sequence);

export const LIMITS: PartitionLimits = {
  groupEventsMax: 8,
  groupBytesMax: 1_000_000,
  queueEventsMax: 16,
  queueBytesMax: 2_000_000,
  pauseMsMin: 10,
  pauseMsMax: 80,
};
