import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  formatVerifierKey,
  leafHash,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  parseCheckpoint,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from '../../engine/log/index.js';
import { concatBytes, DOMAIN, parseUuid, writeU64 } from '../../engine/protocol/index.js';
import { hashNode, sha256Into } from '../transparency/log-support.js';

const http = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');
const transparency = readFileSync(new URL('../../docs/transparency.md', import.meta.url), 'utf8');
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** The blocks below a heading, up to the next heading. */
function blocks(heading: string, language: string): string[] {
  const start = http.indexOf(`\n${heading}\n`);
  expect(start, heading).toBeGreaterThan(0);
  const rest = http.slice(start + heading.length + 2);
  const section = rest.slice(0, rest.search(/^#/m) >>> 0);
  return [...section.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text]) => text!,
  );
}
// biome-ignore lint/suspicious/noExplicitAny: examples of every shape
const json = (heading: string): any[] => blocks(heading, 'json').map((text) => JSON.parse(text));

/** Origin, size and root of a note whose signature is abridged. */
function textOf(note: string) {
  const checkpoint = parseCheckpoint(note.slice(0, note.indexOf('\n\n') + 1));
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  return checkpoint;
}

const [request, answer] = json('### `POST /api/v1/ves/events/ingest`');
const [event] = request.events;
const row = (name: string) => new RegExp(`^\\| ${name} \\| \`(.*)\` \\|$`, 'm').exec(http)![1]!;
const number = new Uint8Array(8);
writeU64(number, 0, answer.receipts[0].sequenceNumber);
/** The log entry of the event in the worked example. */
const entry = concatBytes(
  DOMAIN.leaf,
  parseUuid(event.tenant_id)!,
  parseUuid(event.store_id)!,
  number,
  unhex(row('signing hash')),
  unhex(row("agent's signature")),
);
const leaf = leafHash(entry, sha256Into);

test('the group receipts of docs/http.md are those of its worked example', () => {
  const [ofIngest] = answer.groupReceipts;
  const [, ofLookUp] = json('### `GET /api/v1/ves/events/:event_id`');
  const [proof] = ofIngest.proofs;
  const path = proof.path.map((place: number) => unhex(ofIngest.hashes[place]));
  const root = rootFromInclusion(leaf, proof.leafIndex, ofIngest.treeSize, path, hashNode)!;
  expect(ofIngest.rootHash).toBe(hex(root));
  expect(textOf(ofIngest.checkpoint)).toEqual({
    origin: `localhost/log/${event.tenant_id}/${event.store_id}`,
    size: ofIngest.treeSize,
    root,
    extensions: [],
  });
  expect(ofLookUp).toEqual({
    checkpoint: ofIngest.checkpoint,
    tree_size: ofIngest.treeSize,
    root_hash: hex(root),
    leaf_index: 0,
    leaf_hash: hex(leaf),
    hashes: ofIngest.hashes,
  });
});

test('the proofs of docs/http.md hold', () => {
  const [inclusion] = json('### `GET /api/v1/log/inclusion`');
  const path = inclusion.hashes.map(unhex);
  const root = unhex(inclusion.root);
  expect(verifyInclusion(leaf, inclusion.leaf_index, inclusion.tree_size, path, root, hashNode)).toBe(true);
  expect(inclusion.leaf_hash).toBe(hex(leaf));
  expect(textOf(inclusion.checkpoint)).toMatchObject({ size: inclusion.tree_size, root });

  const [consistency] = json('### `GET /api/v1/log/consistency`');
  const { from, to } = consistency;
  expect(verifyConsistency(from, leaf, to, root, consistency.hashes.map(unhex), hashNode)).toBe(true);

  const [note] = blocks('### `GET /api/v1/log/checkpoint`', '');
  expect(note).toBe(inclusion.checkpoint);
  const [file] = blocks('### `GET /api/v1/log/proof/:event_id`', '');
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  expect(file).toBe(
    ['c2sp.org/tlog-proof@v1', `extra ${base64(entry)}`, 'index 0', ...path.map(base64), '', note].join('\n'),
  );
});

test('the verifier keys of the documents follow from their names', () => {
  const [wellKnown] = json('### `GET /.well-known/ves-sequencer`');
  const publicKey = unhex(wellKnown.public_keys[0].public_key);
  const { log } = wellKnown;
  expect(log.verifier_keys).toEqual([formatVerifierKey(log.notary_origin, NOTE_ED25519, publicKey)]);
  const stream = `${log.origin}/${event.tenant_id}/${event.store_id}`;
  expect(transparency).toContain(`\n${formatVerifierKey(stream, NOTE_ED25519, publicKey)}\n`);
  const [status] = json('### `GET /api/v1/log/notary/witnesses`');
  const [{ verifier_key }] = status.witnesses;
  const raw = Buffer.from(verifier_key.split('+').slice(2).join('+'), 'base64').subarray(1);
  expect(verifier_key).toBe(formatVerifierKey('witness.example/w1', NOTE_COSIGNATURE, raw));
});

test('the links into docs/transparency.md lead somewhere', () => {
  const anchors = [...transparency.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-'),
  );
  const links = [
    ...transparency.matchAll(/\]\(#([^)]+)\)/g),
    ...http.matchAll(/\]\(transparency\.md#([^)]+)\)/g),
  ];
  expect(links.length).toBeGreaterThan(10);
  for (const [, anchor] of links) expect(anchors).toContain(anchor);
});
