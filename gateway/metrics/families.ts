import { Counter, Histogram, type Registry } from 'prom-client';

/** Label sets of one metric; what comes beyond them is counted under {@link OVERFLOW_LABEL}. */
export const SERIES_MAX = 1000;
export const OVERFLOW_LABEL = '__overflow__';

export type Labels = Readonly<Record<string, string>>;

/** Metrics with labels that cannot grow without limit, whatever their labels are taken from (L8). */
export interface Families {
  counter(name: string, help: string, labelNames: readonly string[]): (labels: Labels, by?: number) => void;
  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    buckets: readonly number[],
  ): (labels: Labels, value: number) => void;
}

/** Names are given without the prefix `sequencer_`. */
export function createFamilies(registry: Registry): Families {
  const registers = [registry];
  let overflow: Counter | undefined;

  const countOverflow = () => {
    overflow ??= new Counter({
      name: 'sequencer_metrics_cardinality_overflow',
      help: 'Observations whose labels were one set too many',
      registers,
    });
    overflow.inc();
  };

  /** The series of a label set; made when it is seen first. */
  function series<Child>(labelNames: readonly string[], childOf: (labels: Labels) => Child) {
    const children = new Map<string, Child>();
    let rest: Child | undefined;
    return (labels: Labels): Child => {
      let key = '';
      for (const name of labelNames) key += `${labels[name]}\n`;
      let child = children.get(key);
      if (child !== undefined) return child;
      if (children.size >= SERIES_MAX) {
        countOverflow();
        rest ??= childOf({ [OVERFLOW_LABEL]: 'true' });
        return rest;
      }
      child = childOf(labels);
      children.set(key, child);
      return child;
    };
  }

  return {
    counter(name, help, labelNames) {
      const metric = new Counter({
        name: `sequencer_${name}`,
        help,
        labelNames: [...labelNames, OVERFLOW_LABEL],
        registers,
      });
      const of = series(labelNames, (labels) => metric.labels(labels));
      return (labels, by = 1) => of(labels).inc(by);
    },
    histogram(name, help, labelNames, buckets) {
      const metric = new Histogram({
        name: `sequencer_${name}`,
        help,
        labelNames: [...labelNames, OVERFLOW_LABEL],
        buckets: [...buckets],
        registers,
      });
      const of = series(labelNames, (labels) => metric.labels(labels));
      return (labels, value) => of(labels).observe(value);
    },
  };
}
