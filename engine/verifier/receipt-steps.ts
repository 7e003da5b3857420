/** The receipt of one event: hash and signature, recomputed from the event's own bytes. */
import { decodeHex, equalBytes, receiptHash, verifyStrict } from '../protocol/index.js';
import type { CheckedEvent } from './event-steps.js';
import { isObject, readCount, readHex, readUuid } from './fields.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { keysOfVersion, NO_SEQUENCER_KEY, nameOfKey, type Trust } from './trust.js';

const SIGNED = "the sequencer's key has signed the receipt";

/** Checks a receipt in JSON (camelCase) against its event; the sequence number when receipt and event belong together. */
export function checkReceipt(
  findings: Findings,
  receipt: unknown,
  event: CheckedEvent,
  trust: Trust,
): number | undefined {
  if (!isObject(receipt)) return malformed(findings, 'receipt');
  const sequence = readCount(receipt.sequenceNumber);
  const claimed = readHex(receipt.receiptHash, 32);
  if (sequence === undefined || sequence === 0 || claimed === undefined)
    return malformed(findings, 'receipt');
  if (!check(findings, 'the receipt names this event', readUuid(receipt.eventId) === event.eventId))
    return undefined;
  const hash = receiptHash(event.envelope, sequence, event.signingHash);
  const bound = `it binds event, stream and number ${sequence}`;
  const same = equalBytes(hash, claimed);
  check(findings, 'the receipt hash follows from the event and its number', same, same ? bound : undefined);
  checkSignature(findings, receipt, hash, trust);
  unproven(
    findings,
    'when it was sequenced and by which instance: the signature does not cover sequencedAt and sequencerId',
    'that nobody was shown another event under this number: compare checkpoints, best those that witnesses cosigned',
  );
  return same ? sequence : undefined;
}

function checkSignature(
  findings: Findings,
  receipt: Readonly<Record<string, unknown>>,
  hash: Uint8Array,
  trust: Trust,
): void {
  const { sequencerSignature, sequencerKeyVersion } = receipt;
  if (sequencerSignature === '') {
    check(findings, SIGNED, false, 'the receipt is not signed');
    return;
  }
  const signature = typeof sequencerSignature === 'string' ? decodeHex(sequencerSignature, 64) : undefined;
  if (signature === undefined) {
    check(findings, SIGNED, false, 'the signature is not 64 bytes of hex');
    return;
  }
  const keys = keysOfVersion(trust, sequencerKeyVersion);
  if (keys.length === 0) {
    const version = `version ${String(sequencerKeyVersion)} of the sequencer's key was not given`;
    missing(findings, trust.sequencerKeys.length === 0 ? NO_SEQUENCER_KEY : version);
    return;
  }
  const signer = keys.find(({ publicKey }) => verifyStrict(signature, hash, publicKey));
  check(findings, SIGNED, signer !== undefined, signer === undefined ? undefined : nameOfKey(signer));
}
