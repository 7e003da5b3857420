import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createFamilies, SERIES_MAX } from '../../gateway/metrics/families.js';

test('a metric has at most 1000 label sets; the rest is counted together', async () => {
  const registry = new Registry();
  const families = createFamilies(registry);
  const count = families.counter('things', 'Things', ['name']);
  const time = families.histogram('times', 'Times', ['name'], [1]);
  expect(await registry.metrics()).not.toContain('cardinality_overflow');
  for (let i = 0; i < SERIES_MAX + 50; i++) count({ name: `n${i}` });
  count({ name: 'n7' }, 2);
  time({ name: 'a' }, 0.5);
  const lines = (await registry.metrics()).split('\n');
  expect(lines.filter((line) => line.startsWith('sequencer_things{'))).toHaveLength(SERIES_MAX + 1);
  expect(lines).toContain('sequencer_things{name="n7"} 3');
  expect(lines).toContain('sequencer_things{__overflow__="true"} 50');
  expect(lines).toContain('sequencer_metrics_cardinality_overflow 50');
  expect(lines).toContain('sequencer_times_bucket{le="1",name="a"} 1');
});
