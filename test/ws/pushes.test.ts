import { beforeAll, describe, expect, test } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import { createStreamClient } from '../../agent/stream-client.js';
import {
  createNodeHasher,
  formatVerifierKey,
  leafHash,
  NOTE_ED25519,
  parseCheckpoint,
  parseVerifierKey,
  verifyInclusion,
  verifyNote,
} from '../../engine/log/index.js';
import { decodeHex, parseUuid, VES_LEAF_BYTES, vesLeaf } from '../../engine/protocol/index.js';
import { encodePing, FRAME, receiptJsonOf, type WireGroupReceipt } from '../../engine/wire/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import {
  checkReceipt,
  push as pushOverHttp,
  readHead,
  readStream,
  registerAgent,
  sequencerKeys,
  type TestAgent,
} from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { damage, seeded } from './frames.js';
import { openClient, pushFrame, startProxy } from './support.js';

const PUSHES_MAX = 8;
const ORIGIN = 'localhost/log';
let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    env: { WS_INFLIGHT_PUSHES_MAX: String(PUSHES_MAX), MAX_EVENTS_PER_BATCH: '100' },
  });
});

const some = (agent: TestAgent, count: number) => Array.from({ length: count }, () => agent.event());
const hashNode = createNodeHasher(sha256Into);

/** Checks a group receipt offline; answers the numbers it proves. */
function provenBy(
  receipt: WireGroupReceipt,
  events: readonly SignedEvent[],
  publicKey: Uint8Array,
): number[] {
  const { envelope } = events[0]!;
  const origin = `${ORIGIN}/${envelope.tenant_id}/${envelope.store_id}`;
  const key = parseVerifierKey(formatVerifierKey(origin, NOTE_ED25519, publicKey))!;
  const note = verifyNote(receipt.checkpoint, [key]);
  if ('problem' in note) throw new Error(note.problem);
  const checkpoint = parseCheckpoint(note.text);
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  expect(checkpoint).toMatchObject({ origin, size: receipt.treeSize });
  expect(Buffer.compare(checkpoint.root, receipt.root)).toBe(0);
  return receipt.proofs.map(({ event, sequence, path }) => {
    const { envelope: given, signingHash } = events[event]!;
    const fixed = new Uint8Array(208);
    fixed.set(parseUuid(given.tenant_id)!, 0);
    fixed.set(parseUuid(given.store_id)!, 16);
    const entry = vesLeaf({ fixed, fixedOffset: 0 }, sequence, signingHash);
    entry.set(decodeHex(given.agent_signature, 64)!, VES_LEAF_BYTES - 64);
    const hashes = path.map((step) => receipt.hashes[step]!);
    const leaf = leafHash(entry, sha256Into);
    expect(verifyInclusion(leaf, sequence - 1, receipt.treeSize, hashes, receipt.root, hashNode)).toBe(true);
    return sequence;
  });
}

describe('a push', () => {
  test('is stored as the same events over REST are, and answers receipts that verify offline', async () => {
    const agent = await registerAgent(service);
    const client = await openClient(service);
    const events = [
      ...some(agent, 20),
      agent.event({ payload: { z: 1, a: 'é😀', n: 1e30, list: [1.0, 0] } }),
      agent.event({
        payload: 'only text',
        commandId: crypto.randomUUID(),
        baseVersion: 0,
        entityId: 'fresh',
      }),
      agent.event({ entityType: 'Ärger', entityId: 'ü', vesVersion: 1 }),
    ];
    client.send(pushFrame(1, agent, events, 3));
    const result = await client.next(FRAME.result, 1);
    expect(result).toMatchObject({ accepted: 23, rejected: 0, replayed: 0, first: 1, last: 23, head: 23 });
    expect(result.rejections).toEqual([]);
    const keys = await sequencerKeys(service);
    expect(result.receipts.map(({ event }) => event)).toEqual(events.map((_, i) => i));
    for (const receipt of result.receipts) {
      const event = events[receipt.event]!;
      expect(checkReceipt(receiptJsonOf(receipt, event.envelope.event_id), event, keys)).toBe('ok');
    }
    const proven = result.groups.flatMap((group) => provenBy(group, events, keys.get(0)!));
    expect(proven).toEqual(events.map((_, i) => i + 1));

    const stored = await readStream(service, agent);
    stored.forEach(({ sequence_number, sequenced_at, ...envelope }, i) => {
      expect(envelope).toEqual(events[i]!.envelope);
    });
    client.close();
  });

  test('that was stored before answers its first receipts, whatever it asks for', async () => {
    const agent = await registerAgent(service);
    const client = await openClient(service);
    const events = some(agent, 3);
    const first = await pushOverHttp(service, agent, events);
    client.send(pushFrame(5, agent, [...events, agent.event()]));
    const result = await client.next(FRAME.result, 5);
    expect(result).toMatchObject({ accepted: 1, replayed: 3, first: 4, last: 4, head: 4 });
    const again = result.receipts.map((receipt) =>
      receiptJsonOf(receipt, events[receipt.event]!.envelope.event_id),
    );
    expect(again).toEqual(first.body.receipts);
    client.close();
  });

  test('refuses single events with the reasons of REST, and takes their neighbours', async () => {
    const agent = await registerAgent(service);
    const client = await openClient(service);
    const events = some(agent, 4);
    const forged = { ...events[1]!, envelope: { ...events[1]!.envelope, entity_id: 'another' } };
    const odd = { ...events[2]!, envelope: { ...events[2]!.envelope, payload: { changed: true } } };
    client.send(pushFrame(2, agent, [events[0]!, forged, odd, events[3]!, events[0]!]));
    const result = await client.next(FRAME.result, 2);
    expect(result).toMatchObject({ accepted: 2, rejected: 3, first: 1, last: 2 });
    expect(result.rejections.map(({ event, reason }) => [event, reason])).toEqual([
      [1, 'invalid_signature'],
      [2, 'invalid_payload_hash'],
      [4, 'duplicate_event_id'],
    ]);
    client.close();
  });

  test('fails as a whole with an error frame, and the connection goes on', async () => {
    const agent = await registerAgent(service);
    const client = await openClient(service);
    client.send(pushFrame(1, agent, []));
    expect(await client.next(FRAME.error, 1)).toMatchObject({
      code: 'INVALID_FIELD_VALUE',
      retryable: false,
    });
    client.send(pushFrame(2, agent, some(agent, 101)));
    expect(await client.next(FRAME.error, 2)).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    client.send(pushFrame(3, agent, some(agent, 2)).subarray(0, -3));
    expect(await client.next(FRAME.error, 3)).toMatchObject({ code: 'INVALID_REQUEST_BODY' });
    const random = seeded(3);
    const frame = pushFrame(4, agent, some(agent, 2));
    for (let i = 0; i < 300; i++) {
      const bad = damage(frame.subarray(7), random);
      client.send(Buffer.concat([frame.subarray(0, 7), bad]));
      if (i % 5 === 4) {
        client.send(encodePing(1000 + i));
        await client.next(FRAME.pong, 1000 + i);
        await Promise.race([client.next(FRAME.error, 4), client.next(FRAME.result, 4)]);
      }
    }
    client.send(encodePing(9));
    await client.next(FRAME.pong, 9);
    client.close();
  });
});

describe('pushes on one connection', () => {
  test('are sequenced and answered in their order', async () => {
    const agent = await registerAgent(service);
    const client = createStreamClient({ url: service.url, apiKey: service.adminKey });
    const batches = Array.from({ length: 60 }, (_, i) => some(agent, 1 + (i % 7)));
    const answered: number[] = [];
    const results = await Promise.all(
      batches.map((events, i) =>
        client
          .push(
            agent.agentId,
            events.map(({ envelope }) => envelope),
            i % 2 === 0 ? 'group' : 'none',
          )
          .then((result) => {
            answered.push(i);
            return result;
          }),
      ),
    );
    expect(answered).toEqual(batches.map((_, i) => i));
    const numbers = results.flatMap((result, i) =>
      batches[i]!.map(({ envelope }) => result.numbers.get(envelope.event_id)),
    );
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    client.close();
  });

  test('beyond the limit are refused at once, with a pause, and nothing of them is taken', async () => {
    const agent = await registerAgent(service);
    const client = await openClient(service);
    const frames = Array.from({ length: 4 * PUSHES_MAX }, (_, i) => pushFrame(i + 1, agent, some(agent, 50)));
    for (const frame of frames) client.send(frame);
    let taken = 0;
    for (let i = 1; i <= frames.length; i++) {
      const answer = await Promise.race([client.next(FRAME.result, i), client.next(FRAME.error, i)]);
      if (answer.type === FRAME.result) taken += answer.accepted;
      else expect(answer).toMatchObject({ code: 'OVERLOADED', retryable: true, retryAfterSecs: 1 });
    }
    expect(taken).toBeGreaterThanOrEqual(50 * PUSHES_MAX);
    expect(taken).toBeLessThan(50 * frames.length);
    expect(await readHead(service, agent)).toBe(taken);
    client.close();
  });

  test('cut at any byte of a push or its answer are stored once', async () => {
    const agent = await registerAgent(service);
    const proxy = await startProxy(service.port);
    const probe = pushFrame(1, agent, [agent.event()]);
    let sent = 0;
    // The handshake and the hello are some hundred bytes; behind the answer nothing is cut any more.
    for (let limit = 150; limit < 700 + probe.length; limit++) {
      for (const direction of ['up', 'down'] as const) {
        proxy.limits = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY, [direction]: limit };
        const client = createStreamClient({
          url: `http://127.0.0.1:${proxy.port}`,
          apiKey: service.adminKey,
          backoff: { firstMs: 1, maxMs: 5, random: Math.random },
          onDown() {
            proxy.limits = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
          },
        });
        const { envelope } = agent.event();
        const result = await client.push(agent.agentId, [envelope]);
        expect(result.numbers.get(envelope.event_id)).toBe(++sent);
        client.close();
      }
    }
    expect(await readHead(service, agent)).toBe(sent);
    await proxy.close();
  }, 110_000);
});
