/** Rules and dashboard ask for what the service really exports, under the labels it really has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { call, push, registerAgent } from '../support/agents.js';
import { startTestService } from '../support/service.js';
import { parseYaml } from './yaml.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly annotations?: { readonly summary: string; readonly description: string; readonly runbook: string };
}
const rules = (
  parseYaml(read('deploy/prometheus/rules.yaml')) as unknown as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const recorded = new Set(rules.map((rule) => rule.record).filter((name) => name !== undefined));
const panels: { title: string; targets?: { expr: string }[] }[] = JSON.parse(
  read('deploy/grafana/dashboard.json'),
).panels;
const expressions = [
  ...rules.map((rule) => [rule.record ?? rule.alert!, rule.expr] as const),
  ...panels.flatMap((panel) =>
    (panel.targets ?? []).map(({ expr }) => [`panel ${panel.title}`, expr] as const),
  ),
];

/** Series that appear only when something happens which does not happen here, and where they are made. */
const ON_OCCASION: Readonly<Record<string, string>> = {
  sequencer_commitments_anchored: 'cli/operations.ts',
  sequencer_circuit_breaker_state: 'gateway/metrics/operations-stats.ts',
  sequencer_metrics_cardinality_overflow: 'gateway/metrics/families.ts',
};
const LAG_TIMEOUT_MS = 10_000;

describe('metrics', () => {
  const types = new Map<string, string>();
  let exposition = '';

  beforeAll(async () => {
    const service = await startTestService();
    const agent = await registerAgent(service);
    await push(service, agent, [agent.event(), agent.event()]);
    await call(service, 'GET', '/no-such-path');
    const range = { tenant_id: agent.tenantId, store_id: agent.storeId, sequence_start: 1, sequence_end: 2 };
    await call(service, 'POST', '/api/v1/ves/commitments', { body: range });
    // The first look starts the measurement of consumers' lag, a later one shows it.
    for (const end = performance.now() + LAG_TIMEOUT_MS; performance.now() < end; await sleep(50)) {
      exposition = (await call(service, 'GET', '/metrics')).text;
      if (exposition.includes('sequencer_consumer_group_lag_max')) break;
    }
    for (const [, name, type] of exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)) types.set(name!, type!);
    await service.stop();
  });

  const isExported = (name: string): boolean => {
    if (types.has(name)) return !['histogram', 'summary'].includes(types.get(name)!);
    const base = name.replace(/_(bucket|sum|count)$/, '');
    return base !== name && ['histogram', 'summary'].includes(types.get(base) ?? '');
  };

  it.each(expressions)('of %s exist', (_, expr) => {
    const used = expr.match(/\bsequencer[_:][a-z0-9_:]+/g) ?? [];
    for (const name of used) {
      if (name.includes(':')) expect(recorded).toContain(name);
      else if (Object.hasOwn(ON_OCCASION, name))
        expect(read(ON_OCCASION[name]!)).toContain(`${name.replace('sequencer_', '')}'`);
      else expect(isExported(name), name).toBe(true);
    }
    const brackets = (open: string, close: string) => expr.split(open).length === expr.split(close).length;
    expect(brackets('(', ')') && brackets('{', '}') && brackets('[', ']'), expr).toBe(true);
  });

  it('have the labels that are asked for', () => {
    for (const [where, expr] of expressions)
      for (const [, name, matchers] of expr.matchAll(/\b(sequencer_[a-z0-9_]+)\{([^}]*)\}/g))
        for (const [, label] of matchers!.matchAll(/([a-z_]+)(?:=~|=|!=|!~)"/g)) {
          if (label === 'job' || label === 'instance') continue; // Prometheus adds these
          expect(exposition, `${where}: ${name}`).toMatch(new RegExp(`^${name}\\{[^}]*\\b${label}="`, 'm'));
        }
  });

  it('have buckets at the thresholds that rules count up to', () => {
    for (const { expr } of rules)
      for (const [, name, le] of expr.matchAll(/\b(sequencer_[a-z0-9_]+_bucket)\{le="([^"]+)"\}/g))
        expect(exposition).toMatch(new RegExp(`^${name}\\{le="${le}"`, 'm'));
  });
});

describe('every alert', () => {
  const runbook = read('docs/runbook.md');
  const alerts = rules.filter((rule) => rule.alert !== undefined);

  it.each(alerts.map((rule) => [rule.alert!, rule] as const))(
    '%s has a section in the runbook',
    (name, rule) => {
      expect(rule.annotations!.summary.length).toBeGreaterThan(10);
      expect(rule.annotations!.runbook).toBe(`docs/runbook.md#${name.toLowerCase()}`);
      expect(runbook).toContain(`\n### ${name}\n`);
    },
  );

  it('of the runbook exists', () => {
    const sections = [...runbook.matchAll(/^### (Sequencer\w+)$/gm)].map(([, name]) => name);
    expect(sections.sort()).toEqual(alerts.map((rule) => rule.alert).sort());
  });
});
