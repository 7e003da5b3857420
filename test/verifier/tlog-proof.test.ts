import { describe, expect, test } from 'vitest';
import { formatTlogProof, parseTlogProof, parseVerifierKey, type TlogProof } from '../../engine/log/index.js';
import { failures, holds, mutations, verifyAll, verifyOne } from './support.js';
import {
  AGENT,
  BASE,
  checkpointOf,
  coseInclusionOf,
  entryOf,
  events,
  inclusionOf,
  inclusionReplyOf,
  notary,
  notaryEntryOf,
  notaryProofOf,
  notaryReplyOf,
  ORIGIN,
  replyOf,
  STORE,
  stranger,
  TENANT,
  tlogProofOf,
  vkeyOf,
  witnesses,
} from './world.js';

const own = { events: [events[1]!.envelope] };
const change = (text: string, changes: Partial<TlogProof>): string => {
  const proof = parseTlogProof(text);
  if ('problem' in proof) throw new Error(proof.problem);
  return formatTlogProof({ ...proof, ...changes });
};

describe('a proof file of a stream', () => {
  test('is valid on its own, and says that it does not name the event', () => {
    const report = verifyOne(tlogProofOf(2), { trust: { origin: BASE } });
    expect(report.verdict).toBe('valid');
    expect(holds(report)).toEqual([
      'the checkpoint is of the expected origin',
      'the log has signed the checkpoint',
      "the log is that of the event's stream",
      'the entry has the number that its place asks for',
      "the entry stands in the checkpoint's tree",
    ]);
    expect(report.doesNotProve.join()).toContain('which event it is');
  });

  test('belongs to the given event, or does not', () => {
    expect(holds(verifyOne(tlogProofOf(2), own))).toContain('the entry is that of the given event');
    expect(failures(verifyOne(tlogProofOf(3), own))).toEqual([
      `the entry is that of the given event: it holds the signing hash ${Buffer.from(entryOf(3)).toString('hex', 51, 83)}`,
    ]);
  });

  test('without its entry takes the given event', () => {
    const bare = change(tlogProofOf(2), { extra: new Uint8Array(0) });
    expect(verifyOne(bare, own).verdict).toBe('valid');
    const unjudged = verifyOne(bare);
    expect([unjudged.verdict, unjudged.missing.length]).toEqual(['unjudged', 1]);
    expect(verifyOne(bare, { events: [events[1]!.envelope, events[2]!.envelope] }).verdict).toBe('unjudged');
    expect(failures(verifyOne(bare, { events: [events[2]!.envelope] }))).toEqual([
      "the entry stands in the checkpoint's tree: leaf 1 of 5",
    ]);
  });

  test('verifies for every entry at every size', () => {
    for (let size = 1; size <= 5; size++)
      for (let n = 1; n <= size; n++) expect(verifyOne(tlogProofOf(n, size)).verdict).toBe('valid');
  });

  test.each([
    [
      'an entry of another stream',
      () => {
        const extra = entryOf(2);
        extra[11]! ^= 1;
        return change(tlogProofOf(2), { extra });
      },
      "the log is that of the event's stream",
    ],
    [
      'an entry with another number',
      () => tlogProofOf(2, 5, entryOf(3)),
      'the entry has the number that its place asks for',
    ],
    ['an entry that is none', () => tlogProofOf(2, 5, new Uint8Array(147)), 'the log entry is well-formed'],
    [
      'an entry that is too long',
      () => tlogProofOf(2, 5, Buffer.concat([entryOf(2), Buffer.of(0)])),
      'the log entry is well-formed',
    ],
    [
      'a path of another leaf',
      () => change(tlogProofOf(2), { hashes: inclusionOf(3, 5) }),
      "the entry stands in the checkpoint's tree",
    ],
    [
      'a hash too few',
      () => change(tlogProofOf(2), { hashes: inclusionOf(2, 5).slice(1) }),
      "the entry stands in the checkpoint's tree",
    ],
    [
      'a checkpoint by a stranger',
      () => change(tlogProofOf(2), { checkpoint: checkpointOf(5, { signer: stranger }) }),
      undefined,
    ],
    [
      'a checkpoint of another log',
      () => change(tlogProofOf(2), { checkpoint: checkpointOf(5, { origin: 'x.example/log' }) }),
      "the log is that of the event's stream",
    ],
    [
      'a checkpoint with another root',
      () => change(tlogProofOf(2), { checkpoint: checkpointOf(5, { root: new Uint8Array(32) }) }),
      "the entry stands in the checkpoint's tree",
    ],
    ['a syntax error', () => tlogProofOf(2).replace('index 1', 'index 01'), 'the proof is well-formed'],
  ])('is not valid with %s', (_, make, failure) => {
    const report = verifyOne(make());
    if (failure === undefined)
      expect(report.verdict).toBe('unjudged'); // the key is not known
    else expect(failures(report).join()).toContain(failure);
  });

  test('is not valid with any character changed', () => {
    const text = tlogProofOf(2, 3);
    for (let i = 0; i < text.length; i++) {
      const bad = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) ^ 1) + text.slice(i + 1);
      if (!bad.startsWith('c2sp.org/tlog-proof@')) continue;
      expect(verifyOne(bad).verdict, `character ${i}`).not.toBe('valid');
    }
  });
});

describe("a proof in a stream's log in JSON", () => {
  test('is valid with or without its event', () => {
    expect(verifyOne(inclusionReplyOf(2), own).verdict).toBe('valid');
    const alone = verifyOne(inclusionReplyOf(2));
    expect([alone.verdict, alone.doesNotProve.join().includes('which event the leaf is')]).toEqual([
      'valid',
      true,
    ]);
    expect(failures(verifyOne(inclusionReplyOf(3), own))[0]).toBe("the leaf is the event's log entry");
    const all = { events: events.map(({ envelope }) => envelope) };
    expect(verifyOne(inclusionReplyOf(4), all).verdict).toBe('valid');
  });

  test('is not valid with anything changed', () => {
    for (const { path, changed } of mutations(inclusionReplyOf(2, 3))) {
      if (/^\/-(leaf_index|hashes|checkpoint)$/.test(path)) continue; // that is no evidence any more
      expect(verifyOne(changed).verdict, path).not.toBe('valid');
    }
  });
});

describe('a proof file of the notary log', () => {
  const keys = witnesses.map((witness) => parseVerifierKey(vkeyOf(witness))!);
  const trust = { witnesses: keys, quorum: 3, origin: BASE };

  test('is valid under its witnesses, and says that it names nothing', () => {
    const report = verifyOne(notaryProofOf(3), { trust });
    expect(failures(report)).toEqual([]);
    expect(holds(report)).toContain('3 of 3 witnesses have cosigned the checkpoint');
    expect(report.doesNotProve.join()).toContain('whose checkpoint it is');
  });

  test('is tied to the checkpoint of a stream given beside it, alone or inside a proof', () => {
    for (const beside of [checkpointOf(3), tlogProofOf(2, 3)]) {
      const [report] = verifyAll([notaryProofOf(3), beside]);
      expect(failures(report!)).toEqual([]);
      expect(report!.steps).toContainEqual({
        what: 'the entry is that of a checkpoint given beside it',
        ok: true,
        detail: `size 3 of ${ORIGIN}`,
      });
    }
    const [other] = verifyAll([notaryProofOf(3), checkpointOf(4)]);
    expect(other!.doesNotProve.join()).toContain('whose checkpoint it is');
  });

  test('is not tied to the checkpoint of another service, nor taken from another log', () => {
    const elsewhere = checkpointOf(3, { origin: `other.example/ves/${TENANT}/${STORE}` });
    const [report] = verifyAll([notaryProofOf(3), elsewhere]);
    expect(report!.doesNotProve.join()).toContain('whose checkpoint it is');
    const checkpoint = checkpointOf(5, { log: { ...notary, origin: `${BASE}/${AGENT}` } });
    expect(failures(verifyOne(change(notaryProofOf(3), { checkpoint })))[0]).toContain(
      'the log is a notary log',
    );
  });

  test('is not valid with the entry of another size', () => {
    const bad = change(notaryProofOf(3), { extra: notaryEntryOf(4) });
    expect(failures(verifyOne(bad))).toEqual(["the entry stands in the checkpoint's tree: leaf 2 of 5"]);
  });
});

describe('witnesses', () => {
  const keys = witnesses.map((witness) => parseVerifierKey(vkeyOf(witness))!);
  const trust = { witnesses: keys, quorum: 2, origin: BASE };
  const covered = '2 of 3 witnesses have cosigned a checkpoint of the notary log that covers this one';

  test.each<[string, unknown, unknown]>([
    ['a proof file', tlogProofOf(2, 3), notaryProofOf(3)],
    ['a proof file, in JSON', tlogProofOf(2, 3), notaryReplyOf(3)],
    ['an event with its receipts', replyOf(2, 3), notaryReplyOf(3)],
    ['a checkpoint', checkpointOf(3), notaryProofOf(3)],
    ['a COSE receipt', coseInclusionOf(2, 3), notaryProofOf(3)],
    ['an inclusion proof', inclusionReplyOf(2, 3), notaryProofOf(3)],
  ])('vouch for streams through the notary log: %s', (_, content, proof) => {
    for (const files of [
      [content, proof],
      [proof, content],
    ]) {
      const reports = verifyAll(files, { trust, ...own });
      expect(reports.flatMap(failures)).toEqual([]);
      expect(reports.flatMap(holds)).toContain(covered);
    }
  });

  test('cannot vouch for an event receipt alone', () => {
    const { group_receipt: _, ...reply } = replyOf(2);
    for (const content of [reply, { receipts: [reply.receipt] }]) {
      const report = verifyOne(content, { ...own, trust });
      expect([report.verdict, report.missing]).toEqual([
        'unjudged',
        [expect.stringContaining('witnesses vouch for')],
      ]);
    }
  });

  test('vouch for no other size, and not without their quorum', () => {
    const cose = verifyAll([coseInclusionOf(2, 4), notaryProofOf(3)], { trust, ...own });
    expect(failures(cose[0]!)).toEqual([`${covered}: no proof was given that it does, at this size`]);
    const other = verifyAll([tlogProofOf(2, 4), notaryProofOf(3)], { trust });
    expect(failures(other[0]!)[0]).toContain('no proof was given that a notary log they cosigned covers it');
    const strangers = { ...trust, witnesses: keys.map((key) => ({ ...key, publicKey: stranger.publicKey })) };
    const none = verifyAll([tlogProofOf(2, 3), notaryProofOf(3)], { trust: strangers });
    expect(none.map(({ verdict }) => verdict)).toEqual(['invalid', 'invalid']);
  });

  test('vouch for the streams of the service whose notary log they cosigned only', () => {
    const checkpoint = checkpointOf(5, {
      log: { ...notary, origin: 'other.example/notary' },
      cosignedBy: witnesses,
    });
    const elsewhere = change(notaryProofOf(3), { checkpoint });
    const { origin: _, ...anywhere } = trust;
    const [report, proof] = verifyAll([tlogProofOf(2, 3), elsewhere], { trust: anywhere });
    expect([report!.verdict, proof!.verdict]).toEqual(['invalid', 'valid']);
  });

  test("show a stream's root that differs from the notarised one", () => {
    const forked = checkpointOf(3, { root: new Uint8Array(32) });
    expect(verifyAll([notaryReplyOf(3), forked]).at(-1)).toMatchObject({
      kind: 'split view',
      verdict: 'invalid',
    });
  });

  test("do not vouch for a body that is not the entry's", () => {
    const reply = { ...notaryReplyOf(3), checkpoint_body: notaryReplyOf(4).checkpoint_body, tree_size: 4 };
    expect(failures(verifyOne(reply))[0]).toContain("the entry is that of the stream's checkpoint");
    expect(failures(verifyOne({ ...notaryReplyOf(3), tree_size: 4 }))).toEqual([
      'the checkpoint of the stream is well-formed',
    ]);
    expect(failures(verifyOne({ ...notaryReplyOf(3), proof: tlogProofOf(1) }))[0]).toContain(
      'no entry of a notary',
    );
  });
});
