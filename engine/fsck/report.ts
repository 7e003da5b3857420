import type { Finding, StreamId } from './finding.js';
import type { StreamKind } from './streams.js';

/** What a check found. */
export interface FsckReport {
  /** Whether everything was looked at: false after an interruption. */
  readonly complete: boolean;
  /** The first wrong rows, stream by stream, in the order of the events they are about. */
  readonly findings: readonly Finding[];
  /** Wrong rows in all. */
  readonly total: number;
  /** The first wrong row of each stream that has any. */
  readonly firstOfStreams: readonly Finding[];
  /** Roots, tiles and frontiers that are wrong only because an event is. */
  readonly consequences: number;
  /** What was looked at: rows by table, and other things by name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Whether signatures were verified. */
  readonly signatures: boolean;
}

/** Findings that are kept for sorting; of further ones only the number is known. */
const KEPT_MAX = 10_000;

/** Gathers the findings of the whole check. */
export interface Collector {
  add(finding: Finding): void;
  /** Counts findings whose text is not known. */
  addUntold(count: number): void;
  /** Sorted; `max` of them. */
  finish(max: number): Pick<FsckReport, 'findings' | 'total' | 'firstOfStreams'>;
  readonly total: number;
}

export function createCollector(): Collector {
  const kept = new Map<string, Finding>();
  /** Streams in the order in which they came up. */
  const streams = new Map<string, number>();
  let total = 0;

  function keep(finding: Finding): void {
    const name = `${finding.table} ${streamName(finding)} ${finding.row}`;
    const known = kept.get(name);
    if (known !== undefined) {
      kept.set(name, merge(known, finding));
      return;
    }
    total++;
    if (kept.size < KEPT_MAX) kept.set(name, finding);
    if (!streams.has(streamName(finding))) streams.set(streamName(finding), streams.size);
  }

  return {
    add: keep,
    addUntold(count) {
      total += count;
    },
    get total() {
      return total;
    },
    finish(max) {
      const order = (finding: Finding) => streams.get(streamName(finding))!;
      const sorted = [...kept.values()].sort((a, b) => order(a) - order(b) || a.position - b.position);
      const firsts = sorted.filter((each, i) => i === 0 || order(sorted[i - 1]!) !== order(each));
      return { findings: sorted.slice(0, max), total, firstOfStreams: firsts };
    },
  };
}

/** One row may fail checks of the worker and of the coordinator; the check value never says most. */
function merge(a: Finding, b: Finding): Finding {
  const [first, second] = a.check === 'row-check' ? [b, a] : [a, b];
  const also = new Set([...first.also, second.check, ...second.also]);
  also.delete(first.check);
  return { ...first, position: Math.min(a.position, b.position), also: [...also] };
}

const LEGACY_TABLES = new Set(['events', 'sequence_counters', 'commitments']);
/** Tables about entities, which have events in both streams of their store. */
const STORE_TABLES = new Set(['entity_versions', 'commitment_entity_heads', 'commitment_entity_versions']);

/** Which of a store's streams a finding is about, `store` for both; null for rows of the whole database. */
export function streamOf({
  table,
  stream,
}: Finding): (StreamId & { readonly kind: StreamKind | 'store' }) | null {
  if (stream === null) return null;
  if (STORE_TABLES.has(table)) return { ...stream, kind: 'store' };
  return { ...stream, kind: LEGACY_TABLES.has(table) ? 'legacy' : 'ves' };
}

function streamName(finding: Finding): string {
  const stream = streamOf(finding);
  return stream ? `${stream.kind} ${stream.tenant} ${stream.store}` : finding.table;
}
