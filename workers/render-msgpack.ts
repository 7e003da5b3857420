/** Answers to pushes of the binary WebSocket: a `result` frame (engine/wire/push-result.ts). */
import { copyBytes } from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import {
  FRAME,
  GROUP_ITEMS,
  HEADER_BYTES_MAX,
  PROOF_ITEMS,
  RECEIPT_ITEMS,
  REJECTION_ITEMS,
  RESULT_ITEMS,
  strBytesMax,
  writeArrayHeader,
  writeBinHeader,
  writeNil,
  writeStr,
  writeUint,
} from '../engine/wire/index.js';
import type { Decided } from './decide.js';
import { createGroupReceiptIssuer, type GroupReceipt } from './group-receipts.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS, type SequencerIdentity } from './messages.js';
import type { PreparedRequest, VesRequest } from './request-context.js';
import { createReceiptSigner } from './sign-receipt.js';

/** Bytes of a receipt, at most: its numbers, and sequencer, hash and signature. */
const RECEIPT_BYTES_MAX = 1 + 4 * HEADER_BYTES_MAX + (2 + 16) + (2 + 32) + (2 + 64);
const BYTES_MIN = 16 * 1024;

/** Makes a writer; receipts are signed with `identity`, logs are named below `origin`. Not re-entrant. */
export function createMsgpackWriter(
  identity: SequencerIdentity,
  origin: string,
): (request: PreparedRequest, decided: Decided) => Uint8Array {
  const issueGroups = createGroupReceiptIssuer(identity, origin);
  const signReceipt = createReceiptSigner(identity);
  let target = Buffer.allocUnsafeSlow(BYTES_MIN);
  let end = 0;

  function reserve(bytes: number): void {
    if (end + bytes <= target.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * target.length, end + bytes));
    target.copy(larger, 0, 0, end);
    target = larger;
  }
  /** These two reserve for themselves; callers of the others have. */
  const array = (items: number): void => {
    reserve(HEADER_BYTES_MAX);
    end = writeArrayHeader(target, end, items);
  };
  const text = (value: string): void => {
    reserve(strBytesMax(value));
    end = writeStr(target, end, value);
  };
  const uint = (value: number): void => {
    end = writeUint(target, end, value);
  };
  const bin = (bytes: Uint8Array): void => {
    end = writeBinHeader(target, end, bytes.length);
    end = copyBytes(bytes, 0, target, end, bytes.length);
  };

  function writeRejections({ refused }: Decided): void {
    array(refused.length);
    for (const { event, rejection } of refused) {
      array(REJECTION_ITEMS);
      reserve(HEADER_BYTES_MAX);
      uint(event);
      text(rejection.reason);
      text(rejection.message);
    }
  }

  function writeReceipts(request: VesRequest, { accepted, replayed }: Decided): void {
    const wanted = request.receipts & EVENT_RECEIPTS ? [...replayed, ...accepted] : replayed;
    array(wanted.length);
    for (const event of wanted) {
      const receipt = signReceipt(request, event, request.outcome!);
      reserve(RECEIPT_BYTES_MAX);
      array(RECEIPT_ITEMS);
      uint(event);
      uint(receipt.sequence);
      uint(receipt.sequencedAtMicros);
      bin(Buffer.from(receipt.sequencer, 'hex'));
      bin(receipt.hash);
      bin(receipt.signature);
      uint(receipt.keyVersion);
    }
  }

  function writeGroup({ checkpoint, treeSize, root, hashes, proofs }: GroupReceipt): void {
    array(GROUP_ITEMS);
    text(checkpoint);
    reserve(3 * HEADER_BYTES_MAX + 32 * (hashes.length + 1));
    uint(treeSize);
    bin(root);
    end = writeBinHeader(target, end, 32 * hashes.length);
    for (const hash of hashes) end = copyBytes(hash, 0, target, end, 32);
    array(proofs.length);
    for (const { event, sequence, path } of proofs) {
      reserve((3 + path.length) * HEADER_BYTES_MAX);
      array(PROOF_ITEMS);
      uint(event);
      uint(sequence);
      array(path.length);
      for (let i = 0; i < path.length; i++) uint(path[i]!);
    }
  }

  return (request, decided) => {
    // Only VES events are pushed with this codec.
    const ves = request as VesRequest;
    const { accepted, refused, replayed, first, last, head } = decided;
    end = 0;
    reserve(16 * HEADER_BYTES_MAX);
    array(RESULT_ITEMS);
    uint(FRAME.result);
    uint(ves.frameId ?? 0);
    uint(accepted.length);
    uint(refused.length);
    uint(replayed.length);
    if (accepted.length === 0) {
      end = writeNil(target, end);
      end = writeNil(target, end);
    } else {
      uint(first);
      uint(last);
    }
    uint(head);
    const numbers = numbersOf(decided, ves.outcome!);
    if (numbers === undefined) end = writeNil(target, end);
    else {
      array(numbers.length);
      reserve(numbers.length * HEADER_BYTES_MAX);
      for (const number of numbers) uint(number);
    }
    writeRejections(decided);
    writeReceipts(ves, decided);
    const groups = ves.receipts & GROUP_RECEIPTS ? issueGroups(ves, ves.outcome!) : [];
    array(groups.length);
    for (const group of groups) writeGroup(group);
    return Uint8Array.prototype.slice.call(target, 0, end);
  };
}

/** The accepted events' numbers, unless they are all numbers from the first to the last. */
function numbersOf({ accepted, first, last }: Decided, result: RequestOutcome): number[] | undefined {
  const numberOf = (event: number) => result.events[event * outcome.EVENT_NUMBERS + 1]!;
  let previous = first - 1;
  for (const event of accepted) if (numberOf(event) !== ++previous) return accepted.map(numberOf);
  return accepted.length === 0 || previous === last ? undefined : accepted.map(numberOf);
}
