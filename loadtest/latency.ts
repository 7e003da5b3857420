/** Latencies as histograms: exact to three digits, small however many there are, and addable. */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

/** Microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

const LATENCY_MAX_US = 600_000_000;

/** Counts microseconds from 1 to ten minutes. */
export interface LatencyRecorder {
  /** Counts a value, `times` times; values outside of the range are counted at its end. */
  record(micros: number, times?: number): void;
  summary(): LatencySummary;
  /** The counts as text, for {@link mergeLatencies}. */
  encode(): string;
}

const create = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_MAX_US,
    numberOfSignificantValueDigits: 3,
  });

export function createLatencyRecorder(): LatencyRecorder {
  const histogram = create();
  return {
    record(micros, times = 1) {
      histogram.recordValueWithCount(Math.min(LATENCY_MAX_US, Math.max(1, Math.round(micros))), times);
    },
    summary: () => summarize(histogram),
    encode: () => encodeIntoCompressedBase64(histogram),
  };
}

/** The summary of what several recorders counted. */
export function mergeLatencies(encoded: readonly string[]): LatencySummary {
  const sum = create();
  for (const text of encoded) sum.add(decodeFromCompressedBase64(text) as Histogram);
  return summarize(sum);
}

function summarize(histogram: Histogram): LatencySummary {
  const at = (percent: number) => histogram.getValueAtPercentile(percent);
  return {
    count: histogram.totalCount,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue,
    mean: histogram.mean,
  };
}
