import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../engine/config/index.js';
import { EnvironmentSchema } from '../../engine/config/schema.js';
import { parseYaml, type Yaml } from './yaml.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const CHART = 'deploy/helm/stateset-sequencer';
const settings = new Set(Object.keys(EnvironmentSchema.shape));

const filesBelow = (path: string): string[] =>
  readdirSync(join(ROOT, path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
const templates = filesBelow(`${CHART}/templates`);
// biome-ignore lint/suspicious/noExplicitAny: looked into by tests that know the files
const yaml = (path: string): any => parseYaml(read(path));

const SECRETS = {
  DATABASE_URL: 'postgres://sequencer:secret@db.example/sequencer?sslmode=verify-full',
  BOOTSTRAP_ADMIN_API_KEY: 'k'.repeat(40),
  VES_SEQUENCER_SIGNING_KEY: 'ab'.repeat(32),
  VES_SEQUENCER_ID: '64527dd3-a654-4410-9327-e58a1492ce77',
};

describe('every file of deploy/', () => {
  const plain = filesBelow('deploy').filter((file) => !file.includes('/templates/'));
  it.each(plain.filter((file) => file.endsWith('.yaml')))('%s is YAML', (file) => {
    expect(yaml(file)).toBeTypeOf('object');
  });
  it.each(plain.filter((file) => file.endsWith('.json')))('%s is JSON', (file) => {
    expect(JSON.parse(read(file))).toBeTypeOf('object');
  });
});

describe('the chart', () => {
  const values = yaml(`${CHART}/values.yaml`);
  const schema = JSON.parse(read(`${CHART}/values.schema.json`));

  it.each(templates)('%s has balanced actions and blocks', (file) => {
    const text = read(file);
    expect(text.match(/\{\{/g)?.length ?? 0).toBe(text.match(/\}\}/g)?.length ?? 0);
    const actions = [...text.matchAll(/\{\{-?\s*([a-z]+)?/g)].map(([, word]) => word);
    const opened = actions.filter((word) => ['if', 'range', 'with', 'define'].includes(word ?? '')).length;
    expect(actions.filter((word) => word === 'end').length).toBe(opened);
  });

  it.each(templates)('%s uses values that values.yaml has', (file) => {
    for (const [, path] of read(file).matchAll(/\.Values\.([A-Za-z0-9_.]+)/g)) {
      const keys = path!.split('.');
      const parent = keys.slice(0, -1).reduce((at, key) => at?.[key], values);
      // Settings are looked up by name: one that is not among the defaults is given by whoever installs.
      if (keys[0] === 'config' && settings.has(keys[1]!)) continue;
      expect(parent, `.Values.${path}`).toHaveProperty([keys.at(-1)!]);
    }
  });

  it('includes only what it defines', () => {
    const all = templates.map(read).join('\n');
    const defined = new Set([...all.matchAll(/define "([^"]+)"/g)].map(([, name]) => name));
    for (const [, name] of all.matchAll(/include "([^"]+)"/g)) expect(defined).toContain(name);
  });

  it('names settings of the service and nothing else', () => {
    const inTemplates = templates.flatMap((file) =>
      [...read(file).matchAll(/- name: ([A-Z][A-Z0-9_]+)$/gm)].map(([, name]) => name!),
    );
    const named = [...inTemplates, ...Object.keys(values.config), ...Object.keys(values.secret)];
    expect(named.filter((name) => !settings.has(name))).toEqual([]);
  });

  it('has defaults that the service accepts, in production', () => {
    expect(loadConfig({ ...values.config, ...SECRETS, SHUTDOWN_TIMEOUT_SECS: '20' }).production).toBe(true);
  });

  it('has a schema for exactly the values there are', () => {
    const compare = (at: Yaml, node: { properties?: Record<string, never> }, path: string): void => {
      if (node?.properties === undefined || at === null || typeof at !== 'object') return;
      const known = Object.keys(node.properties).filter((key) => key !== 'global');
      expect(Object.keys(at).sort(), path).toEqual(known.sort());
      for (const [key, value] of Object.entries(at)) compare(value, node.properties[key]!, `${path}.${key}`);
    };
    compare(values, schema, 'values');
  });

  it('leaves more time to end than the service takes', () => {
    expect(read(`${CHART}/templates/deployment.yaml`)).toContain(
      'terminationGracePeriodSeconds: {{ add .Values.preStopSecs .Values.shutdownTimeoutSecs 5 }}',
    );
  });

  it('has the version of the package', () => {
    expect(yaml(`${CHART}/Chart.yaml`).appVersion).toBe(JSON.parse(read('package.json')).version);
  });
});

describe('compose', () => {
  const { services, networks, volumes } = yaml('deploy/compose/compose.yaml');
  const variables = new Map(
    read('deploy/compose/env.example')
      .split('\n')
      .filter((line) => /^[A-Z]/.test(line))
      .map((line) => line.split('=') as [string, string]),
  );

  it('gives the service settings it knows and accepts', () => {
    const given = { ...services.sequencer.environment } as Record<string, string>;
    expect(Object.keys(given).filter((name) => !settings.has(name))).toEqual([]);
    const env = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [
        name,
        name === 'DATABASE_URL'
          ? value.replace(/\$\{POSTGRES_PASSWORD\}/, 'x'.repeat(32))
          : value.startsWith('$')
            ? (SECRETS[name as keyof typeof SECRETS] ?? 'localhost/log')
            : value,
      ]),
    );
    const config = loadConfig(env);
    expect(config.production).toBe(true);
    expect(Number.parseInt(services.sequencer.stop_grace_period, 10) * 1000).toBeGreaterThan(
      config.shutdownTimeoutMs,
    );
  });

  it('asks for no variable that env.example does not list', () => {
    const asked = [...read('deploy/compose/compose.yaml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name);
    expect(asked.filter((name) => !variables.has(name!))).toEqual([]);
  });

  it('mounts files, networks and volumes that exist', () => {
    for (const service of Object.values(services) as { volumes?: string[]; networks?: string[] }[]) {
      for (const network of service.networks ?? []) expect(networks).toHaveProperty([network]);
      for (const mount of service.volumes ?? []) {
        const source = mount.split(':')[0]!;
        if (source.startsWith('.')) expect(read(join('deploy/compose', source))).not.toBe('');
        else expect(volumes).toHaveProperty([source]);
      }
    }
  });

  it('keeps commits durable', () => {
    const command = (services.postgres.command as string[]).join(' ');
    expect(command).not.toMatch(/(fsync|synchronous_commit|full_page_writes)=off/);
  });
});

describe('the image', () => {
  const dockerfile = read('deploy/docker/Dockerfile');
  const kept = read('deploy/docker/Dockerfile.dockerignore');

  it('copies only what the ignore file lets through', () => {
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list]) =>
      list!.split(' '),
    );
    expect(sources.length).toBeGreaterThan(10);
    for (const source of sources) expect(kept.split('\n')).toContain(`!${source}`);
  });

  it('is built of every room that the compiler reads', () => {
    const rooms: string[] = JSON.parse(read('tsconfig.build.json')).include;
    // The long comparison of signature checks is compiled as well, for developers; an image has no use for it.
    for (const room of rooms.filter((name) => !name.startsWith('test/')))
      expect(dockerfile).toContain(`COPY ${room} ${room}`);
  });

  it('runs as an ordinary user, with settings that exist', () => {
    expect(dockerfile).toMatch(/^USER 10001:10001$/m);
    const [, env] = /^ENV (.*)$/m.exec(dockerfile)!;
    const names = env!.split(' ').map((pair) => pair.split('=')[0]!);
    expect(names.filter((name) => !settings.has(name))).toEqual(['NODE_ENV']);
  });
});

it('the systemd unit waits longer than the service takes to end, and names settings that exist', () => {
  const unit = read('deploy/systemd/stateset-sequencer.service');
  const stopSecs = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1]);
  expect(stopSecs * 1000).toBeGreaterThan(loadConfig({}).shutdownTimeoutMs + 15_000);
  const names = [.../^Environment=(.*)$/m.exec(unit)![1]!.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name!);
  expect(names.filter((name) => !settings.has(name))).toEqual(['NODE_ENV']);
});
