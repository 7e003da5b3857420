import { Counter, Gauge, type Registry } from 'prom-client';
import { type Labels, SERIES_MAX } from './families.js';

/** A number that somebody else keeps and that is asked for when `/metrics` is; the name gets the prefix `sequencer_`. */
export interface GatewayStat {
  readonly name: string;
  readonly help: string;
  readonly value: number;
  /** Unset: a gauge. */
  readonly type?: 'gauge' | 'counter';
  /** The same names for all stats of one name. */
  readonly labels?: Labels;
}

/** Writes such numbers into a registry; each call says all of them. */
export function createStatWriter(registry: Registry): (stats: readonly GatewayStat[]) => void {
  const metrics = new Map<string, { metric: Gauge | Counter; series: number }>();

  function metricOf({ name, help, type, labels = {} }: GatewayStat) {
    let found = metrics.get(name);
    if (found === undefined) {
      const options = {
        name: `sequencer_${name}`,
        help,
        labelNames: Object.keys(labels),
        registers: [registry],
      };
      found = { metric: type === 'counter' ? new Counter(options) : new Gauge(options), series: 0 };
      metrics.set(name, found);
    }
    return found;
  }

  return (stats) => {
    for (const each of metrics.values()) {
      each.metric.reset();
      each.series = 0;
    }
    for (const stat of stats) {
      const found = metricOf(stat);
      if (++found.series > SERIES_MAX) continue;
      found.metric.inc(stat.labels ?? {}, stat.value);
    }
  };
}
