/** What a verify worker does to an event, whole steps of the service's own code first, their dear shares behind. */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { createEd25519Engine } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import {
  appendLeaf,
  createNodeHasher,
  emptyFrontier,
  encodeFrontier,
  type HashList,
} from '../../engine/log/index.js';
import { FIXED, publicKeyFromSeed } from '../../engine/protocol/index.js';
import { createBatchBuilder, outcome, STREAM_VES } from '../../engine/sequencer/index.js';
import { encodeVesRow, VES_ROW_FIXED_BYTES } from '../../engine/store/copy-row.js';
import { createEventSource, type Population, publicKeyOf } from '../../loadtest/event-source.js';
import type { CachedKey } from '../../workers/agent-key-cache.js';
import { createJudge, keyNameOf } from '../../workers/judge.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS, type SequencerIdentity } from '../../workers/messages.js';
import { createSignatureVerifier, createSigner, sha256Into } from '../../workers/native-crypto.js';
import { prepareVesJson } from '../../workers/prepare-json.js';
import { createRenderer } from '../../workers/render.js';
import type { VesRequest } from '../../workers/request-context.js';
import { createSignatureChecks } from '../../workers/signature-checks.js';
import type { Part } from './cost.js';

const BODIES = 10;
const LEAVES_BEFORE = 1_000_000;
const OTHER_LEAVES = 500;
const BOTH = EVENT_RECEIPTS + GROUP_RECEIPTS;
const SCOPE = { tenant: null, stores: [], agent: null };
const arrivalOf = (body: Uint8Array) => ({
  slot: 0,
  codec: 'json' as const,
  body,
  scope: SCOPE,
  deadlineMs: Number.MAX_SAFE_INTEGER,
  receipts: BOTH,
});
/** Events checked together, as in workers/verify.ts. */
const PIECE = 32;
const LIMITS = { batchEventsMax: 10_000, payloadBytesMax: 1024 * 1024 };

/** Makes the parts of a verify worker for requests of `batch` events. */
export function workerParts(population: Population, payloadBytes: number, batch: number): Part[] {
  const bodies = buildBodies(population, payloadBytes, batch);
  const keys = keysOf(population);
  const keyOf = (name: string) => keys.get(name);
  const engine = createEd25519Engine(loadEd25519Module());
  const judge = createJudge(createSignatureChecks({ engine }));
  const builder = createBatchBuilder();
  const nowMicros = Date.now() * 1000;
  const prepare = (body: Uint8Array) => prepareVesJson(arrivalOf(body), LIMITS, false);
  const judgeAll = (request: VesRequest) => {
    const { fixed } = request.events[0]!.envelope;
    const ids = (offset: number) => fixed.subarray(offset, offset + 16);
    builder.request(0, STREAM_VES, ids(FIXED.tenantId), ids(FIXED.storeId), Number.MAX_SAFE_INTEGER);
    for (let from = 0; from < batch; from += PIECE) {
      const to = Math.min(batch, from + PIECE);
      judge.checkVes(request, from, to, keyOf, nowMicros);
      judge.decideSignatures();
      judge.ves(request, from, to, builder, keyOf, nowMicros);
    }
    return builder.finish();
  };
  let turn = 0;
  const nextBody = () => bodies[turn++ % bodies.length]!;
  let prepared = prepare(nextBody());

  const judged = prepare(nextBody());
  judgeAll(judged);
  if (judged.rejections.length > 0)
    throw new Error(`the bench's events are refused: ${judged.rejections[0]!.reason}`);
  const render = createRenderer(makeIdentity(), 'localhost/log');
  const rendering = (receipts: number) => {
    const request: VesRequest = { ...judged, receipts };
    request.outcome = acceptedOutcome(batch);
    return () => void render(request);
  };

  return [
    { name: 'JSON.parse, envelope, JCS', events: batch, counts: true, run: () => void prepare(nextBody()) },
    {
      name: 'rules, hashes, signature, COPY row, packing',
      events: batch,
      counts: true,
      before() {
        prepared = prepare(nextBody());
      },
      run: () => void judgeAll(prepared),
    },
    { name: 'receipts of both kinds and reply', events: batch, counts: true, run: rendering(BOTH) },
    { name: '  instead: event receipts only', events: batch, counts: false, run: rendering(EVENT_RECEIPTS) },
    { name: '  instead: group receipts only', events: batch, counts: false, run: rendering(GROUP_RECEIPTS) },
    ...signatureParts(judged, keyOf),
    ...rowParts(judged),
  ];
}

function buildBodies(population: Population, payloadBytes: number, batch: number): Buffer[] {
  const next = createEventSource(population, { payloadBytes, entities: 10_000, seed: 7 });
  return Array.from({ length: BODIES }, (_, i) => {
    const agent = i % population.agents.length;
    const events = Array.from({ length: batch }, () => next(agent, i % population.storeIds.length));
    return Buffer.from(`{"agentId":"${population.agents[agent]!.agentId}","events":[${events.join(',')}]}`);
  });
}

/** The agents' keys under the names the workers use for them. */
function keysOf(population: Population): Map<string, CachedKey> {
  const next = createEventSource(population, { payloadBytes: 100, entities: 1, seed: 1 });
  return new Map(
    population.agents.map((agent, i) => {
      const body = Buffer.from(`{"agentId":"${agent.agentId}","events":[${next(i, 0)}]}`);
      const { envelope } = prepareVesJson(arrivalOf(body), LIMITS, false).events[0]!;
      const row = {
        tenant: '',
        agent: '',
        keyId: envelope.agentKeyId,
        publicKey: Buffer.from(publicKeyOf(agent)),
        status: 'active' as const,
        validFromMicros: null,
        validToMicros: null,
        revokedAtMicros: null,
      };
      return [keyNameOf(envelope), { publicKey: row.publicKey, row }];
    }),
  );
}

function makeIdentity(): SequencerIdentity {
  const seed = new Uint8Array(32).fill(9);
  return {
    id: '00000000-0000-4000-8000-000000000001',
    keyVersion: 1,
    seed,
    publicKey: publicKeyFromSeed(seed),
    retired: [],
  };
}

/** All accepted, as part of a larger group of a log of a million leaves. */
function acceptedOutcome(events: number): outcome.RequestOutcome {
  const result = outcome.createOutcome(events);
  const hashNode = createNodeHasher(sha256Into);
  const frontier = emptyFrontier();
  const leaf = randomBytes(32);
  for (let i = 0; i < LEAVES_BEFORE; i++) appendLeaf(frontier, leaf, 0, hashNode);
  const before = encodeFrontier(frontier);
  const nodes: HashList = { bytes: new Uint8Array(0), count: 0 };
  for (let i = 0; i < events + OTHER_LEAVES; i++) appendLeaf(frontier, leaf, 0, hashNode, nodes);
  const after = LEAVES_BEFORE + events + OTHER_LEAVES;
  result.head = after;
  result.trees = [
    { before: LEAVES_BEFORE, after, frontier: before, nodes: nodes.bytes.subarray(0, nodes.count * 32) },
  ];
  for (let i = 0; i < events; i++)
    outcome.setOutcome(result, i, outcome.ACCEPTED, LEAVES_BEFORE + i + 1, Date.now() * 1000, 1);
  return result;
}

function signatureParts(request: VesRequest, keyOf: (name: string) => CachedKey | undefined): Part[] {
  const { events, signingHashes } = request;
  const verifySignature = createSignatureVerifier();
  const publicKey = keyOf(keyNameOf(events[0]!.envelope))!.publicKey!;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  const keyObject = createPublicKey({ key: jwk, format: 'jwk' });
  const signatures = events.map(({ envelope }) =>
    Buffer.from(envelope.fixed.subarray(envelope.fixedOffset + FIXED.agentSignature).subarray(0, 64)),
  );
  const signReceipt = createSigner(randomBytes(32));
  const signature = Buffer.alloc(64);
  const hashAt = (i: number) => signingHashes.subarray(i * 32, i * 32 + 32);
  const each = (name: string, work: (i: number) => void): Part => ({
    name: `  share: ${name}`,
    events: events.length,
    counts: false,
    run() {
      for (let i = 0; i < events.length; i++) work(i);
    },
  });
  const preimage = randomBytes(400);
  const digest = Buffer.alloc(32);
  return [
    each('verification, sodium-native', (i) => {
      if (!verifySignature(signatures[i]!, 0, hashAt(i), publicKey))
        throw new Error('a good signature was refused');
    }),
    each('receipt signature, sodium-native', (i) => signReceipt(hashAt(i), signature)),
    each('SHA-256 of 400 bytes', () => sha256Into(preimage, digest, 0)),
    each('baseline: verification, node:crypto', (i) => {
      if (!verify(null, hashAt(i), keyObject, signatures[i]!))
        throw new Error('a good signature was refused');
    }),
    each('baseline: SHA-256 by createHash', () => void createHash('sha256').update(preimage).digest()),
  ];
}

function rowParts(request: VesRequest): Part[] {
  const target = Buffer.alloc(4096);
  const encoded = { end: 0, proof: 0, entity: 0 };
  const entityKey = randomBytes(8);
  const payload = randomBytes(400);
  return [
    {
      name: '  share: COPY row',
      events: request.events.length,
      counts: false,
      run() {
        request.events.forEach(({ envelope }, i) => {
          const signingHash = request.signingHashes.subarray(i * 32, i * 32 + 32);
          if (VES_ROW_FIXED_BYTES + payload.length > target.length)
            throw new RangeError('the row is too long');
          encodeVesRow(target, 0, { envelope, payload, entityKey, signingHash }, encoded);
        });
      },
    },
  ];
}
