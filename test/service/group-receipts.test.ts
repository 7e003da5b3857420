/** Group receipts on a running service: one signed checkpoint per group, an inclusion path per event. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
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
import { sha256Into } from '../../workers/native-crypto.js';
import {
  type Answer,
  call,
  type Json,
  registerAgent,
  sequencerKeys,
  type TestAgent,
} from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

const ORIGIN = 'log.example.com/log';
let service: TestService;
let publicKey: Uint8Array;
beforeAll(async () => {
  service = await startTestService({ env: { LOG_ORIGIN: ORIGIN } });
  publicKey = (await sequencerKeys(service)).get(0)!;
});

const hashNode = createNodeHasher(sha256Into);

/** The log entry of an event, from the agent's own copy and the number it got. */
function entryOf({ envelope, signingHash }: SignedEvent, sequence: number): Uint8Array {
  const fixed = new Uint8Array(208);
  fixed.set(parseUuid(envelope.tenant_id)!, 0);
  fixed.set(parseUuid(envelope.store_id)!, 16);
  const entry = vesLeaf({ fixed, fixedOffset: 0 }, sequence, signingHash);
  entry.set(decodeHex(envelope.agent_signature, 64)!, VES_LEAF_BYTES - 64);
  return entry;
}

/** Checks a group receipt offline; answers the numbers it proves. */
function checkGroupReceipt(receipt: Json, agent: TestAgent, events: readonly SignedEvent[]): number[] {
  const origin = `${ORIGIN}/${agent.tenantId}/${agent.storeId}`;
  const key = parseVerifierKey(formatVerifierKey(origin, NOTE_ED25519, publicKey))!;
  const verified = verifyNote(receipt.checkpoint, [key]);
  if ('problem' in verified) throw new Error(verified.problem);
  const checkpoint = parseCheckpoint(verified.text);
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  expect(checkpoint).toMatchObject({ origin, size: receipt.treeSize });
  expect(Buffer.from(checkpoint.root).toString('hex')).toBe(receipt.rootHash);
  return receipt.proofs.map((proof: Json) => {
    const event = events.find(({ envelope }) => envelope.event_id === proof.eventId)!;
    const leaf = leafHash(entryOf(event, proof.sequenceNumber), sha256Into);
    const path = proof.path.map((step: number) => decodeHex(receipt.hashes[step], 32)!);
    expect(proof.leafIndex).toBe(proof.sequenceNumber - 1);
    expect(verifyInclusion(leaf, proof.leafIndex, checkpoint.size, path, checkpoint.root, hashNode)).toBe(
      true,
    );
    return proof.sequenceNumber;
  });
}

const ingest = (agent: TestAgent, events: SignedEvent[], query = ''): Promise<Answer> =>
  call(service, 'POST', `/api/v1/ves/events/ingest${query}`, {
    body: { agentId: agent.agentId, events: events.map(({ envelope }) => envelope) },
  });
const some = (agent: TestAgent, count: number) => Array.from({ length: count }, () => agent.event());

describe('an ingest reply', () => {
  test('proves every accepted event in the tree after its group', async () => {
    const agent = await registerAgent(service);
    for (const count of [1, 2, 3, 100, 257, 64]) {
      const events = some(agent, count);
      const { body } = await ingest(agent, events);
      expect(body.receipts.length).toBe(count);
      const numbers = body.groupReceipts.flatMap((each: Json) => checkGroupReceipt(each, agent, events));
      expect(numbers).toEqual(body.receipts.map((each: Json) => each.sequenceNumber));
      expect(body.groupReceipts.at(-1).treeSize).toBe(body.headSequence);
    }
  });

  test('shares its checkpoint with the other requests of the group, whoever verified them', async () => {
    const agent = await registerAgent(service);
    const batches = Array.from({ length: 60 }, () => some(agent, 5));
    const answers = await Promise.all(batches.map((events) => ingest(agent, events)));
    const roots = new Map<number, string>();
    const checkpoints = new Map<number, string>();
    const numbers = answers.flatMap(({ body }, i) =>
      body.groupReceipts.flatMap((receipt: Json) => {
        expect(roots.get(receipt.treeSize) ?? receipt.rootHash).toBe(receipt.rootHash); // L5
        expect(checkpoints.get(receipt.treeSize) ?? receipt.checkpoint).toBe(receipt.checkpoint);
        roots.set(receipt.treeSize, receipt.rootHash);
        checkpoints.set(receipt.treeSize, receipt.checkpoint);
        return checkGroupReceipt(receipt, agent, batches[i]!);
      }),
    );
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(roots.size).toBeLessThan(60);
  });

  test('carries the kinds of receipts that were asked for', async () => {
    const agent = await registerAgent(service);
    const kindsOf = async (query: string) => {
      const { status, body } = await ingest(agent, some(agent, 2), query);
      expect(status).toBe(200);
      return [body.receipts?.length, body.groupReceipts?.[0].proofs.length];
    };
    expect(await kindsOf('')).toEqual([2, 2]);
    expect(await kindsOf('?receipt=both')).toEqual([2, 2]);
    expect(await kindsOf('?receipt=event')).toEqual([2, undefined]);
    expect(await kindsOf('?receipt=group')).toEqual([undefined, 2]);
    const wrong = await ingest(agent, some(agent, 1), '?receipt=all');
    expect([wrong.status, wrong.body.error.message]).toEqual([
      400,
      'receipt must be one of event, group, both',
    ]);
  });

  test('leaves out rejected and replayed events; a replay gets its first event receipt whatever was asked', async () => {
    const agent = await registerAgent(service);
    const first = some(agent, 3);
    const { body: before } = await ingest(agent, first);
    const forged = agent.event();
    forged.envelope.agent_signature = `0x${'11'.repeat(64)}`;
    const fresh = agent.event();
    const { body } = await ingest(agent, [first[1]!, forged, fresh], '?receipt=group');
    expect(body).toMatchObject({ eventsAccepted: 1, eventsRejected: 1, receipts: [before.receipts[1]] });
    expect(body.groupReceipts.flatMap((each: Json) => checkGroupReceipt(each, agent, [fresh]))).toEqual([4]);
    const replayed = await ingest(agent, first);
    expect(replayed.body.groupReceipts).toBeUndefined();
    expect(replayed.body.receipts).toEqual(before.receipts);
  });
});
