/** A small world that gives out evidence as the service does: a stream of five events, its log, its notary and a witness. */
import { signEvent } from '../../agent/sign-event.js';
import {
  consistencyReceipt,
  cosign,
  formatCheckpoint,
  formatNote,
  formatTlogProof,
  formatVerifierKey,
  inclusionReceipt,
  leafHash,
  NOTE_COSIGNATURE,
  notaryEntry,
  signNote,
} from '../../engine/log/index.js';
import {
  buildVesTree,
  concatBytes,
  encodeHex,
  formatMicros,
  type KeyDirectoryEntry,
  parseUuid,
  parseVesEnvelope,
  portableSha256,
  proveVesInclusion,
  publicKeyFromSeed,
  receiptHash,
  receiptToJson,
  signEd25519,
  signKeyDirectory,
  type VesEnvelopeJson,
  vesLeaf,
  vesPaddedLeafCount,
  vesStateRoot,
  vesStreamId,
  vesTreeDepth,
} from '../../engine/protocol/index.js';
import { naiveConsistency, naiveInclusion, type RangeRoot, rangeRoots } from '../log/naive-proofs.js';
import { sha256Into } from '../log/naive-tree.js';

const seed = (byte: number) => new Uint8Array(32).fill(byte);
const signerOf = (byte: number) => ({
  publicKey: publicKeyFromSeed(seed(byte)),
  sign: (message: Uint8Array) => signEd25519(message, seed(byte)),
});

export const agent = signerOf(1);
export const sequencer = signerOf(2);
/** Another key of the same sequencer: version 1, where `sequencer` is version 0. */
export const laterSequencer = signerOf(3);
export const witnesses = [4, 5, 6].map((byte, i) => ({ name: `witness.example/w${i}`, ...signerOf(byte) }));
export const stranger = signerOf(9);
export const hexOf = ({ publicKey }: { publicKey: Uint8Array }) => encodeHex(publicKey);
export const vkeyOf = ({ name, publicKey }: (typeof witnesses)[number]) =>
  formatVerifierKey(name, NOTE_COSIGNATURE, publicKey);

export const TENANT = '64527dd3-a654-4410-9327-e58a1492ce77';
export const STORE = '91def158-819a-4461-b5c9-7759750ad157';
export const AGENT = '3f0c8a52-6c1e-4d38-9b7a-0e5d2c4f1a60';
export const SEQUENCER = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
export const BASE = 'log.example/ves';
export const ORIGIN = `${BASE}/${TENANT}/${STORE}`;
export const SEQUENCED_AT = '2026-03-01T12:00:00.123+00:00';
const SEQUENCED_MICROS = 1_772_366_400_123_000n;

const hex = (bytes: Uint8Array) => encodeHex(bytes);

/** The events of the stream, numbered from 1. */
export const events = [1, 2, 3, 4, 5].map((n) =>
  signEvent(
    {
      eventId: `0199c0de-0000-7000-8000-00000000000${n}`,
      tenantId: TENANT,
      storeId: STORE,
      agentId: AGENT,
      keyId: 1,
      entityType: 'order',
      entityId: `o-${n}`,
      eventType: 'order.created',
      createdAt: '2026-03-01T11:59:59Z',
      payload: { total: 42 * n, currency: 'EUR' },
    },
    agent.sign,
  ),
);
export const eventId = (n: number) => events[n - 1]!.envelope.event_id;

/** Fixed-width members of an envelope. */
function fixedOf(envelope: VesEnvelopeJson) {
  const parsed = parseVesEnvelope(envelope);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.envelope;
}

/** The stream's log entry of event `n`. */
export const entryOf = (n: number): Uint8Array =>
  vesLeaf(fixedOf(events[n - 1]!.envelope), n, events[n - 1]!.signingHash);

const leaves = events.map((_, i) => leafHash(entryOf(i + 1), sha256Into));
const tree = rangeRoots(leaves);

/** A log of ours over some leaf hashes. */
interface Log {
  readonly origin: string;
  readonly roots: RangeRoot;
}
export const stream: Log = { origin: ORIGIN, roots: tree };

type Signer = typeof sequencer;

/** A signed checkpoint, with cosignatures if asked for. */
export function checkpointOf(
  size: number,
  options: {
    log?: Log;
    signer?: Signer;
    cosignedBy?: typeof witnesses;
    root?: Uint8Array;
    origin?: string;
  } = {},
): string {
  const { log = stream, signer = sequencer, cosignedBy = [] } = options;
  const origin = options.origin ?? log.origin;
  const body = formatCheckpoint({ origin, size, root: options.root ?? log.roots(0, size) });
  const signature = signNote(body, { name: origin, ...signer });
  return formatNote(body, [signature, ...cosignedBy.map((witness) => cosign(body, 1_772_366_500, witness))]);
}

export const inclusionOf = (n: number, size: number, log: Log = stream): Uint8Array[] =>
  naiveInclusion(n - 1, 0, size, log.roots);
export const consistencyOf = (from: number, to: number): Uint8Array[] => naiveConsistency(from, to, tree);

/** `GET /.well-known/ves-sequencer`. */
export const wellKnown = {
  sequencer_id: SEQUENCER,
  version: '0.1.0',
  public_keys: [sequencer, laterSequencer].map((key, version) => ({
    key_version: version,
    algorithm: 'ed25519',
    public_key: hexOf(key),
  })),
  current_key_version: 1,
};

/** The receipt of event `n`. */
export function receiptOf(n: number, signer: Signer = sequencer, keyVersion = 0) {
  const { envelope, signingHash } = events[n - 1]!;
  const hash = receiptHash(fixedOf(envelope), n, signingHash);
  return receiptToJson({
    sequencerId: SEQUENCER,
    eventId: envelope.event_id,
    sequenceNumber: n,
    sequencedAtMicros: SEQUENCED_MICROS,
    receiptHash: hash,
    signature: signer.sign(hash),
    keyVersion,
  });
}

/** `GET /api/v1/ves/events/:event_id`. */
export const replyOf = (n: number, size = 5) => ({
  status: 'sequenced',
  sequence_number: n,
  envelope: { ...events[n - 1]!.envelope, sequence_number: n, sequenced_at: '2026-03-01T12:00:00.123Z' },
  receipt: receiptOf(n),
  group_receipt: {
    checkpoint: checkpointOf(size),
    tree_size: size,
    root_hash: hex(tree(0, size)),
    leaf_index: n - 1,
    leaf_hash: hex(leaves[n - 1]!),
    hashes: inclusionOf(n, size).map(hex),
  },
});

/** `POST /api/v1/ves/events/ingest` with events 3, 4 and 5. */
export function ingestReply() {
  const hashes: string[] = [];
  const indexOf = (hash: string) => (hashes.includes(hash) ? hashes.indexOf(hash) : hashes.push(hash) - 1);
  const proofs = [3, 4, 5].map((n) => ({
    eventId: eventId(n),
    sequenceNumber: n,
    leafIndex: n - 1,
    path: inclusionOf(n, 5).map((hash) => indexOf(hex(hash))),
  }));
  return {
    batchId: '57cc8ee1-6707-4614-9717-af2d88e27b43',
    eventsAccepted: 3,
    eventsRejected: 0,
    sequenceStart: 3,
    sequenceEnd: 5,
    headSequence: 5,
    receipts: [3, 4, 5].map((n) => receiptOf(n)),
    groupReceipts: [{ checkpoint: checkpointOf(5), treeSize: 5, rootHash: hex(tree(0, 5)), hashes, proofs }],
  };
}
export const ingestRequest = () => ({
  agentId: AGENT,
  events: [3, 4, 5].map((n) => events[n - 1]!.envelope),
});

export const tlogProofOf = (n: number, size = 5, extra: Uint8Array | undefined = entryOf(n)) =>
  formatTlogProof({
    ...(extra && { extra }),
    index: n - 1,
    hashes: inclusionOf(n, size),
    checkpoint: checkpointOf(size),
  });

export const coseInclusionOf = (n: number, size = 5, signer: Signer = sequencer) =>
  inclusionReceipt(
    { origin: ORIGIN, size, leafIndex: n - 1, hashes: inclusionOf(n, size), root: tree(0, size) },
    signer,
  );
export const coseConsistencyOf = (from: number, to: number) =>
  consistencyReceipt(
    { origin: ORIGIN, from, to, hashes: consistencyOf(from, to), root: tree(0, to) },
    sequencer,
  );

/** The notary log holds checkpoints of sizes 1 to 5 of the stream. */
const tenantStore = concatBytes(parseUuid(TENANT)!, parseUuid(STORE)!);
export const notaryEntryOf = (size: number) =>
  notaryEntry(vesStreamId(tenantStore), checkpointOf(size).split('\n\n')[0]!.concat('\n'), sha256Into);
export const notary: Log = {
  origin: `${BASE}/notary`,
  roots: rangeRoots([1, 2, 3, 4, 5].map((size) => leafHash(notaryEntryOf(size), sha256Into))),
};
/** The proof that the stream's checkpoint of this size is in the notary log of size 5, which all witnesses cosigned. */
export const notaryProofOf = (size: number) =>
  formatTlogProof({
    extra: notaryEntryOf(size),
    index: size - 1,
    hashes: inclusionOf(size, 5, notary),
    checkpoint: checkpointOf(5, { log: notary, cosignedBy: witnesses }),
  });

/** `GET /api/v1/log/notary/proof`. */
export const notaryReplyOf = (size: number) => ({
  checkpoint_body: checkpointOf(size).split('\n\n')[0]!.concat('\n'),
  tree_size: size,
  notary_index: size - 1,
  notary_size: 5,
  cosigned_by: witnesses.map(vkeyOf),
  proof: notaryProofOf(size),
});

/** `GET /api/v1/log/inclusion`. */
export const inclusionReplyOf = (n: number, size = 5) => ({
  leaf_index: n - 1,
  tree_size: size,
  leaf_hash: hex(leaves[n - 1]!),
  hashes: inclusionOf(n, size).map(hex),
  root: hex(tree(0, size)),
  checkpoint: checkpointOf(size),
});

/** VES commitments over 1..3 and 4..5, chained. */
const batch = (byte: number) => `00000000-0000-4000-8000-0000000000${byte.toString(16).padStart(2, '0')}`;
const vesLeaves = events.map((_, i) => portableSha256(entryOf(i + 1)));
const treeOf = (start: number, end: number) => buildVesTree(concatBytes(...vesLeaves.slice(start - 1, end)));
function commitment(byte: number, start: number, end: number, prevStateRoot: Uint8Array) {
  const merkleRoot = treeOf(start, end).levels.at(-1)!;
  const leafCount = end - start + 1;
  const numbers = { sequenceStart: start, sequenceEnd: end, leafCount };
  const newStateRoot = vesStateRoot({
    streamId: vesStreamId(tenantStore),
    prevStateRoot,
    merkleRoot,
    ...numbers,
  });
  return {
    batch_id: batch(byte),
    tenant_id: TENANT,
    store_id: STORE,
    ves_version: 1,
    tree_depth: vesTreeDepth(leafCount),
    leaf_count: leafCount,
    padded_leaf_count: vesPaddedLeafCount(leafCount),
    merkle_root: hex(merkleRoot),
    prev_state_root: hex(prevStateRoot),
    new_state_root: hex(newStateRoot),
    sequence_start: start,
    sequence_end: end,
    committed_at: '2026-03-01T12:01:00Z',
  };
}
const firstCommitment = commitment(1, 1, 3, new Uint8Array(32));
export const commitments = [
  firstCommitment,
  commitment(2, 4, 5, Buffer.from(firstCommitment.new_state_root, 'hex')),
] as const;

/** `GET /api/v1/ves/proofs/:sequence_number`. */
export function vesProofOf(n: number) {
  const { batch_id, sequence_start, sequence_end, merkle_root } = commitments[n <= 3 ? 0 : 1];
  const { path, directions } = proveVesInclusion(treeOf(sequence_start, sequence_end), n - sequence_start);
  return {
    sequence_number: n,
    batch_id,
    merkle_root,
    leaf_hash: hex(vesLeaves[n - 1]!),
    leaf_index: n - sequence_start,
    proof_path: path.map(hex),
    directions,
  };
}

/** `GET /api/v1/agents/:agent_id/signing-keys`, with changes to the entry of key 1. */
export const directory = (changes: Partial<KeyDirectoryEntry> = {}, signer = 2) =>
  signKeyDirectory(
    {
      agentId: AGENT,
      tenantId: TENANT,
      keys: [
        {
          keyId: 1,
          algorithm: 'ed25519',
          publicKey: `0x${hexOf(agent)}`,
          publicKeyBundle: null,
          validFrom: '2026-01-01T00:00:00Z',
          validTo: null,
          revokedAt: null,
          ...changes,
        },
      ],
      signedAt: formatMicros(SEQUENCED_MICROS),
    },
    seed(signer),
  );
