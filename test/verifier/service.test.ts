/** Everything a running service gives out as evidence is fetched and verified by the command, as an auditor would. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import { call, push, registerAgent, sequencerKeys, streamQuery, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { startWitness, type TestWitness } from '../transparency/witness-server.js';
import { run } from './run.js';

const ORIGIN = 'log.example/ves';
const EVENTS = 20;
const NOTARY_WAIT_MS = 20_000;
const COSE = { accept: 'application/cose' };

const folder = mkdtempSync(join(tmpdir(), 'verify-service-'));
let service: TestService;
let witness: TestWitness;
let agent: TestAgent;
let events: SignedEvent[];
let reply: unknown;

beforeAll(async () => {
  witness = await startWitness('witness.example/w1', []);
  service = await startTestService({
    env: {
      LOG_ORIGIN: ORIGIN,
      NOTARY_INTERVAL_SECS: '1',
      LOG_WITNESSES: `${witness.vkey} ${witness.url}`,
    },
  });
  witness.logs.set(`${ORIGIN}/notary`, (await sequencerKeys(service)).get(0)!);
  agent = await registerAgent(service);
  events = Array.from({ length: EVENTS }, () => agent.event());
  await push(service, agent, events.slice(0, 7));
  reply = (await push(service, agent, events.slice(7))).body;
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await witness.close();
});

const event = () => events[8]!;
/** The number of that event, and the size of the log after it. */
const SEQUENCE = 9;

/** Saves a piece of evidence as it comes and returns the file's path. */
async function save(name: string, path: string, headers: Record<string, string> = {}): Promise<string> {
  const { url, adminKey } = service;
  const response = await fetch(url + path, { headers: { authorization: `ApiKey ${adminKey}`, ...headers } });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${bytes}`);
  return file(name, bytes);
}
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content));
  return path;
}

/** Options of an auditor who has pinned the sequencer's key. */
async function pinned(): Promise<string[]> {
  const key = (await sequencerKeys(service)).get(0)!;
  return ['--public-key', Buffer.from(key).toString('hex'), '--origin', ORIGIN];
}

async function expectValid(...argv: string[]): Promise<string> {
  const { code, out, error } = await run(...argv);
  expect([code, error], out).toEqual([0, '']);
  return out;
}

const stream = () => streamQuery(agent);
const log = (what: string, query = '') => `/api/v1/log/${what}?${stream()}${query}`;

describe('the evidence of a running service', () => {
  test('about an event verifies from its URLs', async () => {
    const { url, adminKey } = service;
    const { tenantId, agentId } = agent;
    const out = await expectValid(
      `${url}/api/v1/ves/events/${event().envelope.event_id}?tenant_id=${tenantId}&receipt=both`,
      ...['--keys', `${url}/.well-known/ves-sequencer`, '--origin', ORIGIN, '--api-key', adminKey],
      ...['--agent-keys', `${url}/api/v1/agents/${agentId}/signing-keys?tenant_id=${tenantId}`],
      ...['--event', file('event.json', event().envelope)],
    );
    for (const step of [
      "the agent's key was valid",
      'it is the given event',
      "the entry stands in the checkpoint's tree",
    ])
      expect(out).toContain(`✓ ${step}`);
  });

  test('in an ingest reply verifies with its request', async () => {
    const request = { agentId: agent.agentId, events: events.slice(7).map(({ envelope }) => envelope) };
    const agentKey = Buffer.from(agent.publicKey).toString('hex');
    const out = await expectValid(
      file('ingest.json', { request, reply }),
      ...(await pinned()),
      '--agent-key',
      agentKey,
    );
    expect(out.match(/✓ event [0-9a-f-]+ has number \d+/g)).toHaveLength(EVENTS - 7);
  });

  test('that an event is in the log verifies in every form and at every size', async () => {
    const own = ['--event', file('event.json', event().envelope), ...(await pinned())];
    const id = event().envelope.event_id;
    for (const size of [SEQUENCE, 16, EVENTS]) {
      const proof = `/api/v1/log/proof/${id}?tenant_id=${agent.tenantId}&size=${size}`;
      await expectValid(await save('a.tlog-proof', proof), ...own);
      await expectValid(await save('a.cose', proof, COSE), ...own);
      await expectValid(
        await save('a.json', log('inclusion', `&sequence_number=${SEQUENCE}&size=${size}`)),
        ...own,
      );
    }
  });

  test('that the log only grew verifies between any sizes', async () => {
    for (const [from, to] of [
      [0, EVENTS],
      [1, 2],
      [7, EVENTS],
      [16, 17],
      [EVENTS, EVENTS],
    ] as const) {
      const checkpoints = [
        await save('older', log('checkpoint', `&size=${from}`)),
        await save('newer', log('checkpoint', `&size=${to}`)),
      ];
      const path = log('consistency', `&from=${from}&to=${to}`);
      const keys = await pinned();
      await expectValid(await save('consistency.json', path), ...checkpoints, ...keys);
      await expectValid(await save('consistency.cose', path, COSE), ...checkpoints, ...keys);
    }
  });

  test('about commitments verifies, with proofs of every event in them', async () => {
    const { tenantId, storeId } = agent;
    const batches: string[] = [];
    for (const [start, end] of [
      [1, 7],
      [8, EVENTS],
    ]) {
      const body = { tenant_id: tenantId, store_id: storeId, sequence_start: start, sequence_end: end };
      const made = await call(service, 'POST', '/api/v1/ves/commitments', { body });
      expect(made.status, made.text).toBe(200);
      batches.push(made.body.batch_id);
    }
    const list = await save('commitments.json', `/api/v1/ves/commitments?${stream()}`);
    const one = await save('commitment.json', `/api/v1/ves/commitments/${batches[1]}`);
    for (const sequence of [8, SEQUENCE, EVENTS]) {
      const path = `/api/v1/ves/proofs/${sequence}?${stream()}&batch_id=${batches[1]}`;
      const own = file('event.json', events[sequence - 1]!.envelope);
      const out = await expectValid(await save('proof.json', path), one, list, '--event', own);
      expect(out).toContain('✓ the later one continues the state root of the one before it');
    }
  });

  test('reaches the witnesses through the notary log', async () => {
    const covering = log('notary/proof', `&size=${EVENTS}`);
    const deadline = Date.now() + NOTARY_WAIT_MS;
    while ((await call(service, 'GET', covering)).status !== 200 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 200));
    const notarised = await save('notary.json', covering);
    const proof = await save(
      'a.tlog-proof',
      `/api/v1/log/proof/${event().envelope.event_id}?tenant_id=${agent.tenantId}&size=${EVENTS}`,
    );
    const checkpoint = await save('notary.checkpoint', '/log/notary/checkpoint');
    const own = ['--event', file('event.json', event().envelope), '--witness', witness.vkey];
    const out = await expectValid(proof, notarised, checkpoint, ...own, ...(await pinned()));
    expect(out).toContain(
      '1 of 1 witnesses have cosigned a checkpoint of the notary log that covers this one',
    );
  });

  test('that was tampered with does not verify', async () => {
    const path = `/api/v1/ves/events/${event().envelope.event_id}?tenant_id=${agent.tenantId}`;
    const { body } = await call(service, 'GET', path);
    body.envelope.payload.n++;
    const { code, out } = await run(file('tampered.json', body), ...(await pinned()));
    expect(code).toBe(1);
    expect(out).toContain('✗ the payload has the hash that was signed');
  });
});
