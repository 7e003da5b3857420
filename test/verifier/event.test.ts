import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseVerifierKey } from '../../engine/log/index.js';
import { failures, holds, mutations, verifyOne } from './support.js';
import {
  AGENT,
  agent,
  BASE,
  checkpointOf,
  directory,
  eventId,
  events,
  laterSequencer,
  ORIGIN,
  receiptOf,
  replyOf,
  sequencer,
  stranger,
  TENANT,
  vkeyOf,
  witnesses,
} from './world.js';

const own = { events: [events[1]!.envelope] };
const trust = { agentKeys: [agent.publicKey], origin: BASE };

describe('an event with its receipts', () => {
  test('is valid in every step', () => {
    const report = verifyOne(replyOf(2), { ...own, trust });
    expect(failures(report)).toEqual([]);
    expect(report.verdict).toBe('valid');
    expect(holds(report)).toEqual([
      'the payload has the hash that was signed',
      "the agent's key has signed the event",
      'it is the given event',
      'the receipt names this event',
      'the receipt hash follows from the event and its number',
      "the sequencer's key has signed the receipt",
      'the reply gives the event the number of its receipt',
      'the checkpoint is of the expected origin',
      'the log has signed the checkpoint',
      'size and root beside the checkpoint are its own',
      "the log is that of the event's stream",
      'the leaf index is the sequence number less one',
      "the leaf is the event's log entry",
      "the entry stands in the checkpoint's tree",
    ]);
  });

  test('verifies for every event at every size of the tree after it', () => {
    for (let size = 1; size <= 5; size++)
      for (let n = 1; n <= size; n++)
        expect(verifyOne(replyOf(n, size)).verdict, `${n} of ${size}`).toBe('valid');
  });

  test('does not need a group receipt', () => {
    const { group_receipt: _, ...reply } = replyOf(2);
    expect(verifyOne(reply).verdict).toBe('valid');
    expect(verifyOne({ ...reply, group_receipt: null }).verdict).toBe('valid');
  });

  test('may have the group receipt only, and is then held to its number', () => {
    const { receipt: _, ...reply } = replyOf(2);
    const report = verifyOne(reply, { ...own, trust });
    expect([report.verdict, failures(report)]).toEqual(['valid', []]);
    expect(failures(verifyOne({ ...reply, sequence_number: 3 }))).toEqual([
      'the reply gives the event the number of its receipt: number 2',
    ]);
    for (const { path, changed } of mutations(reply)) {
      if (
        /^\/(status|-status|-sequence_number|-group_receipt|-envelope)|sequenced_at|envelope\/-sequence_number/.test(
          path,
        )
      )
        continue;
      expect(verifyOne(changed, { ...own, trust }).verdict, path).toBe('invalid');
    }
  });

  test('is not valid with anything changed, save what no signature covers', () => {
    // The status, instants and ids that receipts do not cover, and members that the protocol ignores or takes as absent.
    const uncovered =
      /^\/(status|-status|-sequence_number|-group_receipt)|sequencedAt|sequencerId|sequenced_at|signatureAlg|SignatureScheme|envelope\/-sequence_number|sequencerKeyVersion/;
    let tried = 0;
    for (const { path, changed } of mutations(replyOf(2))) {
      if (uncovered.test(path)) continue;
      tried++;
      // Without envelope or receipt it is another kind of evidence, or none.
      if (!('envelope' in (changed as object) && 'receipt' in (changed as object))) continue;
      expect(verifyOne(changed, { ...own, trust }).verdict, path).toBe('invalid');
    }
    expect(tried).toBeGreaterThan(60);
  });

  test('that claims another key version could not be judged without that key', () => {
    const reply = { ...replyOf(2), receipt: receiptOf(2, laterSequencer, 1) };
    const report = verifyOne(reply);
    expect([report.verdict, report.missing]).toEqual([
      'unjudged',
      ["version 1 of the sequencer's key was not given"],
    ]);
    const both = [sequencer, laterSequencer].map(({ publicKey }, version) => ({ version, publicKey }));
    expect(verifyOne(reply, { trust: { sequencerKeys: both } }).verdict).toBe('valid');
    expect(
      verifyOne(reply, {
        trust: { sequencerKeys: [...both.slice(0, 1), { publicKey: laterSequencer.publicKey }] },
      }).verdict,
    ).toBe('valid');
  });

  test('could not be judged without a key of the sequencer', () => {
    const report = verifyOne(replyOf(2), { trust: { sequencerKeys: [] } });
    expect([report.verdict, report.missing]).toEqual(['unjudged', ['no key of the sequencer was given']]);
    expect(failures(report)).toEqual([]);
  });

  test('is not valid under a key that is not the sequencer’s', () => {
    const sequencerKeys = [{ publicKey: stranger.publicKey }];
    const { group_receipt: _, ...reply } = replyOf(2);
    const report = verifyOne(reply, { trust: { sequencerKeys } });
    expect(failures(report)).toEqual(["the sequencer's key has signed the receipt"]);
  });

  test('is not valid when its receipt is unsigned or malformed', () => {
    const withReceipt = (changes: object) =>
      failures(verifyOne({ ...replyOf(2), receipt: { ...receiptOf(2), ...changes } }));
    expect(withReceipt({ sequencerSignature: '', signatureAlg: 'none' })).toEqual([
      "the sequencer's key has signed the receipt: the receipt is not signed",
    ]);
    expect(withReceipt({ sequencerSignature: 'zz' })).toEqual([
      "the sequencer's key has signed the receipt: the signature is not 64 bytes of hex",
    ]);
    expect(withReceipt({ sequencerSignature: 7 })[0]).toContain('64 bytes of hex');
    expect(withReceipt({ sequenceNumber: 0 })).toEqual(['the receipt is well-formed']);
    expect(withReceipt({ sequenceNumber: '2' })).toEqual(['the receipt is well-formed']);
    expect(withReceipt({ sequenceNumber: 2 ** 53 })).toEqual(['the receipt is well-formed']);
    expect(withReceipt({ eventId: eventId(3) })).toEqual(['the receipt names this event']);
    expect(failures(verifyOne({ ...replyOf(2), receipt: 7 }))).toEqual(['the receipt is well-formed']);
    const none = verifyOne({ ...replyOf(2), receipt: null, group_receipt: null });
    expect([none.verdict, none.missing]).toEqual(['unjudged', ['the reply has no receipt']]);
  });

  test('is not valid when it is another event than the holder’s', () => {
    const report = verifyOne(replyOf(2), { events: [events[2]!.envelope] });
    expect(failures(report)).toEqual(['it is the given event']);
  });

  test('is matched with the right one of several events', () => {
    const all = events.map(({ envelope }) => envelope);
    expect(verifyOne(replyOf(4), { events: all }).verdict).toBe('valid');
  });

  test('is not valid when the log is another stream’s, though it is signed', () => {
    const reply = replyOf(2);
    const origin = ORIGIN.replace(TENANT, AGENT);
    const checkpoint = checkpointOf(5, { origin });
    const report = verifyOne({ ...reply, group_receipt: { ...reply.group_receipt, checkpoint } });
    expect(failures(report)[0]).toContain("the log is that of the event's stream");
  });

  test('is not valid under another origin than the expected one', () => {
    for (const origin of [
      'other.example/ves',
      `${BASE}/${TENANT}`,
      'log.example/ve',
      'log.example',
      `${ORIGIN}/x`,
    ])
      expect(failures(verifyOne(replyOf(2), { trust: { origin } })), origin).toEqual([
        `the checkpoint is of the expected origin: ${ORIGIN}`,
      ]);
    for (const origin of [BASE, ORIGIN])
      expect(verifyOne(replyOf(2), { trust: { origin } }).verdict).toBe('valid');
  });

  test('needs the witnesses that were asked for', () => {
    const keys = witnesses.map((witness) => parseVerifierKey(vkeyOf(witness))!);
    const report = verifyOne(replyOf(2), { trust: { witnesses: keys, quorum: 2 } });
    expect(failures(report)).toEqual([
      expect.stringContaining('none of them has, and no proof was given that a notary log'),
    ]);
  });
});

describe('the worked example of the HTTP reference', () => {
  const document = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');
  const jsonWith = (member: string) => {
    const blocks = [...document.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text!));
    return blocks.find((block) => Array.isArray(block[member]));
  };

  test('verifies: a receipt of a running service under the published test key', () => {
    const [, publicKey] = /public key is `([0-9a-f]{64})`/.exec(document)!;
    const trust = { sequencerKeys: [{ publicKey: Buffer.from(publicKey!, 'hex') }] };
    const { receipts } = jsonWith('receipts'); // group receipts are abridged there
    const exchange = { request: jsonWith('events'), reply: { receipts } };
    const { verdict, steps } = verifyOne(exchange, { trust });
    expect(steps.at(-1)?.what).toBe('event 0199c0de-0000-7000-8000-000000000001 has number 1');
    expect(verdict).toBe('valid');
  });
});

describe("an agent's signature", () => {
  const only = () => {
    const { group_receipt: _, ...reply } = replyOf(2);
    return reply;
  };
  const keys = (document: ReturnType<typeof directory>) => ({
    agentDirectory: {
      agentId: document.agentId,
      tenantId: document.tenantId,
      keys: new Map(
        document.keys.map((key) => [
          key.keyId,
          {
            publicKey: Buffer.from(key.publicKey.slice(2), 'hex'),
            validity: {
              status: 'active' as const,
              validFromMicros: key.validFrom === null ? null : BigInt(Date.parse(key.validFrom)) * 1000n,
              validToMicros: key.validTo === null ? null : BigInt(Date.parse(key.validTo)) * 1000n,
              revokedAtMicros: key.revokedAt === null ? null : BigInt(Date.parse(key.revokedAt)) * 1000n,
            },
          },
        ]),
      ),
    },
  });

  test('is said not to be proven without a key', () => {
    expect(verifyOne(only()).doesNotProve).toContain(
      'that the agent signed the event: no key of the agent was given',
    );
  });

  test('is checked against any of the bare keys', () => {
    const trust = { agentKeys: [stranger.publicKey, agent.publicKey] };
    expect(verifyOne(only(), { trust }).verdict).toBe('valid');
    expect(failures(verifyOne(only(), { trust: { agentKeys: [stranger.publicKey] } }))).toEqual([
      "the agent's key has signed the event: none of the given keys has",
    ]);
  });

  test('is checked against the key of the directory that the event names, and its validity', () => {
    const judge = (changes: Parameters<typeof directory>[0]) =>
      failures(verifyOne(only(), { trust: keys(directory(changes)) }));
    expect(judge({})).toEqual([]);
    expect(judge({ revokedAt: '2026-03-02T00:00:00Z' })).toEqual([]); // after it was sequenced
    expect(judge({ revokedAt: '2026-02-01T00:00:00Z' })).toEqual([
      "the agent's key was valid when the event was sequenced: it was revoked, by the sequencer's clock",
    ]);
    expect(judge({ validTo: '2026-02-01T00:00:00Z' })[0]).toContain('it was expired');
    expect(judge({ validFrom: '2026-04-01T00:00:00Z' })[0]).toContain('it was not yet valid');
    expect(judge({ keyId: 2 })).toEqual(["the agent's key has signed the event: the directory has no key 1"]);
    expect(judge({ publicKey: `0x${Buffer.from(stranger.publicKey).toString('hex')}` })).toEqual([
      "the agent's key has signed the event: key 1",
    ]);
  });

  test('is not checked against the directory of another agent', () => {
    const other = keys(directory());
    const trust = { agentDirectory: { ...other.agentDirectory, agentId: TENANT } };
    const report = verifyOne(only(), { trust });
    expect(report.doesNotProve).toContain(
      'that the agent signed the event: the directory is of another agent',
    );
  });
});

describe('an event without a receipt', () => {
  const { envelope } = events[1]!;

  test('is valid when its agent has signed it, and proves nothing about the sequencer', () => {
    const report = verifyOne(envelope, { trust: { agentKeys: [agent.publicKey] } });
    expect([report.kind, report.verdict]).toEqual(['event without receipt', 'valid']);
    expect(holds(report)).toEqual([
      'the payload has the hash that was signed',
      "the agent's key has signed the event",
    ]);
    expect(report.doesNotProve.join()).toContain('that takes a receipt');
  });

  test('cannot be judged without a key of its agent', () => {
    const report = verifyOne(envelope);
    expect([report.verdict, report.missing]).toEqual([
      'unjudged',
      [`no key of agent ${AGENT} was given (--agent-key or --agent-keys)`],
    ]);
  });

  test('is not valid under another key, nor with anything changed that is signed', () => {
    const trusted = { trust: { agentKeys: [agent.publicKey] } };
    expect(verifyOne(envelope, { trust: { agentKeys: [stranger.publicKey] } }).verdict).toBe('invalid');
    for (const { path, changed } of mutations(envelope)) {
      // A member that tells what the file is may be gone: then it is no evidence.
      if (/^\/-(ves_version|event_id|envelope)$/.test(path)) continue;
      expect(verifyOne(changed, trusted).verdict, path).toBe('invalid');
    }
  });

  test('has to be the given one', () => {
    const trusted = { trust: { agentKeys: [agent.publicKey] } };
    expect(verifyOne(envelope, { ...trusted, events: [envelope] }).verdict).toBe('valid');
    expect(failures(verifyOne(envelope, { ...trusted, events: [events[2]!.envelope] }))).toEqual([
      'it is the given event',
    ]);
  });
});
