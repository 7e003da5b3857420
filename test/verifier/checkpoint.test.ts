import { describe, expect, test } from 'vitest';
import { parseVerifierKey } from '../../engine/log/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { failures, holds, verifyAll, verifyOne } from './support.js';
import {
  BASE,
  checkpointOf,
  consistencyOf,
  laterSequencer,
  notary,
  ORIGIN,
  sequencer,
  stranger,
  tlogProofOf,
  vkeyOf,
  witnesses,
} from './world.js';

const keys = witnesses.map((witness) => parseVerifierKey(vkeyOf(witness))!);
const proofOf = (from: number, to: number) => ({
  from,
  to,
  hashes: consistencyOf(from, to).map((hash) => encodeHex(hash)),
});

describe('a checkpoint', () => {
  test('is valid under the key of the sequencer, whichever of the given ones it is', () => {
    const sequencerKeys = [stranger, sequencer, laterSequencer].map(({ publicKey }, version) => ({
      version,
      publicKey,
    }));
    for (const signer of [sequencer, laterSequencer]) {
      const report = verifyOne(checkpointOf(5, { signer }), { trust: { sequencerKeys, origin: ORIGIN } });
      expect(report.verdict).toBe('valid');
    }
    expect(verifyOne(checkpointOf(5)).doesNotProve.join()).toContain(
      'the origin was taken from the checkpoint',
    );
  });

  test('could not be judged when its key is not known', () => {
    expect(verifyOne(checkpointOf(5, { signer: stranger })).missing).toEqual([
      'the key that signed the checkpoint is not among the given keys of the sequencer',
    ]);
    expect(verifyOne(checkpointOf(5), { trust: { sequencerKeys: [] } }).missing).toEqual([
      'no key of the sequencer was given',
    ]);
  });

  test('is not valid when nobody signed it under its own origin', () => {
    const report = verifyOne(checkpointOf(5).replace(ORIGIN, 'other.example/log'));
    expect(failures(report)[0]).toContain('no signature under the name of its origin');
  });

  test('is not valid with any character of its text changed', () => {
    const note = checkpointOf(5);
    for (let i = 0; i < note.indexOf('\n\n'); i++) {
      const bad = note.slice(0, i) + String.fromCharCode(note.charCodeAt(i) ^ 1) + note.slice(i + 1);
      expect(verifyOne(bad).verdict, `character ${i}`).toBe('invalid');
    }
  });

  test('counts witnesses by key, up to the quorum', () => {
    const judge = (cosignedBy: typeof witnesses, quorum: number, trusted = keys) =>
      verifyOne(checkpointOf(5, { log: notary, cosignedBy }), { trust: { witnesses: trusted, quorum } });
    expect(judge(witnesses, 3).verdict).toBe('valid');
    expect(judge(witnesses.slice(1), 2).verdict).toBe('valid');
    const step = judge(witnesses.slice(1), 3).steps.at(-1)!;
    expect([step.ok, step.what]).toEqual([false, '3 of 3 witnesses have cosigned the checkpoint']);
    expect(step.detail).toBe(
      'witness.example/w1 at 2026-03-01T12:01:40Z, witness.example/w2 at 2026-03-01T12:01:40Z',
    );
    // One key under two names is one witness.
    const alias = { ...witnesses[0]!, name: 'witness.example/alias' };
    const both = [keys[0]!, parseVerifierKey(vkeyOf(alias))!];
    expect(judge([witnesses[0]!, alias], 1, both).verdict).toBe('valid');
    expect(judge([witnesses[0]!, alias], 2, both).verdict).toBe('invalid');
    // Unknown witnesses do not count.
    expect(failures(judge(witnesses, 1, [parseVerifierKey(vkeyOf(alias))!]))[0]).toContain(
      'none of them has',
    );
  });

  test('is not valid when a cosignature is wrong, though the log’s own signature is good', () => {
    const good = checkpointOf(5, { log: notary, cosignedBy: witnesses });
    const bad = good.replace(/A(?=[^\n]{3}\n$)/, 'B');
    const changed =
      bad === good ? good.replace(/.(?=[^\n]{9}\n$)/, (char) => (char === 'A' ? 'B' : 'A')) : bad;
    const report = verifyOne(changed, { trust: { witnesses: keys, quorum: 1 } });
    expect(holds(report)).toEqual(['the log has signed the checkpoint']);
    expect(failures(report)[0]).toContain('The signature of witness.example/w2 is wrong');
  });

  test('that is malformed says why', () => {
    expect(failures(verifyOne(checkpointOf(5).replace('\n5\n', '\n05\n')))[0]).toContain('tree size');
  });
});

describe('a consistency proof', () => {
  test('is valid between any two sizes, with the checkpoints in any order', () => {
    for (let from = 0; from <= 5; from++)
      for (let to = Math.max(from, 1); to <= 5; to++) {
        const files = [checkpointOf(to), proofOf(from, to), checkpointOf(from)];
        const reports = verifyAll(files, { trust: { origin: BASE } });
        expect(
          reports.map(({ verdict }) => verdict),
          `${from} to ${to}`,
        ).toEqual(['valid']);
      }
  });

  test('is valid in one file with its checkpoints', () => {
    const { hashes } = proofOf(2, 5);
    const bundle = { old: checkpointOf(2), new: checkpointOf(5), hashes };
    expect(verifyOne(bundle).verdict).toBe('valid');
    expect(failures(verifyOne({ ...bundle, old: checkpointOf(3) }))).toEqual([
      'the newer tree begins with the older one: sizes 3 and 5',
    ]);
    expect(failures(verifyOne({ ...bundle, hashes: hashes.slice(1) }))).toHaveLength(1);
  });

  test('could not be judged without its checkpoints', () => {
    expect(verifyOne(proofOf(2, 5)).verdict).toBe('unjudged');
    expect(verifyAll([proofOf(2, 5), checkpointOf(2)])[0]!.verdict).toBe('unjudged');
  });

  test('is not valid between checkpoints of other sizes, of different logs, or with a wrong hash', () => {
    const judge = (...files: unknown[]) => failures(verifyAll(files)[0]!);
    expect(judge(proofOf(2, 5), checkpointOf(3), checkpointOf(5))).toEqual([
      'the proof leads between the sizes of the checkpoints: 2 to 5',
    ]);
    expect(judge(proofOf(2, 5), checkpointOf(2, { origin: 'x.example/log' }), checkpointOf(5))[0]).toContain(
      'both checkpoints are of one log',
    );
    const proof = proofOf(2, 5);
    for (const i of proof.hashes.keys()) {
      const hashes = proof.hashes.with(i, encodeHex(new Uint8Array(32)));
      expect(judge({ ...proof, hashes }, checkpointOf(2), checkpointOf(5))).toHaveLength(1);
    }
    expect(judge({ ...proof, hashes: ['zz'] }, checkpointOf(2), checkpointOf(5))).toEqual([
      'the consistency proof is well-formed',
    ]);
    expect(judge({ ...proof, from: '2' }, checkpointOf(2), checkpointOf(5))).toEqual([
      'the consistency proof is well-formed',
    ]);
  });

  test('is not valid when one of its checkpoints is not signed', () => {
    const forged = checkpointOf(2).replace(/ [^ \n]*=\n$/, ` ${Buffer.alloc(68).toString('base64')}\n`);
    expect(verifyAll([proofOf(2, 5), forged, checkpointOf(5)])[0]!.verdict).toBe('unjudged');
  });
});

describe('several checkpoints together', () => {
  test('show a log that signed two roots at one size', () => {
    const forked = checkpointOf(5, { root: new Uint8Array(32) });
    const reports = verifyAll([checkpointOf(5), checkpointOf(4), forked]);
    expect(reports.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['checkpoint', 'valid'],
      ['checkpoint', 'valid'],
      ['checkpoint', 'valid'],
      ['split view', 'invalid'],
    ]);
    expect(failures(reports.at(-1)!)[0]).toContain(`${ORIGIN} has two roots at size 5`);
    expect(verifyAll([tlogProofOf(2), forked]).at(-1)!.kind).toBe('split view');
  });

  test('are no split view when they agree, or when one is not signed by the log', () => {
    expect(verifyAll([checkpointOf(5), checkpointOf(5), tlogProofOf(1)])).toHaveLength(3);
    const foreign = checkpointOf(5, { root: new Uint8Array(32), signer: stranger });
    expect(verifyAll([checkpointOf(5), foreign])).toHaveLength(2);
  });
});
