import { describe, expect, test } from 'vitest';
import {
  buildLegacyTree,
  concatBytes,
  encodeHex,
  legacyLeaf,
  legacyPayloadHash,
  parseUuid,
  proveLegacyInclusion,
} from '../../engine/protocol/index.js';
import { failures, holds, mutations, verifyAll, verifyOne } from './support.js';
import { AGENT, commitments, events, STORE, TENANT, vesProofOf } from './world.js';

const own = { events: [events[2]!.envelope] };
const root = (hex: string) => Buffer.from(hex, 'hex');

describe('a proof of inclusion in a VES commitment', () => {
  test('is valid with event and commitment, for every event', () => {
    for (const n of [1, 2, 3, 4, 5]) {
      const files = [vesProofOf(n), ...commitments];
      const reports = verifyAll(files, { events: [events[n - 1]!.envelope] });
      expect(reports.flatMap(failures), String(n)).toEqual([]);
    }
    expect(holds(verifyAll([vesProofOf(3), commitments[0]], own)[0]!)).toEqual([
      'the path leads from the leaf to the Merkle root',
      'the directions are those of the leaf index',
      'the leaf is that of the given event under its number',
      'the root is that of the given commitment',
      'the leaf stands where its number puts it in the commitment',
      'the path is as long as the tree is high',
    ]);
  });

  test('says what it leaves open on its own', () => {
    const report = verifyOne(vesProofOf(3));
    expect(report.verdict).toBe('valid');
    expect(report.doesNotProve.join()).toMatch(/which event the leaf is.*not signed/);
  });

  test('is tied to a root that the user trusts', () => {
    const trusted = { roots: [root(commitments[0].merkle_root)] };
    expect(verifyOne(vesProofOf(3), trusted).verdict).toBe('valid');
    expect(verifyOne(vesProofOf(3), trusted).doesNotProve.join()).not.toContain('not signed');
    expect(failures(verifyOne(vesProofOf(4), trusted))[0]).toContain('the root is one that you trust');
  });

  test('is not valid for another event', () => {
    expect(failures(verifyOne(vesProofOf(2), own))).toEqual([
      'the leaf is that of the given event under its number: number 2',
    ]);
  });

  test('is not valid with anything changed', () => {
    for (const { path, changed } of mutations(vesProofOf(3))) {
      if (/batch_id|-directions|^\/-merkle_root|^\/-proof_path/.test(path)) continue;
      expect(verifyAll([changed, commitments[0]], own)[0]!.verdict, path).toBe('invalid');
    }
  });

  test('does not let a proof of another commitment pass for one of this', () => {
    const proof = { ...vesProofOf(4), batch_id: commitments[0].batch_id };
    const [report] = verifyAll([proof, commitments[0]]);
    expect(failures(report!).map((text) => text.split(':')[0])).toEqual([
      'the root is that of the given commitment',
      'the leaf stands where its number puts it in the commitment',
      'the path is as long as the tree is high',
    ]);
  });
});

describe('VES commitments', () => {
  test('are valid one by one and as a chain, also as the list that the service gives', () => {
    expect(verifyAll(commitments).map(({ verdict }) => verdict)).toEqual(['valid', 'valid', 'valid']);
    const list = { commitments: commitments.map((each) => ({ ...each, is_anchored: false })), count: 2 };
    const reports = verifyAll([list]);
    expect(reports.map(({ kind }) => kind)).toEqual([
      'VES commitment',
      'VES commitment',
      'chain of commitments',
    ]);
    expect(reports.flatMap(failures)).toEqual([]);
  });

  test('are not valid with anything changed that the state root covers', () => {
    for (const { path, changed } of mutations(commitments[1])) {
      if (
        /batch_id|ves_version|committed_at|-tree_depth|-padded_leaf_count|^\/-(merkle|new_state)_root/.test(
          path,
        )
      )
        continue;
      expect(verifyOne(changed).verdict, path).toBe('invalid');
    }
  });

  test('are not a chain when a state root is not continued, ranges overlap, or one is missing', () => {
    const [first, second] = commitments;
    const reset = { ...second, prev_state_root: '00'.repeat(32) };
    expect(verifyAll([first, reset]).flatMap(failures).join()).toContain('continues the state root');
    const inside = { ...second, sequence_start: 3, sequence_end: 4 };
    expect(verifyAll([first, inside]).flatMap(failures).join()).toContain('cover different numbers');
    const later = { ...second, sequence_start: 6, sequence_end: 7 };
    const chain = verifyAll([first, later, first]).at(-1)!;
    expect([chain.kind, chain.verdict]).toEqual(['chain of commitments', 'valid']);
    expect(chain.doesNotProve).toEqual(['anything about the numbers 4 to 5: no commitment given']);
  });
});

describe('the older stream', () => {
  const tenantStore = concatBytes(parseUuid(TENANT)!, parseUuid(STORE)!);
  const legacyEvent = (n: number) => {
    const payloadHash = legacyPayloadHash(`{"amount":1.0,"n":${n}}`);
    const text = `{"event_id":"0199c0de-0000-7000-8000-00000000001${n}","tenant_id":"${TENANT}","store_id":"${STORE}",
      "source_agent":"${AGENT}","entity_type":"order","entity_id":"o-${n}","event_type":"order.paid",
      "created_at":"2026-03-01T11:59:59Z","payload":{"amount":1.0,"n":${n}},"payload_hash":"${encodeHex(payloadHash)}"}`;
    const leaf = legacyLeaf({
      tenantStore,
      sequenceNumber: n,
      payloadHash,
      entityType: 'order',
      entityId: `o-${n}`,
    });
    return { text, leaf };
  };
  const all = [1, 2, 3, 4, 5].map(legacyEvent);
  const tree = buildLegacyTree(concatBytes(...all.map(({ leaf }) => leaf)));
  const eventsRoot = encodeHex(tree.levels.at(-1)!);
  const commitment = {
    batch_id: commitments[0].batch_id,
    tenant_id: TENANT,
    store_id: STORE,
    prev_state_root: '00'.repeat(32),
    new_state_root: '11'.repeat(32),
    events_root: eventsRoot,
    event_count: 5,
    sequence_start: 1,
    sequence_end: 5,
  };
  const proofOf = (n: number) => {
    const { path, directions } = proveLegacyInclusion(tree, n - 1);
    return {
      sequence_number: n,
      batch_id: commitment.batch_id,
      events_root: eventsRoot,
      leaf_hash: encodeHex(all[n - 1]!.leaf),
      leaf_index: n - 1,
      proof_path: path.map((hash) => encodeHex(hash)),
      directions,
    };
  };

  test('has proofs that are valid with event and commitment, for every event', () => {
    for (const n of [1, 2, 3, 4, 5]) {
      const reports = verifyAll([proofOf(n), commitment], { events: [all[n - 1]!.text] });
      expect(reports.flatMap(failures), String(n)).toEqual([]);
      expect(holds(reports[0]!)).toContain('the leaf is that of the given event under its number');
      expect(holds(reports[0]!)).toContain('the payload has the hash that the event states');
    }
  });

  test('has proofs that are not valid with anything changed', () => {
    for (const { path, changed } of mutations(proofOf(2))) {
      if (/batch_id|-directions|^\/-events_root|^\/-proof_path/.test(path)) continue;
      const [report] = verifyAll([changed, commitment], { events: [all[1]!.text] });
      expect(report!.verdict, path).toBe('invalid');
    }
  });

  test('notices a payload that is not the hashed one, numbers as they were written', () => {
    const changed = all[1]!.text.replace('1.0', '1');
    expect(failures(verifyOne(proofOf(2), { events: [changed] }))).toEqual([
      'the payload has the hash that the event states',
    ]);
  });

  test('has commitments whose numbers have to fit', () => {
    expect(verifyOne(commitment).verdict).toBe('valid');
    expect(verifyOne({ ...commitment, event_count: 4 }).verdict).toBe('invalid');
    expect(verifyOne({ ...commitment, events_root: 'x' }).verdict).toBe('invalid');
  });
});
