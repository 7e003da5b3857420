import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  canonicalize,
  encodeHex,
  eventSigningHash,
  packFixedFields,
  parseVesEnvelope,
  payloadPlainHash,
  portableSha256,
  publicKeyFromSeed,
  type ReceiptJson,
  receiptHash,
  type Sha256,
  signEd25519,
  type VesEnvelopeJson,
  verifyReceipt,
} from '../../engine/protocol/index.js';
import { connectDatabase } from '../../engine/store/connection.js';
import { allRoutes } from './support.js';

const doc = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8');

/** The text below a heading, up to the next one of any level. */
function section(heading: string): string {
  const start = doc.indexOf(`\n${heading}\n`);
  expect(start, heading).toBeGreaterThan(0);
  const rest = doc.slice(start + heading.length + 2);
  return rest.slice(0, rest.search(/^#/m) >>> 0);
}

const blocks = (text: string) =>
  [...text.matchAll(/```json\n([\s\S]*?)```/g)].map((block) => JSON.parse(block[1]!));

test('docs/http.md has a heading for every route, and no other', async () => {
  const sql = connectDatabase(
    { url: 'postgres://nobody@localhost/none' },
    { max: 1, applicationName: 'none' },
  );
  const routes = allRoutes(sql);
  await sql.end();
  const headings = [...doc.matchAll(/^### `((?:GET|POST|PUT|DELETE) \S+)`$/gm)].map((match) => match[1]!);
  expect(headings.sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort());
});

test('the links within docs/http.md lead somewhere', () => {
  const anchors = [...doc.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const [, anchor] of doc.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
});

describe('the worked example of docs/http.md', () => {
  const example = section('### Worked example');
  const row = (name: string) => new RegExp(`^\\| ${name} \\| \`(.*)\` \\|$`, 'm').exec(example)?.[1];
  const [request, answer] = blocks(section('### `POST /api/v1/ves/events/ingest`'));
  const event: VesEnvelopeJson = request.events[0];
  const receipt: ReceiptJson = answer.receipts[0];
  const [seed, sequencerKey] = [...example.matchAll(/`([0-9a-f]{64})`/g)].map(([, hex]) =>
    Buffer.from(hex!, 'hex'),
  );

  /** What is hashed, in the order of hashing, by the code that runs in the service. */
  const preimages: string[] = [];
  const sha256: Sha256 = (bytes) => {
    preimages.push(encodeHex(bytes));
    return portableSha256(bytes);
  };
  const parsed = parseVesEnvelope(event);
  if (!parsed.ok) throw new Error(parsed.message);
  const canonical = canonicalize(event.payload);
  const plainHash = payloadPlainHash(canonical, { sha256 });
  const signingHash = eventSigningHash(parsed.envelope, sha256);
  const fixed = packFixedFields({
    tenantId: event.tenant_id,
    storeId: event.store_id,
    eventId: event.event_id,
    sourceAgentId: event.source_agent_id,
    payloadPlainHash: plainHash,
  });
  const hash = receiptHash({ fixed, fixedOffset: 0 }, receipt.sequenceNumber, signingHash, sha256);

  test('shows the bytes that the code hashes', () => {
    expect(row('canonical payload')).toBe(canonical);
    expect(row('plain hash')).toBe(encodeHex(plainHash));
    expect([
      row('preimage of the plain hash'),
      row('preimage of h1'),
      row('preimage of the signing hash'),
      row('preimage of the receipt hash'),
    ]).toEqual(preimages);
    expect(row('h1')).toBe(encodeHex(portableSha256(Buffer.from(preimages[1]!, 'hex'))));
    expect(row('signing hash')).toBe(encodeHex(signingHash));
    expect(row('receipt hash')).toBe(encodeHex(hash));
  });

  test('has signatures that hold, of the event and the receipt shown above it', () => {
    expect(event.payload_plain_hash).toBe(`0x${row('plain hash')}`);
    expect(encodeHex(signEd25519(signingHash, seed!))).toBe(row("agent's signature"));
    expect(event.agent_signature).toBe(`0x${row("agent's signature")}`);
    const [registration] = blocks(section('### `POST /api/v1/agents/keys`'));
    expect(registration.publicKey).toBe(encodeHex(publicKeyFromSeed(seed!)));
    expect([receipt.receiptHash, receipt.sequencerSignature]).toEqual([
      row('receipt hash'),
      row("sequencer's signature"),
    ]);
    const { tenant_id: tenantId, store_id: storeId, event_id: eventId } = event;
    const mine = { tenantId, storeId, eventId, eventSigningHash: signingHash };
    expect(verifyReceipt(receipt, mine, sequencerKey!)).toBe('ok');
    const [wellKnown] = blocks(section('### `GET /.well-known/ves-sequencer`'));
    expect(wellKnown.public_keys[0].public_key).toBe(sequencerKey!.toString('hex'));
  });
});
