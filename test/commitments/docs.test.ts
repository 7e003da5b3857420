import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  buildVesTree,
  encodeHex,
  legacyLeaf,
  legacyStateRoot,
  treeRoot,
  vesPadLeaf,
  vesStateRoot,
  vesStreamId,
} from '../../engine/protocol/index.js';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const http = read('http.md');
const commitments = read('commitments.md');

/** JSON blocks below a heading of http.md. */
const blocks = (heading: string) => {
  const start = http.indexOf(`\n### \`${heading}\`\n`);
  expect(start, heading).toBeGreaterThan(0);
  const text = http.slice(start + 5, http.indexOf('\n#', start + 5));
  return [...text.matchAll(/```json\n([\s\S]*?)```/g)].map((block) => JSON.parse(block[1]!));
};
const row = (text: string, name: string) => {
  const value = new RegExp(`^\\| ${name} \\|.*\`([0-9a-f]{64,128})\``, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`no row for ${name}`);
  return value;
};
const bytes = (hex: string) => Buffer.from(hex.replaceAll('-', ''), 'hex');

const [, commitment] = blocks('POST /api/v1/ves/commitments');
const [proof] = blocks('GET /api/v1/ves/proofs/:sequence_number');
const event = {
  tenant_id: commitment.tenant_id,
  store_id: commitment.store_id,
  signing_hash: row(http, 'signing hash'),
  agent_signature: row(http, "agent's signature"),
};

describe('the script in docs/commitments.md', () => {
  const script = /```js\n([\s\S]*?)```/.exec(commitments)![1]!;
  function run(changes: { event?: object; proof?: object; commitment?: object } = {}): string[] {
    const directory = mkdtempSync(join(tmpdir(), 'check-proof-'));
    const write = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const files = [
      write('check-proof.mjs', script),
      write('event.json', JSON.stringify({ ...event, ...changes.event })),
      write('proof.json', JSON.stringify({ ...proof, ...changes.proof })),
      write('commitment.json', JSON.stringify({ ...commitment, ...changes.commitment })),
    ];
    try {
      return execFileSync(process.execPath, files, { encoding: 'utf8' }).trim().split('\n');
    } catch (failure) {
      return (failure as { stdout: string }).stdout.trim().split('\n');
    }
  }
  const wrong = (lines: string[]) =>
    lines.filter((line) => !line.startsWith('ok ')).map((line) => line.slice(5));

  test('accepts the example of docs/http.md', () => {
    const lines = run();
    expect(lines).toHaveLength(6);
    expect(wrong(lines)).toEqual([]);
  });

  test('finds what does not fit', () => {
    expect(wrong(run({ event: { signing_hash: '00'.repeat(32) } }))).toEqual([
      'the leaf is this event',
      'the path leads to the Merkle root',
    ]);
    expect(wrong(run({ proof: { leaf_index: 1 } }))).toEqual([
      'its place follows from its number',
      'the path leads to the Merkle root',
    ]);
    expect(wrong(run({ commitment: { leaf_count: 4 } }))).toEqual([
      'the state root follows from the one before',
    ]);
    expect(wrong(run({ commitment: { prev_state_root: '11'.repeat(32) } }))).toEqual([
      'the state root follows from the one before',
    ]);
  });
});

test('the worked values of docs/commitments.md are what the code computes', () => {
  const value = (name: string) => row(commitments, name);
  const leaves = [1, 2, 3, 4, 5].map((n) => bytes(value(`leaf ${n}`)));
  expect(value('padding')).toBe(encodeHex(vesPadLeaf()));
  const streamId = vesStreamId(
    Buffer.from('00000000000000000000000000000001'.concat('00000000000000000000000000000002'), 'hex'),
  );
  expect(value('stream id')).toBe(encodeHex(streamId));
  let prevStateRoot: Uint8Array = new Uint8Array(32);
  for (const [from, to] of [
    [1, 3],
    [4, 5],
  ] as const) {
    const merkleRoot = treeRoot(buildVesTree(Buffer.concat(leaves.slice(from - 1, to))));
    expect(value(`Merkle root of ${from} to ${to}`)).toBe(encodeHex(merkleRoot));
    const leafCount = to - from + 1;
    prevStateRoot = vesStateRoot({
      streamId,
      prevStateRoot,
      merkleRoot,
      sequenceStart: from,
      sequenceEnd: to,
      leafCount,
    });
    expect(value(`state root after ${from} to ${to}`)).toBe(encodeHex(prevStateRoot));
  }
});

test('the legacy example of docs/http.md follows from the event shown above it', () => {
  const [made] = blocks('POST /api/v1/commitments');
  const [stored] = blocks('GET /api/v1/commitments/:batch_id');
  const [legacyProof] = blocks('GET /api/v1/proofs/:sequence_number');
  const [page] = blocks('GET /api/v1/events');
  const { envelope } = page.events[0];
  const tenantStore = Buffer.concat([bytes(envelope.tenant_id), bytes(envelope.store_id)]);
  const leaf = legacyLeaf({
    tenantStore,
    sequenceNumber: envelope.sequence_number,
    payloadHash: bytes(envelope.payload_hash),
    entityType: envelope.entity_type,
    entityId: envelope.entity_id,
  });
  expect(made.events_root).toBe(encodeHex(leaf));
  expect(legacyProof).toMatchObject({ leaf_hash: encodeHex(leaf), proof_path: [], batch_id: made.batch_id });
  expect(stored).toMatchObject(made);
  // Three VES orders, and the legacy one.
  const entities = ['o-1', 'o-2', 'o-3', 'o-9'].map((entityId) => ({
    entityType: 'order',
    entityId,
    version: 1,
  }));
  expect(made.new_state_root).toBe(encodeHex(legacyStateRoot(tenantStore, entities)));
});

test('the examples of one commitment agree', () => {
  const [{ commitments: listed }] = blocks('GET /api/v1/ves/commitments');
  expect(listed).toEqual([{ ...commitment, is_anchored: false }]);
  const [verified, verdict] = blocks('POST /api/v1/ves/proofs/verify');
  expect(proof).toMatchObject(verified);
  expect(verdict).toEqual({ valid: true, leaf_hash: proof.leaf_hash, merkle_root: commitment.merkle_root });
  const [pending] = blocks('GET /v1/commitments/pending');
  expect(pending.commitments[0]).toMatchObject({
    batch_id: commitment.batch_id,
    new_state_root: `0x${commitment.new_state_root}`,
    events_root: `0x${commitment.merkle_root}`,
    event_count: commitment.leaf_count,
  });
});
