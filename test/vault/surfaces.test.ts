/** What is pushed over any interface is stored sealed, read back identical over every other, and after an erasure shown as erased. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import { createStreamClient } from '../../agent/stream-client.js';
import { createNodeHasher, verifyInclusion } from '../../engine/log/index.js';
import { decodeHex } from '../../engine/protocol/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { v1, v2 } from '../../engine/wire-proto/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { admin as runAdmin } from '../admin/support.js';
import { envelopeMessage, pushMessage } from '../grpc/messages.js';
import type { TestClient } from '../grpc/support.js';
import { ENCRYPTED_ENVELOPE, ENCRYPTED_SEED } from '../service/encrypted-vector.js';
import {
  call,
  checkReceipt,
  createAgent,
  type Json,
  push,
  registerAgent,
  registerKey,
  sequencerKeys,
  streamQuery,
  type TestAgent,
} from '../support/agents.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestService, type TestService, urlOf } from '../support/service.js';
import { ENTITY, ERASED, legacyReaders, type Shown, vesReaders } from './readers.js';
import { masterKey } from './support.js';
import { findClearText, followAll, grpcOf, legacyEvent } from './surfaces-support.js';

const env = { PAYLOAD_ENCRYPTION_MODE: 'required', PAYLOAD_ENCRYPTION_KEYS: masterKey('surfaces') };
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const MARKER = `marker-${randomUUID()}`;
const directory = mkdtempSync(join(tmpdir(), 'surfaces-'));

let service: TestService;
let grpc: TestClient;
let sql: Sql;
let agent: TestAgent;
let target: TestDatabase;
let live: ReturnType<typeof followAll>;
/** What was sent, in the order of the numbers. */
const signed: SignedEvent[] = [];
const envelopes: Json[] = [ENCRYPTED_ENVELOPE];
const legacy: Json[] = [];
/** Evidence gathered before the erasure. */
let receipts: Json[];

const database = () => service.database as DatabaseTarget;
const admin = (...args: string[]) => runAdmin(args, { database: database(), env });

function fsck(at: DatabaseTarget, keys: Record<string, string> = env): Promise<Json> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, ...keys } };
    const args = [MAIN, 'fsck', '--database-url', urlOf(at), '--json', '--deep', '--threads', '1'];
    execFile(process.execPath, args, options, (_, out, err) => resolve(out ? JSON.parse(out) : { err }));
  });
}

const payload = (from: string, n: number) => ({
  [MARKER]: from,
  n,
  text: 'ü✓𝄞',
  deep: { list: [1.5, null, MARKER] },
});
const event = (from: string, n: number) => {
  const made = agent.event({
    payload: payload(from, n),
    ...{ entityType: ENTITY.type, entityId: ENTITY.id, commandId: randomUUID() },
  });
  signed.push(made);
  envelopes.push(made.envelope);
  return made;
};

/** What readers should show of what was sent. */
function expected(name: string, erased: boolean): Shown {
  return envelopes.flatMap((envelope, i) => {
    if (/entity/i.test(name) && envelope.entity_id !== ENTITY.id) return [];
    if (name === 'GET by command' && envelope.command_id === undefined) return [];
    const shown = envelope.payload_kind === 1 ? envelope.payload_encrypted.ciphertext_b64u : envelope.payload;
    return [[i + 1, erased ? ERASED : shown] as const];
  });
}
const expectedLegacy = (erased: boolean): Shown =>
  legacy.map((each, i) => [i + 1, erased ? ERASED : each.payload] as const);

async function readEverything(erased: boolean): Promise<void> {
  for (const [name, read] of Object.entries(vesReaders(service, grpc)))
    expect([name, await read(agent, envelopes)]).toEqual([name, expected(name, erased)]);
  for (const [name, read] of Object.entries(legacyReaders(service, grpc)))
    expect([name, await read(agent, legacy)]).toEqual([name, expectedLegacy(erased)]);
}

beforeAll(async () => {
  service = await startTestService({ env });
  grpc = grpcOf(service);
  sql = connectDatabase(database(), { max: 2, applicationName: 'surfaces-test' });
  agent = createAgent({
    ...{ tenantId: ENCRYPTED_ENVELOPE.tenant_id, storeId: ENCRYPTED_ENVELOPE.store_id },
    ...{ agentId: ENCRYPTED_ENVELOPE.source_agent_id, seed: ENCRYPTED_SEED },
  });
  await registerKey(service, agent);
  target = await createTestDatabase({ migrated: true });
});
afterAll(async () => {
  live?.close();
  grpc?.raw.close();
  await sql?.end({ timeout: 1 });
  await target?.drop();
});

test('events pushed over every interface are stored sealed: their text is nowhere in the database', async () => {
  live = followAll(service, grpc, agent);
  const body = { agentId: agent.agentId, events: [ENCRYPTED_ENVELOPE] };
  const first = await call(service, 'POST', '/api/v1/ves/events/ingest', { body });
  expect(first.body).toMatchObject({ eventsAccepted: 1 });
  expect((await push(service, agent, [event('http', 1), event('http', 2)])).body.eventsAccepted).toBe(2);
  const overGrpc = [event('grpc', 1), event('grpc', 2)].map((each) => envelopeMessage(each));
  const answer = await grpc.call(v2.Sequencer.method.push, pushMessage(agent, overGrpc));
  expect(answer).toMatchObject({ eventsAccepted: 2, rejections: [] });
  const socket = createStreamClient({ url: service.url, apiKey: service.adminKey });
  const pushed = await socket.push(
    agent.agentId,
    [event('ws', 1), event('ws', 2)].map((each) => each.envelope),
  );
  expect(pushed.rejections).toEqual([]);
  socket.close();

  legacy.push(legacyEvent(agent, payload('legacy http', 1)), legacyEvent(agent, payload('legacy grpc', 2)));
  const taken = await call(service, 'POST', '/api/v1/events/ingest', {
    body: { agent_id: agent.agentId, events: [legacy[0]] },
  });
  expect(taken.body).toMatchObject({ events_accepted: 1 });
  const { event_id: eventId, entity_type: entityType, entity_id: entityId } = legacy[1];
  const message = {
    ...{ eventId, entityType, entityId, eventType: legacy[1].event_type },
    ...{ tenantId: agent.tenantId, storeId: agent.storeId, sourceAgent: agent.agentId },
    payload: Buffer.from(JSON.stringify(legacy[1].payload)),
  };
  const { agentId } = agent;
  expect(await grpc.call(v1.Sequencer.method.push, { agentId, events: [message] })).toMatchObject({
    eventsAccepted: 1,
  });

  const rows = await sql<
    { payload: string }[]
  >`select payload from ves_events union all select payload from events`;
  expect(rows).toHaveLength(envelopes.length + legacy.length);
  for (const row of rows) {
    expect(row.payload).toMatch(/^SSE2/);
    expect(Buffer.from(row.payload.slice(4), 'base64').toString('latin1')).not.toContain('marker');
  }
  expect(await findClearText(sql, MARKER)).toEqual([]);
  expect(await findClearText(sql, ENCRYPTED_ENVELOPE.payload_encrypted!.ciphertext_b64u)).toEqual([]);
  // The search finds what is in clear text.
  expect(await findClearText(sql, ENTITY.id)).toEqual(
    expect.arrayContaining(['ves_events.entity_id', 'events.entity_id']),
  );
}, 60_000);

test('they are read back identical over every interface', async () => {
  for (const [path, to] of [
    ['/api/v1/ves/commitments', envelopes.length],
    ['/api/v1/commitments', legacy.length],
  ] as const) {
    const body = { tenant_id: agent.tenantId, store_id: agent.storeId, sequence_start: 1, sequence_end: to };
    const made = await call(service, 'POST', path, { body });
    expect([made.status, made.text]).toEqual([200, expect.any(String)]);
  }
  for (const { name, shown } of live.readers)
    await expect.poll(() => [name, shown()]).toEqual([name, expected(name, false)]);
  await readEverything(false);
}, 60_000);

test('an export is in clear text, and is sealed again where it is imported', async () => {
  const where = ['--tenant-id', agent.tenantId, '--store-id', agent.storeId];
  for (const stream of ['ves', 'legacy']) {
    const file = join(directory, `${stream}.ndjson`);
    const out = await admin('export-events', ...where, '--stream', stream, '--output', file);
    expect([out.code, out.err]).toEqual([0, '']);
    expect(readFileSync(file, 'utf8')).toContain(MARKER);
    const into = await runAdmin(['import-events', '--input', file, '--json'], {
      database: target.target,
      env,
    });
    expect([into.err, into.code]).toEqual(['', 0]);
  }
  const other = connectDatabase(target.target, { max: 1, applicationName: 'surfaces-test' });
  try {
    const rows = await other<
      { payload: string }[]
    >`select payload from ves_events union all select payload from events`;
    expect(rows.map((row) => row.payload.slice(0, 4))).toEqual(rows.map(() => 'SSE2'));
    expect(rows).toHaveLength(envelopes.length + legacy.length);
    expect(await findClearText(other, MARKER)).toEqual([]);
  } finally {
    await other.end();
  }
  const again = await runAdmin(['export-events', ...where], { database: target.target, env });
  expect(again.out).toBe(readFileSync(join(directory, 'ves.ndjson'), 'utf8'));
  expect(await fsck(target.target)).toMatchObject({ ok: true, wrong_rows: 0 });
}, 90_000);

/** Everything that proves something about the events; checks what can be checked without the payloads. */
async function evidence(): Promise<Json> {
  const query = streamQuery(agent);
  const keys = await sequencerKeys(service);
  const answers: Json = {};
  const get = async (path: string) => {
    const { status, body, text } = await call(service, 'GET', path);
    expect([path, status]).toEqual([path, 200]);
    answers[path] = body ?? text;
    return body;
  };
  for (let n = 1; n <= envelopes.length; n++) {
    const id = envelopes[n - 1].event_id;
    const { receipt } = (await call(service, 'GET', `/api/v1/ves/events/${id}?${query}`)).body;
    answers[id] = receipt;
    if (n > 1) expect(checkReceipt(receipt, signed[n - 2]!, keys)).toBe('ok');
    const proof = await get(`/api/v1/ves/proofs/${n}?${query}`);
    const verified = await call(service, 'POST', '/api/v1/ves/proofs/verify', { body: proof });
    expect(verified.body).toMatchObject({ valid: true });
    const logged = await get(`/api/v1/log/inclusion?${query}&sequence_number=${n}&size=${envelopes.length}`);
    const bytes = (hex: string) => decodeHex(hex, 32)!;
    const hashNode = createNodeHasher(sha256Into);
    const { leaf_hash: leaf, leaf_index: index, tree_size: size, hashes, root } = logged;
    expect(verifyInclusion(bytes(leaf), index, size, hashes.map(bytes), bytes(root), hashNode)).toBe(true);
    await get(`/api/v1/log/proof/${id}?${query}&size=${envelopes.length}`);
  }
  for (let n = 1; n <= legacy.length; n++) {
    const proof = await get(`/api/v1/proofs/${n}?${query}`);
    const verified = await call(service, 'POST', '/api/v1/proofs/verify', { body: proof });
    expect(verified.body).toMatchObject({ valid: true });
  }
  await get(`/api/v1/ves/commitments?${query}`);
  await get(`/api/v1/commitments?${query}`);
  return answers;
}

test('commitments, receipts and proofs verify, and fsck finds nothing wrong', async () => {
  receipts = await evidence();
  const report = await fsck(database());
  expect(report).toMatchObject({ ok: true, complete: true, wrong_rows: 0 });
  expect(report.counts['payloads decrypted']).toBe(envelopes.length + legacy.length);
}, 60_000);

test('after an erasure every interface shows the erased form; streams go on; the evidence is the same', async () => {
  const { tenantId } = agent;
  const erased = await admin(
    ...[
      'erase-tenant',
      '--tenant-id',
      tenantId,
      '--confirm',
      tenantId,
      '--reason',
      'asked to',
      '--actor',
      'me',
    ],
  );
  expect(erased).toMatchObject({ code: 0, err: '' });
  // The live readers are still there: what was sent to them must not be in store for those who come now.
  await readEverything(true);
  expect(await evidence()).toEqual(receipts);
  const report = await fsck(database());
  expect(report).toMatchObject({ ok: true, complete: true, wrong_rows: 0 });
  expect(report.counts['erased payloads']).toBe(envelopes.length + legacy.length);

  const before = envelopes.length;
  expect((await push(service, agent, [event('new', 1)])).body).toMatchObject({ eventsAccepted: 1 });
  for (const { name, shown } of live.readers)
    await expect
      .poll(() => [name, shown().slice(before)], { timeout: 5000 })
      .toEqual([name, [[before + 1, envelopes[before].payload]]]);
  const { status, body } = await call(
    service,
    'GET',
    `/api/v1/ves/events/${envelopes[before].event_id}?${streamQuery(agent)}`,
  );
  expect([status, body.envelope.payload]).toEqual([200, envelopes[before].payload]);
  expect(await findClearText(sql, MARKER)).toEqual([]);
}, 90_000);

test('the receipts of an erased event verify without the service, and a changed event does not', async () => {
  const keys = join(directory, 'keys.json');
  writeFileSync(keys, (await call(service, 'GET', '/.well-known/ves-sequencer', { key: null })).text);
  const verify = (text: string) => {
    const file = join(directory, 'event.json');
    writeFileSync(file, text);
    const agentKey = Buffer.from(agent.publicKey).toString('hex');
    const args = [MAIN, 'verify', file, '--keys', keys, '--agent-key', agentKey];
    const options = { env: { PATH: process.env.PATH } };
    return new Promise<{ code: number | null; out: string }>((resolve) => {
      const child = execFile(process.execPath, args, options, (_, out) =>
        resolve({ code: child.exitCode, out }),
      );
    });
  };
  for (const { event_id: id } of envelopes.slice(0, 2)) {
    const path = `/api/v1/ves/events/${id}?${streamQuery(agent)}&receipt=both`;
    const { text } = await call(service, 'GET', path);
    expect(text).toContain('"payload_erased":true');
    const { code, out } = await verify(text);
    expect([code, out]).toEqual([0, expect.stringContaining('what the payload said: it was erased')]);
    expect(out).toContain("✓ the agent's key has signed the event");
    const changed = text.replace(/"payload_plain_hash":"0x../, '"payload_plain_hash":"0x00');
    expect((await verify(changed)).code).toBe(1);
    const refilled = text.replace('null,"payload_erased"', '{"made":"up"},"payload_erased"');
    expect((await verify(refilled)).code).toBe(1);
  }
}, 60_000);

test('a stream with erased payloads can be exported, and its import says why it cannot be', async () => {
  const where = ['--tenant-id', agent.tenantId, '--store-id', agent.storeId];
  const empty = await createTestDatabase({ migrated: true });
  try {
    for (const stream of ['ves', 'legacy']) {
      const file = join(directory, `${stream}-erased.ndjson`);
      const out = await admin('export-events', ...where, '--stream', stream, '--output', file);
      expect([out.code, out.err]).toEqual([0, '']);
      expect(readFileSync(file, 'utf8')).toContain('"payload_erased":true');
      const into = await runAdmin(['import-events', '--input', file], { database: empty.target, env });
      expect([into.code, into.err]).toEqual([2, expect.stringContaining('erased')]);
    }
  } finally {
    await empty.drop();
  }
}, 60_000);

test('an event of another tenant is not touched by an erasure', async () => {
  const other = await registerAgent(service);
  await push(service, other, [other.event({ payload: { n: 'kept' } })]);
  await registerAgent(service);
  const page = await call(service, 'GET', `/api/v1/ves/events?${streamQuery(other)}`);
  expect(page.body.events[0].envelope.payload).toEqual({ n: 'kept' });
});
