/**
 * COSE Receipts (RFC 9942) of inclusion and of consistency over the RFC 9162 tree with SHA-256. A receipt is a tagged COSE_Sign1
 * (RFC 9052 section 4.2) whose payload, the tree's root, is detached: who verifies has to derive the root from the proof.
 *
 * Our profile: protected header {1: -8 (EdDSA), 4: SHA-256 of the public key, 15: {1: origin}, 395: 1}, unprotected header {396: one
 * proof}, deterministic encoding (RFC 8949 section 4.2.1) throughout. A receipt that says more in its protected header is read, one that
 * says less is refused; -19 (Ed25519, RFC 9864) is accepted for -8.
 */
import { decode, encode, rfc8949EncodeOptions, Tagged } from 'cborg';
import { equalBytes, portableSha256, verifyStrict } from '../protocol/index.js';
import type { Problem } from './note.js';
import { rootFromInclusion, verifyConsistency } from './proof.js';
import { PROOF_HASHES_MAX } from './tlog-proof.js';
import { HASH_BYTES, type NodeHasher } from './tree.js';

/** Greatest size of a receipt in bytes; one with the longest path and origin has about 3 kB. */
export const COSE_RECEIPT_BYTES_MAX = 65_536;

const SIGN1_TAG = 18;
/** Header labels: RFC 9052 section 3.1, RFC 9597 section 2, RFC 9942 section 2. */
const LABEL = { alg: 1, crit: 2, kid: 4, cwtClaims: 15, vds: 395, vdp: 396 } as const;
const CWT_ISSUER = 1;
const ALG_EDDSA = -8;
const ALG_ED25519 = -19;
const VDS_RFC9162_SHA256 = 1;
const PROOF_INCLUSION = -1;
const PROOF_CONSISTENCY = -2;

/** What signs receipts: an Ed25519 key. */
export interface ReceiptSigner {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** A proof that an entry stands in a tree; `hashes` from the leaf's sibling upwards. */
export interface InclusionEvidence {
  readonly kind: 'inclusion';
  readonly size: number;
  readonly leafIndex: number;
  readonly hashes: readonly Uint8Array[];
}

/** A proof that the tree of size `to` begins with the one of size `from`. */
export interface ConsistencyEvidence {
  readonly kind: 'consistency';
  readonly from: number;
  readonly to: number;
  readonly hashes: readonly Uint8Array[];
}

/** A receipt taken apart. Nothing in it is verified. */
export interface CoseReceipt {
  readonly origin: string;
  /** SHA-256 of the signer's public key. */
  readonly kid: Uint8Array;
  readonly proof: InclusionEvidence | ConsistencyEvidence;
  /** The protected header as it was signed. */
  readonly protectedHeader: Uint8Array;
  readonly signature: Uint8Array;
}

/** Makes a receipt of inclusion. `root` is that of the tree of size `size`. */
export function inclusionReceipt(
  { origin, size, leafIndex, hashes, root }: Omit<InclusionEvidence, 'kind'> & SignedRoot,
  signer: ReceiptSigner,
): Uint8Array {
  return receipt(origin, PROOF_INCLUSION, [size, leafIndex, hashes], root, signer);
}

/** Makes a receipt of consistency. `root` is that of the newer tree, of size `to`. */
export function consistencyReceipt(
  { origin, from, to, hashes, root }: Omit<ConsistencyEvidence, 'kind'> & SignedRoot,
  signer: ReceiptSigner,
): Uint8Array {
  return receipt(origin, PROOF_CONSISTENCY, [from, to, hashes], root, signer);
}

interface SignedRoot {
  readonly origin: string;
  readonly root: Uint8Array;
}

function receipt(
  origin: string,
  kind: number,
  proof: unknown,
  root: Uint8Array,
  signer: ReceiptSigner,
): Uint8Array {
  const protectedHeader = toCbor(
    new Map<number, unknown>([
      [LABEL.alg, ALG_EDDSA],
      [LABEL.kid, portableSha256(signer.publicKey)],
      [LABEL.cwtClaims, new Map([[CWT_ISSUER, origin]])],
      [LABEL.vds, VDS_RFC9162_SHA256],
    ]),
  );
  const unprotected = new Map([[LABEL.vdp, new Map([[kind, [toCbor(proof)]]])]]);
  const signature = signer.sign(sigStructure(protectedHeader, root));
  return toCbor(new Tagged(SIGN1_TAG, [protectedHeader, unprotected, null, signature]));
}

/** What is signed: `["Signature1", protected, external_aad = h'', payload]` (RFC 9052 section 4.4). */
function sigStructure(protectedHeader: Uint8Array, root: Uint8Array): Uint8Array {
  return toCbor(['Signature1', protectedHeader, new Uint8Array(0), root]);
}

/** Verifies the signature over a root that the caller has derived from the receipt's proof or knows otherwise. */
export function verifyReceiptSignature(
  receipt: CoseReceipt,
  root: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (!equalBytes(receipt.kid, portableSha256(publicKey))) return false;
  return verifyStrict(receipt.signature, sigStructure(receipt.protectedHeader, root), publicKey);
}

/** Verifies a receipt of inclusion of the entry with this leaf hash; the root it stands under, `undefined` if it does not verify. */
export function verifyInclusionReceipt(
  receipt: CoseReceipt,
  leafHash: Uint8Array,
  publicKey: Uint8Array,
  hashNode: NodeHasher,
): Uint8Array | undefined {
  const { proof } = receipt;
  if (proof.kind !== 'inclusion') return undefined;
  const root = rootFromInclusion(leafHash, proof.leafIndex, proof.size, proof.hashes, hashNode);
  return root !== undefined && verifyReceiptSignature(receipt, root, publicKey) ? root : undefined;
}

/** Verifies a receipt of consistency between two known roots. */
export function verifyConsistencyReceipt(
  receipt: CoseReceipt,
  fromRoot: Uint8Array,
  toRoot: Uint8Array,
  publicKey: Uint8Array,
  hashNode: NodeHasher,
): boolean {
  const { proof } = receipt;
  if (proof.kind !== 'consistency') return false;
  const consistent = verifyConsistency(proof.from, fromRoot, proof.to, toRoot, proof.hashes, hashNode);
  return consistent && verifyReceiptSignature(receipt, toRoot, publicKey);
}

/** Takes a receipt apart; says in one sentence what is wrong with bytes that are not a receipt of our profile. */
export function parseCoseReceipt(bytes: Uint8Array): CoseReceipt | Problem {
  if (bytes.length > COSE_RECEIPT_BYTES_MAX)
    return { problem: `The receipt is larger than ${COSE_RECEIPT_BYTES_MAX} bytes` };
  try {
    return readReceipt(bytes);
  } catch (error) {
    if (error instanceof ReceiptFault) return { problem: error.message };
    throw error;
  }
}

/** Carries the reason out of the nested readers; never leaves this file. */
class ReceiptFault extends Error {}

function refuse(reason: string): never {
  throw new ReceiptFault(reason);
}

function readReceipt(bytes: Uint8Array): CoseReceipt {
  const message = fromCbor(bytes, 'The receipt');
  if (!(message instanceof Tagged)) refuse('The receipt is not tagged as COSE_Sign1 (tag 18)');
  const parts: unknown = message.value;
  if (!Array.isArray(parts) || parts.length !== 4) refuse('The receipt is not an array of four parts');
  const [protectedHeader, unprotected, payload, signature] = parts as unknown[];
  if (!(protectedHeader instanceof Uint8Array)) refuse('The protected header is not a byte string');
  if (!(unprotected instanceof Map)) refuse('The unprotected header is not a map');
  if (payload !== null)
    refuse('The payload is attached; it has to be detached (nil) and derived from the proof');
  if (!(signature instanceof Uint8Array)) refuse('The signature is not a byte string');
  const header = fromCbor(protectedHeader, 'The protected header');
  if (!(header instanceof Map)) refuse('The protected header is not a map');
  for (const label of header.keys())
    if (unprotected.has(label)) refuse(`Label ${label} stands in both headers`);
  const { origin, kid } = readProtectedHeader(header);
  return { origin, kid, proof: readProof(unprotected), protectedHeader, signature };
}

function readProtectedHeader(header: ReadonlyMap<unknown, unknown>): { origin: string; kid: Uint8Array } {
  if (header.has(LABEL.crit)) refuse('The protected header has critical labels (2) that are not supported');
  const alg = header.get(LABEL.alg);
  if (alg !== ALG_EDDSA && alg !== ALG_ED25519)
    refuse(`The algorithm (1) is ${show(alg)}; only -8 (EdDSA) and -19 (Ed25519) are supported`);
  const vds = header.get(LABEL.vds);
  if (vds !== VDS_RFC9162_SHA256)
    refuse(`The verifiable data structure (395) is ${show(vds)}; only 1 (RFC9162_SHA256) is supported`);
  const kid = header.get(LABEL.kid);
  if (!(kid instanceof Uint8Array) || kid.length !== HASH_BYTES)
    refuse('The key id (4) is not the SHA-256 of a public key');
  const claims = header.get(LABEL.cwtClaims);
  const origin = claims instanceof Map ? claims.get(CWT_ISSUER) : undefined;
  if (typeof origin !== 'string' || origin === '')
    refuse('The protected header names no origin (15: {1: ...})');
  return { origin, kid };
}

function readProof(unprotected: ReadonlyMap<unknown, unknown>): InclusionEvidence | ConsistencyEvidence {
  const proofs = unprotected.get(LABEL.vdp);
  if (!(proofs instanceof Map)) refuse('The unprotected header has no proofs (396)');
  if (proofs.size !== 1) refuse(`The receipt has ${proofs.size} kinds of proofs; one is expected`);
  const [[kind, list]] = proofs as unknown as [[unknown, unknown]];
  if (kind !== PROOF_INCLUSION && kind !== PROOF_CONSISTENCY)
    refuse(`Proofs of the kind ${show(kind)} are not supported`);
  if (!Array.isArray(list) || list.length !== 1 || !(list[0] instanceof Uint8Array))
    refuse('The receipt does not have exactly one proof');
  const proof = fromCbor(list[0], 'The proof');
  if (!Array.isArray(proof) || proof.length !== 3) refuse('The proof is not an array of three parts');
  const [first, second, path] = proof as unknown[];
  if (!isSize(first) || !isSize(second)) refuse('The first two parts of the proof are not sizes below 2^53');
  if (!Array.isArray(path) || path.length > PROOF_HASHES_MAX)
    refuse(`The proof's path is not an array of at most ${PROOF_HASHES_MAX} hashes`);
  const hashes = path.map((hash: unknown) =>
    hash instanceof Uint8Array && hash.length === HASH_BYTES
      ? hash
      : refuse("A part of the proof's path is not a hash of 32 bytes"),
  );
  if (kind === PROOF_INCLUSION) {
    if (second >= first) refuse(`Leaf ${second} does not lie in a tree of size ${first}`);
    return { kind: 'inclusion', size: first, leafIndex: second, hashes };
  }
  if (first > second) refuse(`The proof leads from size ${first} back to ${second}`);
  return { kind: 'consistency', from: first, to: second, hashes };
}

function toCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes one CBOR item in the deterministic encoding. Encoding it again settles what the decoder cannot: the order of map keys,
 * integers written as floats, text that is not UTF-8.
 */
function fromCbor(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  let again: Uint8Array;
  try {
    value = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      tags: Tagged.preserve(SIGN1_TAG),
    });
    again = toCbor(value);
  } catch (error) {
    refuse(`${what} is not valid CBOR (${(error as Error).message.replace(/^CBOR decode error: /, '')})`);
  }
  if (!equalBytes(again, bytes)) refuse(`${what} is not in the deterministic encoding of CBOR`);
  return value;
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function show(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string'
    ? JSON.stringify(value)
    : 'absent or ill-typed';
}
