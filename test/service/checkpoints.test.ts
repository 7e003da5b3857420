/** L5 on running services: whatever two processes sign for one log lies on one history, crashes or not. */
import { expect, test } from 'vitest';
import {
  createNodeHasher,
  formatVerifierKey,
  NOTE_ED25519,
  parseCheckpoint,
  parseVerifierKey,
  verifyConsistency,
  verifyNote,
} from '../../engine/log/index.js';
import { decodeHex } from '../../engine/protocol/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { call, type Json, registerAgent, sequencerKeys, streamQuery } from '../support/agents.js';
import { startTestService } from '../support/service.js';

const SEED = '77'.repeat(32);
const ORIGIN = 'log.example.com/log';
const hashNode = createNodeHasher(sha256Into);

test('all checkpoints that two processes give out, before and after a crash, are consistent', async () => {
  const env = {
    VES_SEQUENCER_SIGNING_KEY: SEED,
    LOG_ORIGIN: ORIGIN,
    BOOTSTRAP_ADMIN_API_KEY: 'administrator-of-two-processes-00',
    NOTARY_INTERVAL_SECS: '1',
  };
  const one = await startTestService({ env });
  const two = await startTestService({ env, database: one.database });
  const publicKey = (await sequencerKeys(one)).get(0)!;
  const agent = await registerAgent(one);
  const origin = `${ORIGIN}/${agent.tenantId}/${agent.storeId}`;
  const key = parseVerifierKey(formatVerifierKey(origin, NOTE_ED25519, publicKey))!;
  /** Size -> root, of everything anybody was given. */
  const roots = new Map<number, string>();

  const note = (text: string) => {
    const verified = verifyNote(text, [key]);
    if ('problem' in verified) throw new Error(verified.problem);
    const checkpoint = parseCheckpoint(verified.text);
    if ('problem' in checkpoint) throw new Error(checkpoint.problem);
    expect(checkpoint.origin).toBe(origin);
    const root = Buffer.from(checkpoint.root).toString('hex');
    expect(roots.get(checkpoint.size) ?? root).toBe(root);
    roots.set(checkpoint.size, root);
  };
  const pushTo = async (service: typeof one, events: number) => {
    const body = {
      agentId: agent.agentId,
      events: Array.from({ length: events }, () => agent.event().envelope),
    };
    const answer = await call(service, 'POST', '/api/v1/ves/events/ingest?receipt=group', { body }).catch(
      () => undefined, // the process is gone
    );
    for (const receipt of answer?.body?.groupReceipts ?? []) note((receipt as Json).checkpoint);
  };
  /** Checkpoints of sizes inside groups are asked of both at once. */
  const askBoth = async (size: number) => {
    const path = `/api/v1/log/checkpoint?${streamQuery(agent)}&size=${size}`;
    const answers = await Promise.all(
      [one, two].map((service) => call(service, 'GET', path).catch(() => undefined)),
    );
    for (const answer of answers) if (answer?.status === 200) note(answer.text);
  };

  for (let round = 0; round < 12; round++) {
    const pushes = Array.from({ length: 8 }, (_, i) => pushTo(i % 2 ? one : two, 1 + ((round + i) % 30)));
    if (round === 6) {
      await Promise.race(pushes);
      await two.kill9();
    }
    const sizes = [...roots.keys()].map((size) => Math.max(1, size - (round % 5)));
    await Promise.all([...pushes, ...sizes.slice(-6).map(askBoth)]);
  }
  const again = await two.restart();
  await pushTo(again, 20);

  const sizes = [...roots.keys()].sort((a, b) => a - b);
  expect(sizes.length).toBeGreaterThan(20);
  for (let i = 1; i < sizes.length; i++) {
    const [from, to] = [sizes[i - 1]!, sizes[i]!];
    const path = `/api/v1/log/consistency?${streamQuery(agent)}&from=${from}&to=${to}`;
    const { body } = await call(i % 2 ? one : again, 'GET', path);
    const proof = body.hashes.map((hash: string) => decodeHex(hash, 32)!);
    const root = (size: number) => decodeHex(roots.get(size)!, 32)!;
    expect(verifyConsistency(from, root(from), to, root(to), proof, hashNode), `${from} to ${to}`).toBe(true);
  }
}, 60_000);
