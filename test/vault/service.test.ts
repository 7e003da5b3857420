/** A running service that encrypts: what is stored, what is read by every way, repeated events, rotation under load, erasure. */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canonicalLegacyJson } from '../../engine/protocol/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { encodeAck, encodeSubscribe, envelopeOf, FRAME } from '../../engine/wire/index.js';
import { ENCRYPTED_ENVELOPE, ENCRYPTED_SEED } from '../service/encrypted-vector.js';
import {
  call,
  checkReceipt,
  createAgent,
  push,
  registerAgent,
  registerKey,
  sequencerKeys,
  streamQuery,
} from '../support/agents.js';
import { startTestService, type TestService, urlOf } from '../support/service.js';
import { openClient } from '../ws/support.js';
import { hex, masterKey } from './support.js';

const env = { PAYLOAD_ENCRYPTION_MODE: 'required', PAYLOAD_ENCRYPTION_KEYS: masterKey('a') };

let service: TestService;
let sql: Sql;
beforeAll(async () => {
  service = await startTestService({ env });
  sql = connectDatabase(service.database as DatabaseTarget, {
    max: 2,
    applicationName: 'vault-service-test',
  });
});
afterAll(() => sql?.end({ timeout: 1 }));

/** The commands as an administrator runs them, in a process of their own. */
const COMMANDS = new URL('../../dist/cli/vault/commands.js', import.meta.url).href;
const SCRIPT = `import { Command } from 'commander';
  import { addReencryptCommands } from '${COMMANDS}';
  const program = new Command('admin');
  addReencryptCommands(program);
  await program.parseAsync(process.argv.slice(1), { from: 'user' });`;
const admin = (name: string, ...args: string[]) =>
  promisify(execFile)(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      SCRIPT,
      '--',
      name,
      '--database-url',
      urlOf(service.database as DatabaseTarget),
      ...args,
    ],
    { env: { PATH: process.env.PATH, ...env }, cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  );

const payloadsOf = async (tenantId: string) =>
  (
    await sql<
      { payload: string }[]
    >`select payload from ves_events where tenant_id = ${tenantId} order by sequence_number`
  ).map(({ payload }) => payload);

describe('a service that encrypts', () => {
  test('stores no payload in clear text, and reads give what was sent', async () => {
    const agent = await registerAgent(service);
    const secret = `secret-${randomUUID()}`;
    const events = Array.from({ length: 150 }, (_, n) =>
      agent.event({ payload: { n, secret, text: 'ü✓𝄞' } }),
    );
    expect((await push(service, agent, events)).body.eventsAccepted).toBe(150);
    for (const payload of await payloadsOf(agent.tenantId)) {
      expect(payload).toMatch(/^SSE2/);
      expect(Buffer.from(payload.slice(4), 'base64').toString('latin1')).not.toContain('secret');
    }
    const page = await call(service, 'GET', `/api/v1/ves/events?${streamQuery(agent)}&from=1&limit=1000`);
    expect(page.status).toBe(200);
    const read = page.body.events.map(({ envelope }: { envelope: { payload: unknown } }) => envelope.payload);
    expect(read).toEqual(events.map(({ envelope }) => envelope.payload));
  });

  test('gives a repeated event its first receipt, one that its author encrypted as well', async () => {
    const keys = await sequencerKeys(service);
    const author = createAgent({
      ...{ tenantId: ENCRYPTED_ENVELOPE.tenant_id, storeId: ENCRYPTED_ENVELOPE.store_id },
      ...{ agentId: ENCRYPTED_ENVELOPE.source_agent_id, seed: ENCRYPTED_SEED },
    });
    await registerKey(service, author);
    const first = await call(service, 'POST', '/api/v1/ves/events/ingest', {
      body: { agentId: author.agentId, events: [ENCRYPTED_ENVELOPE] },
    });
    expect(first.body).toMatchObject({ eventsAccepted: 1 });
    const second = await call(service, 'POST', '/api/v1/ves/events/ingest', {
      body: { agentId: author.agentId, events: [ENCRYPTED_ENVELOPE] },
    });
    expect(second.body.receipts).toEqual(first.body.receipts);
    expect((await payloadsOf(author.tenantId))[0]).toMatch(/^SSE2/);
    const found = await call(
      service,
      'GET',
      `/api/v1/ves/events/${ENCRYPTED_ENVELOPE.event_id}?${streamQuery(author)}`,
    );
    expect(found.status).toBe(200);
    expect(found.text).toContain(ENCRYPTED_ENVELOPE.payload_encrypted!.ciphertext_b64u);
    expect(keys.size).toBeGreaterThan(0);
  });

  test('seals legacy events too', async () => {
    const agent = await registerAgent(service);
    const payload = { amount: 1.5, text: 'geheim' };
    const event = {
      ...{
        event_id: randomUUID(),
        tenant_id: agent.tenantId,
        store_id: agent.storeId,
        source_agent: agent.agentId,
      },
      ...{ entity_type: 'order', entity_id: 'o-1', event_type: 'order.created', payload },
      payload_hash: createHash('sha256')
        .update(canonicalLegacyJson(JSON.stringify(payload)))
        .digest('hex'),
      created_at: new Date().toISOString(),
    };
    const answer = await call(service, 'POST', '/api/v1/events/ingest', {
      body: { agent_id: agent.agentId, events: [event] },
    });
    expect(answer.body.events_accepted ?? answer.body.eventsAccepted).toBe(1);
    const rows = await sql`select payload from events where tenant_id = ${agent.tenantId}`;
    expect(rows[0]!.payload).toMatch(/^SSE2/);
    const page = await call(service, 'GET', `/api/v1/events?${streamQuery(agent)}&from=0&limit=10`);
    expect(page.text).toContain('geheim');
  });

  test('subscribers get what is committed, and what was committed before', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, [agent.event({ payload: { n: 'before' } })]);
    const controller = new AbortController();
    const response = await fetch(`${service.url}/api/v1/ves/events/stream?${streamQuery(agent)}&from=1`, {
      headers: { authorization: `ApiKey ${service.adminKey}`, accept: 'application/x-ndjson' },
      signal: controller.signal,
    });
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    let text = '';
    const until = async (part: string) => {
      while (!text.includes(part)) {
        const { value, done } = await reader.read();
        if (done) break;
        text += Buffer.from(value).toString();
      }
      expect(text).toContain(part);
    };
    await until('"n":"before"');
    await push(service, agent, [agent.event({ payload: { n: 'after' } })]);
    await until('"n":"after"');
    expect(text).not.toContain('SSE2');
    controller.abort();
  });

  test('nonces are unique over threads; keys can be rotated under load', async () => {
    const agent = await registerAgent(service);
    let pushed = 0;
    let stop = false;
    const failures: unknown[] = [];
    const pushing = Array.from({ length: 4 }, async () => {
      while (!stop) {
        const { status, body } = await push(
          service,
          agent,
          Array.from({ length: 20 }, () => agent.event()),
        );
        if (status !== 200 || body.eventsAccepted !== 20) failures.push(body);
        pushed += 20;
      }
    });
    const until = async (count: number) =>
      expect.poll(() => pushed, { timeout: 20_000 }).toBeGreaterThan(count);
    await until(200);
    for (const round of [1, 2]) {
      await admin('rotate-tenant-key', '--tenant-id', agent.tenantId);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const { stdout } = await admin(
        'reencrypt-ves-events',
        '--tenant-id',
        agent.tenantId,
        '--batch-size',
        '50',
      );
      expect(stdout, `round ${round}`).toContain('all of them were looked at');
    }
    stop = true;
    await Promise.all(pushing);
    expect(failures).toEqual([]);
    const [used] = await sql<{ rows: number; nonces: number; versions: number[] }[]>`
      select count(*)::int as rows, count(distinct substr(payload, 5, 32))::int as nonces,
        array_agg(distinct k.key_version) as versions
      from ves_events e join vault_data_keys k on k.tenant_id = e.tenant_id
        and uuid_send(k.data_key_id) = substr(decode(substr(e.payload, 5, 24), 'base64'), 1, 16)
      where e.tenant_id = ${agent.tenantId}`;
    expect(used).toEqual({ rows: pushed, nonces: pushed, versions: [3] });
    const page = await call(service, 'GET', `/api/v1/ves/events?${streamQuery(agent)}&from=1&limit=1000`);
    expect(page.status).toBe(200);
  }, 90_000);

  test('an erased tenant: envelopes are marked, receipts still verify, new events are readable', async () => {
    const agent = await registerAgent(service);
    const events = Array.from({ length: 5 }, () => agent.event({ payload: { name: 'Ada' } }));
    const first = await push(service, agent, events);
    const who = ['--tenant-id', agent.tenantId, '--confirm', hex(agent.tenantId)];
    const { stdout } = await admin('erase-tenant', ...who, '--reason', 'asked to', '--actor', 'me');
    expect(stdout).toContain('1 keys destroyed');
    const page = await call(service, 'GET', `/api/v1/ves/events?${streamQuery(agent)}&from=1&limit=10`);
    expect(page.text).not.toContain('Ada');
    for (const { envelope } of page.body.events)
      expect(envelope).toMatchObject({ payload: null, payload_erased: true });
    // The same events once more: their first receipts, which verify.
    const again = await push(service, agent, events);
    expect(again.body.receipts).toEqual(first.body.receipts);
    const keys = await sequencerKeys(service);
    events.forEach((event, i) => void checkReceipt(again.body.receipts![i]!, event, keys));
    const fresh = await push(service, agent, [agent.event({ payload: { name: 'Grace' } })]);
    expect(fresh.body.eventsAccepted).toBe(1);
    const last = await call(service, 'GET', `/api/v1/ves/events?${streamQuery(agent)}&from=6&limit=10`);
    expect(last.text).toContain('Grace');
  }, 60_000);

  test('a reader that was waiting with opened pages at hand gets the erased form after the erasure, too', async () => {
    const agent = await registerAgent(service);
    const { tenantId, storeId } = agent;
    const events = Array.from({ length: 30 }, (_, n) => agent.event({ payload: { name: 'Ada', n } }));
    await push(service, agent, events);
    const raw = await openClient(service);
    const ask = { id: 1, tenantId, storeId, after: 0, credits: 2, filter: undefined, agentId: undefined };
    raw.send(encodeSubscribe(ask));
    /** The payloads of the next events. */
    const payloads = async () => {
      const frame = await raw.next(FRAME.events, 1);
      return frame.events.map((record) => envelopeOf(record, tenantId).payload);
    };
    expect(await payloads()).toEqual([0, 1].map((n) => ({ name: 'Ada', n })));
    const who = ['--tenant-id', tenantId, '--confirm', hex(tenantId)];
    await admin('erase-tenant', ...who, '--reason', 'asked to', '--actor', 'me');
    raw.send(encodeAck({ id: 1, credits: 100, sequence: undefined }));
    const rest: unknown[] = [];
    while (rest.length < 28) rest.push(...(await payloads()));
    expect(rest).toEqual(new Array(28).fill(null));
    raw.close();
  }, 60_000);

  test('without keys it does not start; disabled, it says that there are encrypted payloads', async () => {
    await expect(startTestService({ env: { PAYLOAD_ENCRYPTION_MODE: 'required' } })).rejects.toThrow(
      'only with a key',
    );
    const plain = await service.restart({ PAYLOAD_ENCRYPTION_MODE: 'disabled' });
    const agent = await registerAgent(plain);
    await push(plain, agent, [agent.event()]);
    const [sealed] = await sql<{ tenant: string; store: string }[]>`
      select tenant_id as tenant, store_id as store from ves_events where starts_with(payload, 'SSE2') limit 1`;
    const query = streamQuery({ tenantId: sealed!.tenant, storeId: sealed!.store } as never);
    const page = await call(plain, 'GET', `/api/v1/ves/events?${query}&from=1&limit=1`);
    expect([page.status, page.body.code]).toEqual([500, 'ENCRYPTION_ERROR']);
    expect(plain.logs()).toContain('PAYLOAD_ENCRYPTION_MODE is disabled');
    await expect.poll(plain.logs).toContain('this process has no keys to read them');
    await plain.stop();
  }, 60_000);
});
