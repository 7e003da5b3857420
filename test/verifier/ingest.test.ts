import { describe, expect, test } from 'vitest';
import { failures, holds, mutations, verifyOne } from './support.js';
import { agent, eventId, events, ingestReply, ingestRequest, stranger } from './world.js';

const own = { events: [3, 4, 5].map((n) => events[n - 1]!.envelope) };
const trust = { agentKeys: [agent.publicKey] };

describe('an ingest reply', () => {
  test('is valid with the events it is about, one line each', () => {
    const report = verifyOne(ingestReply(), { ...own, trust });
    expect(failures(report)).toEqual([]);
    expect(report.verdict).toBe('valid');
    expect(holds(report)).toEqual([
      'the log has signed the checkpoint',
      'size and root beside the checkpoint are its own',
      'every receipt names an event, and each event once',
      ...[3, 4, 5].map((n) => `event ${eventId(n)} has number ${n}`),
    ]);
    expect(report.steps.at(-1)?.detail).toBe('8 steps hold');
  });

  test('is valid with its request in the same file, or the request given as the events', () => {
    expect(verifyOne({ request: ingestRequest(), reply: ingestReply() }, { trust }).verdict).toBe('valid');
    expect(verifyOne(ingestReply(), { events: [ingestRequest()], trust }).verdict).toBe('valid');
  });

  test('is valid with receipts of one kind only', () => {
    const { receipts, groupReceipts } = ingestReply();
    expect(verifyOne({ receipts }, own).verdict).toBe('valid');
    const group = verifyOne({ groupReceipts }, own);
    expect(group.verdict).toBe('valid');
    expect(holds(group).at(-1)).toBe(`event ${eventId(5)} has number 5`);
  });

  test('could not be judged without its events', () => {
    const report = verifyOne(ingestReply(), { events: own.events.slice(1) });
    expect([report.verdict, report.missing]).toEqual(['unjudged', [`event ${eventId(3)} was not given`]]);
  });

  test('could not be judged without a key of the sequencer', () => {
    const report = verifyOne(ingestReply(), { ...own, trust: { sequencerKeys: [] } });
    expect([report.verdict, report.missing]).toEqual(['unjudged', ['no key of the sequencer was given']]);
  });

  test('believes the given copy of an event, not that of the request in the file', () => {
    const request = ingestRequest();
    const forged = { ...request.events[0]!, entity_id: 'o-9' };
    const exchange = {
      request: { ...request, events: [forged, ...request.events.slice(1)] },
      reply: ingestReply(),
    };
    expect(verifyOne(exchange).verdict).toBe('invalid');
    expect(verifyOne(exchange, own).verdict).toBe('valid');
  });

  test('names the event and the step that fails', () => {
    const reply = ingestReply();
    reply.receipts[1]!.sequenceNumber = 5;
    const report = verifyOne(reply, { ...own, trust });
    expect(failures(report)).toEqual([
      `event ${eventId(4)}: the receipt hash follows from the event and its number`,
      `event ${eventId(4)}: the sequencer's key has signed the receipt`,
    ]);
  });

  test('fails when an event was signed by another key than the agent’s', () => {
    const report = verifyOne(ingestReply(), { ...own, trust: { agentKeys: [stranger.publicKey] } });
    expect(failures(report)).toHaveLength(3);
  });

  test('fails when a receipt is there twice or names no event', () => {
    const reply = ingestReply();
    const twice = { ...reply, receipts: [...reply.receipts, reply.receipts[0]!] };
    const nameless = {
      ...reply,
      receipts: [...reply.receipts, { sequenceNumber: 1 }, { sequenceNumber: 2 }],
    };
    for (const each of [twice, nameless])
      expect(failures(verifyOne(each, own))).toEqual(['every receipt names an event, and each event once']);
  });

  test('fails when the paths of two events are exchanged, or point beside the list of hashes', () => {
    const reply = ingestReply();
    const [first, second] = reply.groupReceipts[0]!.proofs;
    [first!.path, second!.path] = [second!.path, first!.path];
    expect(failures(verifyOne(reply, own))).toHaveLength(2);
    for (const index of [99, -1, 0.5, '0']) {
      const bad = ingestReply() as { groupReceipts: { proofs: { path: unknown[] }[] }[] };
      bad.groupReceipts[0]!.proofs[0]!.path[0] = index;
      expect(failures(verifyOne(bad, own)), String(index)).toEqual(['the group receipt is well-formed']);
    }
  });

  test('fails when what should be lists is none', () => {
    for (const reply of [{ receipts: {} }, { receipts: [], groupReceipts: 'x' }])
      expect(failures(verifyOne(reply))).toEqual(['the reply has a list of receipts']);
  });

  test('is not valid with anything changed in its receipts', () => {
    const uncovered = /sequencedAt|sequencerId|signatureAlg|SignatureScheme|sequencerKeyVersion/;
    const { receipts, groupReceipts } = ingestReply();
    for (const { path, changed } of mutations({ receipts, groupReceipts })) {
      if (uncovered.test(path) || /^\/(-receipts|-groupReceipts|receipts\/-|groupReceipts\/-)$/.test(path))
        continue;
      const { verdict } = verifyOne(changed, own);
      // A proof less, or a receipt about an event nobody gave, leaves something unjudged or unsaid; it never becomes proof.
      if (/proofs\/-$/.test(path)) expect(verdict, path).toBe('valid');
      else if (/eventId/.test(path)) expect(verdict, path).not.toBe('valid');
      else expect(verdict, path).toBe('invalid');
    }
  });
});
