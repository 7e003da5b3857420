import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEvidence, readGivenEvents, readSequencerKeys } from '../../engine/verifier/index.js';
import { bytesOf, failures, verifyOne } from './support.js';
import {
  checkpointOf,
  commitments,
  coseConsistencyOf,
  coseInclusionOf,
  directory,
  eventId,
  events,
  inclusionReplyOf,
  ingestReply,
  ingestRequest,
  laterSequencer,
  notaryProofOf,
  notaryReplyOf,
  replyOf,
  sequencer,
  tlogProofOf,
  vesProofOf,
  wellKnown,
} from './world.js';

/** An item of `GET /v1/commitments/pending`. */
const { merkle_root, leaf_count, prev_state_root, new_state_root, ...numbers } = commitments[0];
const pendingCommitment = {
  ...numbers,
  events_root: `0x${merkle_root}`,
  event_count: leaf_count,
  prev_state_root: `0x${prev_state_root}`,
  new_state_root: `0x${new_state_root}`,
};

const kindsOf = (content: unknown) => {
  const read = readEvidence(bytesOf(content));
  return 'problem' in read ? read.problem : read.map(({ kind }) => kind);
};

describe('evidence', () => {
  test.each<[string, unknown, string[]]>([
    ['the reply about an event', replyOf(1), ['event']],
    ['an ingest reply', ingestReply(), ['ingest']],
    ['an ingest reply with group receipts only', { groupReceipts: [] }, ['ingest']],
    ['an ingest request with its reply', { request: ingestRequest(), reply: ingestReply() }, ['ingest']],
    ['a proof file', tlogProofOf(1), ['tlog-proof']],
    ['a proof file of the notary', notaryProofOf(1), ['tlog-proof']],
    ['a receipt of inclusion', coseInclusionOf(1), ['cose-receipt']],
    ['a receipt of consistency', coseConsistencyOf(1, 2), ['cose-receipt']],
    ['a checkpoint', checkpointOf(1), ['checkpoint']],
    ['a broken checkpoint', checkpointOf(1).slice(0, -1), ['checkpoint']],
    ['a proof in a log', inclusionReplyOf(1), ['inclusion']],
    ["the notary's proof", notaryReplyOf(1), ['notary-proof']],
    ['a commitment for anchoring', pendingCommitment, ['ves-commitment']],
    ['a consistency proof', { from: 1, to: 2, hashes: [] }, ['consistency']],
    [
      'two checkpoints and a proof',
      { old: checkpointOf(1), new: checkpointOf(2), hashes: [] },
      ['consistency'],
    ],
    ['a proof in a commitment', vesProofOf(1), ['ves-proof']],
    ['a commitment', commitments[0], ['ves-commitment']],
    ['a list of commitments', { commitments, count: 2 }, ['ves-commitment', 'ves-commitment']],
    ['a legacy proof', { events_root: '', proof_path: [] }, ['legacy-proof']],
    ['a legacy commitment', { events_root: '', new_state_root: '' }, ['legacy-commitment']],
    ['a directory of keys', directory(), ['agent-keys']],
    ['an event', events[0]!.envelope, ['signed-event']],
    ['a reply without receipts', { envelope: events[0]!.envelope }, ['signed-event']],
    ['a request', ingestRequest(), ['signed-event', 'signed-event', 'signed-event']],
    ['a page of a stream', { events: events.slice(0, 2), count: 2 }, ['signed-event', 'signed-event']],
  ])('is told apart by its content: %s', (_, content, kinds) => {
    expect(kindsOf(content)).toEqual(kinds);
  });

  test('of a commitment for anchoring is verified like the commitment', () => {
    expect(verifyOne(pendingCommitment).verdict).toBe('valid');
    expect(verifyOne({ ...pendingCommitment, event_count: 4 }).verdict).toBe('invalid');
  });

  test.each<[unknown, string]>([
    ['', 'none of the kinds'],
    ['hello', 'none of the kinds'],
    ['{', 'not valid JSON'],
    ['[]', 'not an object'],
    [{}, 'none of the kinds'],
    [wellKnown, '--keys'],
    [{ event_id: eventId(1), payload_hash: '' }, '--event'],
    [{ commitments: [] }, 'empty'],
    [{ error: { code: 'EVENT_NOT_FOUND' } }, 'EVENT_NOT_FOUND'],
    [{ commitments: [7] }, 'none of the kinds'],
    [{ request: {}, reply: {} }, 'no list of events'],
    [{ old: 1, new: 2, hashes: [] }, 'not the texts of checkpoints'],
    [Uint8Array.of(0xff, 0xfe), 'neither text nor a COSE receipt'],
  ])('that is none says what it is instead: %j', (content, reason) => {
    expect(kindsOf(content)).toContain(reason);
  });

  test('never makes the reader throw', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readEvidence(bytes)));
    fc.assert(fc.property(fc.json(), (text) => void readEvidence(bytesOf(text))));
  });

  test('of any shape is judged without throwing, and never valid when it is noise', () => {
    const noise = fc.anything({ maxDepth: 3, withNullPrototype: false });
    const names = ['envelope', 'receipt', 'receipts', 'groupReceipts', 'hashes', 'from', 'to', 'old', 'new'];
    const more = [
      'checkpoint_body',
      'proof',
      'checkpoint',
      'leaf_index',
      'merkle_root',
      'events_root',
      'proof_path',
      'new_state_root',
      'directorySignature',
      'group_receipt',
    ];
    const objects = fc.dictionary(fc.constantFrom(...names, ...more), noise);
    fc.assert(
      fc.property(objects, (object) => {
        const text = JSON.stringify(object, (_, value) =>
          typeof value === 'bigint' ? Number(value) : value,
        );
        if ('problem' in readEvidence(bytesOf(text))) return;
        expect(verifyOne(text).verdict).not.toBe('valid');
      }),
    );
  });
});

describe('a given event', () => {
  test('is read from an event, a request or a reply', () => {
    const idsOf = (content: unknown) => {
      const read = readGivenEvents(bytesOf(content).toString());
      return 'problem' in read
        ? read.problem
        : read.map((each) => each.stream === 'ves' && each.event.eventId);
    };
    expect(idsOf(events[0]!.envelope)).toEqual([events[0]!.envelope.event_id]);
    expect(idsOf(replyOf(2))).toEqual([events[1]!.envelope.event_id]);
    expect(idsOf(ingestRequest())).toEqual(events.slice(2).map(({ envelope }) => envelope.event_id));
    expect(idsOf({ request: ingestRequest(), reply: ingestReply() })).toEqual(idsOf(ingestRequest()));
    expect(idsOf('{')).toContain('not valid JSON');
    expect(idsOf('7')).toContain('not an event');
    expect(idsOf({})).toContain('ves_version');
    expect(idsOf({ payload_hash: 'x' })).toContain('event_id');
  });
});

test('the verifier is pure: no Node, no global that a browser lacks', () => {
  const room = new URL('../../engine/verifier/', import.meta.url);
  const sources = readdirSync(room);
  expect(sources.length).toBeGreaterThan(20);
  for (const name of sources) {
    const text = readFileSync(new URL(name, room), 'utf8');
    for (const [, specifier] of text.matchAll(/from '([^']+)'/g))
      expect(specifier, name).toMatch(/^(\.\/[a-z-]+|\.\.\/(log|protocol)\/index)\.js$/);
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
    expect(code, name).not.toMatch(/\b(Buffer|process|require|setImmediate|fetch|Date)\b/);
  }
});

describe('keys', () => {
  test('of the sequencer are read from its document', () => {
    expect(readSequencerKeys(wellKnown)).toEqual(
      [sequencer, laterSequencer].map(({ publicKey }, version) => ({ version, publicKey })),
    );
    for (const [document, reason] of [
      [{}, 'no list'],
      [{ public_keys: [] }, 'no list'],
      [{ public_keys: [{ key_version: 0 }] }, 'Key 1'],
      [{ public_keys: [{ key_version: -1, public_key: '00'.repeat(32) }] }, 'Key 1'],
      [{ public_keys: [{ key_version: 0, public_key: '00'.repeat(32) }] }, 'not an acceptable'],
    ] as const)
      expect(readSequencerKeys(document)).toEqual({ problem: expect.stringContaining(reason) });
  });

  test('of an agent are believed when the sequencer has signed their directory', () => {
    expect(verifyOne(directory()).verdict).toBe('valid');
    expect(failures(verifyOne(directory({}, 9)))).toEqual([
      'the sequencer has signed it: by none of the given keys',
    ]);
    expect(failures(verifyOne({ ...directory(), tenantId: events[0]!.envelope.store_id }))).toHaveLength(1);
    expect(failures(verifyOne({ ...directory(), signedAt: 'yesterday' }))).toEqual([
      'the directory is well-formed',
    ]);
    expect(failures(verifyOne(directory({ publicKey: 'x' })))).toEqual(['the directory is well-formed']);
    expect(verifyOne(directory(), { trust: { sequencerKeys: [] } }).verdict).toBe('unjudged');
  });
});
