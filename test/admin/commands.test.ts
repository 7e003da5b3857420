import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAdminProgram, leafCommands } from '../../cli/admin/program.js';
import { portableSha256, publicKeyFromSeed } from '../../engine/protocol/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestService } from '../support/service.js';
import { ADMIN, admin } from './support.js';

const TENANT = '11111111-1111-4111-8111-111111111111';
const AGENT = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc';
const agent = ['--tenant-id', TENANT, '--agent-id', AGENT];
const key = (n: number) => Buffer.from(publicKeyFromSeed(new Uint8Array(32).fill(n))).toString('hex');
const doc = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8');
const paths = leafCommands(createAdminProgram('x', '0')).map(([path]) => path);

let database: TestDatabase;
const on = (...args: string[]) => admin([...args, '--json'], { database: database.target });
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
});
afterAll(() => database.drop());

test('docs/admin.md lists every command, and no other', () => {
  const section = doc.slice(doc.indexOf('\n## Commands\n'), doc.indexOf('\n## The audit log\n'));
  const listed = [...section.matchAll(/^\| `([a-z][a-z -]+)` \|/gm)].map(([, name]) => name!);
  expect(listed.sort()).toEqual([...paths].sort());
});

test('every command takes --help, and a mistyped one is answered with a suggestion and code 2', async () => {
  for (const [path, command] of leafCommands(createAdminProgram('x', '0')))
    expect(command.helpInformation(), path).toContain(command.name());
  const typo = await admin(['migrat']);
  expect(typo).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean migrate?') });
  expect((await admin(['verify-proof'])).code).toBe(2);
  for (const flag of ['version', '-v'])
    expect((await admin([flag])).out.trim(), flag).toMatch(/^\d+\.\d+\.\d+/);
  expect((await admin(['help', 'rotate-keys'])).out).toContain('--revoke-old');
}, 60_000);

test('a database without schema is brought up to date once', async () => {
  const fresh = await createTestDatabase();
  const run = (...args: string[]) => admin([...args, '--json'], { database: fresh.target });
  expect(await run('list-agent-keys', '--tenant-id', TENANT)).toMatchObject({
    code: 2,
    json: { ok: false, error: { code: 'MIGRATION_FAILED' } },
  });
  expect((await run('migrate')).json.applied).toContain('007_audit');
  expect((await run('migrate')).json.applied).toEqual([]);
  await fresh.drop();
});

test('signing keys are registered, rotated, revoked and listed', async () => {
  expect(
    (await on('register-agent-key', ...agent, '--key-id', '1', '--public-key', key(1))).json.registered,
  ).toBe(true);
  expect(
    (await on('register-agent-key', ...agent, '--key-id', '1', '--public-key', key(1))).json.registered,
  ).toBe(false);
  expect(
    (await on('register-agent-key', ...agent, '--key-id', '1', '--public-key', key(2))).json.error.code,
  ).toBe('ALREADY_EXISTS');
  const rotate = ['rotate-keys', ...agent, '--new-key-id', '2', '--public-key', key(2), '--revoke-old'];
  expect((await on(...rotate)).err).toContain('--yes');
  expect((await on(...rotate, '--yes')).json).toMatchObject({ registered: true, revoked_key_ids: [1] });
  expect((await on('revoke-agent-key', ...agent, '--key-id', '2', '--yes')).code).toBe(0);
  expect((await on('revoke-agent-key', ...agent, '--key-id', '9', '--yes')).json.error.code).toBe(
    'AGENT_KEY_NOT_FOUND',
  );
  const { json } = await on('list-agent-keys', '--tenant-id', TENANT);
  expect(json.keys).toMatchObject([
    { agent_id: AGENT, key_id: 1, status: 'revoked', public_key: key(1) },
    { agent_id: AGENT, key_id: 2, status: 'revoked' },
  ]);
}, 60_000);

test('API keys are created, rotated, revoked and listed', async () => {
  const created = (await on('api-keys', 'create', ...agent, '--permissions', 'read')).json;
  expect(created.api_key).toMatch(/^ss_11111111/);
  const rotated = (
    await on('api-keys', 'rotate', '--tenant-id', TENANT, '--prefix', created.key_hash_prefix, '--yes')
  ).json;
  expect(rotated).toMatchObject({ replaced_key_hash_prefix: created.key_hash_prefix });
  expect(rotated.api_key).not.toBe(created.api_key);
  const revoke = ['api-keys', 'revoke', '--tenant-id', TENANT, '--prefix', rotated.key_hash_prefix, '--yes'];
  expect((await on(...revoke)).json.revoked).toBe(true);
  expect((await on(...revoke)).json.revoked).toBe(false);
  const { json } = await on('api-keys', 'list', '--tenant-id', TENANT);
  expect(json.keys).toMatchObject([
    { key_hash_prefix: created.key_hash_prefix, permissions: 'read', active: false, agent_id: AGENT },
    { key_hash_prefix: rotated.key_hash_prefix, permissions: 'read', active: false },
  ]);
  expect((await on('agents', 'list')).json.agents).toMatchObject([
    { agent_id: AGENT, api_keys: 2, active_api_keys: 0 },
  ]);
  expect((await on('agents', 'show', ...agent)).json.api_keys).toHaveLength(2);
}, 60_000);

test('what was done at the command line is in the audit log, under the name of the user', async () => {
  const { json } = await on('audit', 'list', '--limit', '100');
  const actions = json.records.map((each: { action: string; success: boolean }) => each.action);
  expect(actions.reverse()).toEqual([
    'agent_key_registered',
    'agent_key_rotated',
    'agent_key_revoked',
    'api_key_created',
    'api_key_created',
    'api_key_revoked',
    'api_key_revoked',
  ]);
  expect(json.records[0]).toMatchObject({ actor_type: 'operator', actor: expect.stringContaining('@') });
  const path = join(mkdtempSync(join(tmpdir(), 'audit-')), 'audit.ndjson');
  expect((await on('audit', 'export', '--output', path)).json.records).toBe(7);
  const verified = (await on('audit', 'verify')).json;
  expect((await on('audit', 'verify', '--file', path)).json).toEqual(
    verified.faults ? { ok: true, records: 7, head: verified.head } : {},
  );
  expect((await on('audit', 'verify', '--expect-head', verified.head)).code).toBe(0);
  expect((await on('audit', 'verify', '--expect-head', '00'.repeat(32))).code).toBe(1);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"operator"', '"system"'));
  expect(await on('audit', 'verify', '--file', path)).toMatchObject({
    code: 1,
    json: { ok: false, fault: { line: 1 } },
  });
}, 60_000);

test('proofs of all three kinds of trees are told apart', async () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const [a, b] = [1, 2].map((n) => portableSha256(Uint8Array.of(n)));
  const roots = {
    legacy: hex(portableSha256(Buffer.concat([a!, b!]))),
    ves: hex(portableSha256(Buffer.concat([Buffer.from('VES_NODE_V1'), a!, b!]))),
    rfc9162: hex(portableSha256(Buffer.concat([Uint8Array.of(1), a!, b!]))),
  };
  for (const [tree, root] of Object.entries(roots)) {
    const args = [
      '--leaf-hash',
      hex(b!),
      '--merkle-root',
      root,
      '--proof-path',
      hex(a!),
      '--leaf-index',
      '1',
      '--json',
    ];
    const size = tree === 'rfc9162' ? ['--tree-size', '2'] : [];
    expect((await admin(['verify-proof', ...args, ...size])).json, tree).toMatchObject({ valid: true, tree });
    const wrong = args.map((each) => (each === hex(b!) ? hex(a!) : each));
    expect(await admin(['verify-proof', ...wrong, ...size]), tree).toMatchObject({
      code: 1,
      json: { ok: false, valid: false },
    });
  }
}, 60_000);

test('doctor names what is wrong and how to put it right', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'doctor-'));
  writeFileSync(join(dataDir, 'sequencer.key'), 'x');
  chmodSync(join(dataDir, 'sequencer.key'), 0o644);
  const run = await admin(['doctor', '--json'], { database: database.target, env: { DATA_DIR: dataDir } });
  const found = (name: string) => run.json.findings.find(({ check }: { check: string }) => check === name);
  expect(run.code).toBe(1);
  expect(found('key files')).toMatchObject({ verdict: 'problem', fix: expect.stringContaining('chmod 600') });
  for (const name of [
    'fsync',
    'full_page_writes',
    'synchronous_commit',
    'migrations',
    'append-only tables',
    'writable',
  ])
    expect(found(name), name).toMatchObject({ verdict: 'good' });
  const nothing = await admin(['doctor', '--json', '--data-dir', join(dataDir, 'none')]);
  expect(nothing.json.findings).toContainEqual(
    expect.objectContaining({ check: 'database', verdict: 'problem' }),
  );
  const bad = await admin(['doctor', '--json'], { env: { PORT: 'x' } });
  expect(bad.json.findings[0]).toMatchObject({ check: 'configuration', verdict: 'problem' });
}, 60_000);

test('bash understands its completion script, which knows commands and options', async () => {
  const { out } = await admin(['completion', 'bash']);
  const complete = (words: string) =>
    execFileSync(
      'bash',
      [
        '-c',
        `${out}\nCOMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _stateset_sequencer_admin; echo "\${COMPREPLY[@]}"`,
      ],
      {
        encoding: 'utf8',
      },
    );
  expect(complete('x mig')).toBe('migrate\n');
  expect(complete('x api-keys ro')).toBe('rotate\n');
  expect(complete('x audit verify --ex')).toBe('--expect-head\n');
  expect((await admin(['completion', 'zsh'])).out).toMatch(/^#compdef /);
  expect((await admin(['completion', 'fish'])).out).toContain('-a migrate');
  expect((await admin(['completion', 'tcsh'])).code).toBe(2);
});

test('the session of docs/admin.md works beside a running service', async () => {
  const service = await startTestService({ database: 'embedded' });
  const cwd = mkdtempSync(join(tmpdir(), 'session-'));
  symlinkSync(ADMIN, join(cwd, 'stateset-sequencer-admin'));
  const session = /```sh\n(TENANT=[\s\S]*?)```/.exec(doc)![1]!.replace('$A doctor', '$A doctor || true');
  const commands = `set -eu\n${session}`.replace(
    'A="stateset-sequencer-admin"',
    `A="${process.execPath} ${ADMIN} "`,
  );
  const env = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, DATA_DIR: service.dataDir };
  const out = execFileSync('bash', ['-c', commands], { cwd, encoding: 'utf8', env });
  expect(out.match(/^error: /gm)).toBeNull();
  expect(out).toContain('ok: key 2 of agent');
  expect(out).toContain('revoked 1 keys: 1');
  expect(out).toMatch(/^ok: \d+ records, chain intact, head [0-9a-f]{64}$/m);
  expect(await service.stop()).toBe(0);
}, 90_000);

test('the session of the README works beside a running service', async () => {
  const service = await startTestService({ database: 'embedded' });
  const cwd = mkdtempSync(join(tmpdir(), 'readme-session-'));
  symlinkSync(dirname(dirname(ADMIN)), join(cwd, 'dist'));
  symlinkSync(service.dataDir, join(cwd, 'data'));
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const session = /\n## Operation\n[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme)![1]!;
  expect(session).toContain('A="node dist/cli/admin.js"');
  // What the doctor finds on the machine of the tests is not the README's affair.
  const commands = `set -euo pipefail\n${session.replace('$A doctor', '$A doctor || true')}`;
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, TMPDIR: process.env.TMPDIR };
  const out = execFileSync('bash', ['-c', commands], { cwd, encoding: 'utf8', env });
  expect(out.match(/^error: /gm)).toBeNull();
  expect(out).toContain('ok: key 2 of agent');
  expect(out).toContain('revoked 1 keys: 1');
  const records = readFileSync(join(cwd, 'audit.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records.flatMap(({ action }) => action ?? [])).toEqual([
    'agent_key_registered',
    'agent_key_rotated',
    'api_key_created',
  ]);
  expect(out).toMatch(/^ok: \d+ records, chain intact, head [0-9a-f]{64}$/m);
  expect(await service.stop()).toBe(0);
}, 90_000);
