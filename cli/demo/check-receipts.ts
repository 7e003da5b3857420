/** Receipts checked offline: no service, no database; the ledger and the sequencer's public keys are all there is. */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import {
  checkPublicKey,
  checkSignatureShape,
  decodeHex,
  encodeHex,
  packFixedFields,
  receiptHash,
  type Sha256,
  verifyReceipt,
} from '../../engine/protocol/index.js';
import type { LedgerEntry } from './ledger.js';

/** Of every so many receipts one is also checked by the library's portable verifier, which is a hundred times slower. */
const PORTABLE_EVERY = 500;
const NO_HASH = new Uint8Array(32);

const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');

/** A key version's public key in the forms the two verifiers take. */
interface VerificationKey {
  readonly raw: Uint8Array;
  readonly native: KeyObject;
}

/**
 * Checks every receipt against what the agent itself knows of its event.
 *
 * @param keys key version -> public key, hex
 * @returns what is wrong, one sentence each
 */
export function checkReceipts(
  entries: readonly LedgerEntry[],
  tenantId: string,
  keys: ReadonlyMap<number, string>,
): string[] {
  const known = new Map([...keys].map(([version, hex]) => [version, openKey(hex)]));
  const faults: string[] = [];
  entries.forEach((entry, i) => {
    const verdict = checkOne(entry, tenantId, known, i % PORTABLE_EVERY === 0);
    if (verdict !== undefined) faults.push(`the receipt of event ${entry.eventId}: ${verdict}`);
  });
  return faults;
}

function checkOne(
  entry: LedgerEntry,
  tenantId: string,
  keys: ReadonlyMap<number, VerificationKey>,
  portably: boolean,
): string | undefined {
  const { receipt, eventId, storeId } = entry;
  const key = keys.get(receipt.sequencerKeyVersion);
  if (!key) return `names key version ${receipt.sequencerKeyVersion}, which is not published`;
  if (receipt.eventId !== eventId) return 'is about another event';
  const signingHash = decodeHex(entry.signingHash, 32)!;
  if (portably) {
    const verdict = verifyReceipt(
      receipt,
      { tenantId, storeId, eventId, eventSigningHash: signingHash },
      key.raw,
    );
    if (verdict !== 'ok') return verdict;
  }
  const fixed = packFixedFields({
    tenantId,
    storeId,
    eventId,
    sourceAgentId: tenantId, // not part of a receipt
    payloadPlainHash: NO_HASH,
  });
  const expected = receiptHash({ fixed, fixedOffset: 0 }, receipt.sequenceNumber, signingHash, sha256);
  if (encodeHex(expected) !== receipt.receiptHash) return 'hash_mismatch';
  const signature = decodeHex(receipt.sequencerSignature, 64);
  if (!signature || !checkSignatureShape(signature)) return 'malformed';
  return verify(null, expected, key.native, signature) ? undefined : 'bad_signature';
}

function openKey(hex: string): VerificationKey {
  const raw = decodeHex(hex, 32);
  if (!raw || checkPublicKey(raw) !== 'ok') throw new Error(`the published key ${hex} is no Ed25519 key`);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') };
  return { raw, native: createPublicKey({ key: jwk, format: 'jwk' }) };
}
