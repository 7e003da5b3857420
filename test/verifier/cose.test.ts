import { describe, expect, test } from 'vitest';
import { failures, holds, verifyAll, verifyOne } from './support.js';
import {
  BASE,
  checkpointOf,
  coseConsistencyOf,
  coseInclusionOf,
  events,
  laterSequencer,
  ORIGIN,
  sequencer,
  stranger,
  stream,
} from './world.js';

const own = { events: [events[1]!.envelope] };
const roots = [stream.roots(0, 2), stream.roots(0, 5)];

describe('a COSE receipt of inclusion', () => {
  test('is valid for the given event', () => {
    const report = verifyOne(coseInclusionOf(2), { ...own, trust: { origin: BASE } });
    expect(report.verdict).toBe('valid');
    expect(holds(report)).toEqual([
      'the receipt is of the expected origin',
      "the log is that of the event's stream",
      "the path leads from the event's entry to a root",
      "the sequencer's key has signed the root",
    ]);
  });

  test('does not prove the size of the tree: another size may have a path of the same shape', () => {
    const other = { ...own, trust: { origin: BASE } };
    const encoded = Buffer.from(coseInclusionOf(2));
    const proof = encoded.indexOf(Buffer.of(0x83, 5, 1));
    expect(proof).toBeGreaterThan(0);
    encoded[proof + 1] = 6;
    const report = verifyOne(encoded, other);
    expect(report.verdict).toBe('valid');
    expect(report.doesNotProve).toContain(
      'the size of the tree: the signature of a COSE receipt covers the root only',
    );
  });

  test('finds its event among several', () => {
    const all = events.map(({ envelope }) => envelope);
    expect(verifyOne(coseInclusionOf(4), { events: all }).verdict).toBe('valid');
  });

  test('is not valid for another event, or one of another stream', () => {
    expect(failures(verifyOne(coseInclusionOf(3), own))).toEqual([
      "the sequencer's key has signed the root: it has signed another root, or the receipt was changed",
    ]);
    const elsewhere = { ...events[1]!.envelope, store_id: '00000000-0000-4000-8000-000000000000' };
    expect(failures(verifyOne(coseInclusionOf(2), { events: [elsewhere] }))[0]).toContain(
      "the log is that of the event's stream",
    );
  });

  test('could not be judged without event or key', () => {
    expect(verifyOne(coseInclusionOf(2)).missing).toEqual([
      'a receipt of inclusion carries no entry: give the event it is about (--event)',
    ]);
    const none = verifyOne(coseInclusionOf(2), { ...own, trust: { sequencerKeys: [] } });
    expect(none.missing).toEqual(['no key of the sequencer was given']);
    const other = verifyOne(coseInclusionOf(2, 5, laterSequencer), own);
    expect([other.verdict, other.missing]).toEqual([
      'unjudged',
      ['the key that signed the receipt is not among the given keys of the sequencer'],
    ]);
  });

  test('is checked with the key it names, whatever its version', () => {
    const keys = [stranger, sequencer, laterSequencer].map(({ publicKey }, version) => ({
      version,
      publicKey,
    }));
    const receipt = coseInclusionOf(2, 5, laterSequencer);
    expect(verifyOne(receipt, { ...own, trust: { sequencerKeys: keys } }).verdict).toBe('valid');
  });

  test('is not valid under another origin, or with any bit changed', () => {
    expect(failures(verifyOne(coseInclusionOf(2), { ...own, trust: { origin: 'other.example' } }))).toEqual([
      `the receipt is of the expected origin: ${ORIGIN}`,
    ]);
    const bytes = coseInclusionOf(2);
    for (let i = 2; i < bytes.length; i++) {
      const bad = bytes.slice();
      bad[i]! ^= 1 << (i % 8);
      expect(verifyOne(bad, own).verdict, `byte ${i}`).not.toBe('valid');
    }
  });
});

describe('a COSE receipt of consistency', () => {
  test('is valid between two checkpoints, which are verified as well', () => {
    const [receipt, ...others] = verifyAll([coseConsistencyOf(2, 5), checkpointOf(5), checkpointOf(2)]);
    expect(failures(receipt!)).toEqual([]);
    expect([receipt!, ...others].map(({ verdict }) => verdict)).toEqual(['valid', 'valid', 'valid']);
  });

  test('is valid between two roots, the older one first', () => {
    expect(verifyOne(coseConsistencyOf(2, 5), { roots }).verdict).toBe('valid');
    expect(failures(verifyOne(coseConsistencyOf(2, 5), { roots: [...roots].reverse() }))[0]).toContain(
      'the newer tree begins with the older one',
    );
  });

  test('needs one root only from the empty tree', () => {
    expect(verifyOne(coseConsistencyOf(0, 5), { roots: roots.slice(1) }).verdict).toBe('valid');
    expect(verifyAll([coseConsistencyOf(0, 5), checkpointOf(5)])[0]!.verdict).toBe('valid');
  });

  test('could not be judged without its roots, or with those of another log', () => {
    expect(verifyOne(coseConsistencyOf(2, 5)).missing[0]).toContain('the roots at the sizes 2 and 5');
    const origin = 'other.example/log';
    const [receipt] = verifyAll([
      coseConsistencyOf(2, 5),
      checkpointOf(2, { origin }),
      checkpointOf(5, { origin }),
    ]);
    expect(receipt!.verdict).toBe('unjudged');
  });

  test('is not valid between other roots', () => {
    const wrong = [stream.roots(0, 3), stream.roots(0, 5)];
    expect(verifyOne(coseConsistencyOf(2, 5), { roots: wrong }).verdict).toBe('invalid');
  });
});
