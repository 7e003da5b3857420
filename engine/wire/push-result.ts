/**
 * What became of a push:
 *
 * `[result, id, accepted, rejected, replayed, first|nil, last|nil, head, numbers|nil, rejections, receipts, groups]`
 *
 * `rejections` = `[index, reason, message]*` · `receipts` = `[index, sequence, sequenced_at, sequencer bin16, receipt hash bin32,
 * signature bin64, key version]*` · `groups` = `[checkpoint, tree size, root bin32, hashes bin(32n), [index, sequence, path]*]*` with
 * `path` the numbers of its hashes in `hashes`, leaf upwards. An index is an event's place in the push.
 */
import { encodeHex, formatMicros, formatUuid, type ReceiptJson } from '../protocol/index.js';
import { FRAME, TEXT_BYTES_MAX } from './frame-types.js';
import {
  type Reader,
  readArray,
  readBin,
  readBinLength,
  readOptional,
  readStr,
  readTuple,
  readUint,
  WireError,
} from './msgpack-reader.js';

/** Elements of a result, a rejection, an event receipt, a group receipt and a proof in it. */
export const RESULT_ITEMS = 12;
export const REJECTION_ITEMS = 3;
export const RECEIPT_ITEMS = 7;
export const GROUP_ITEMS = 5;
export const PROOF_ITEMS = 3;

/** Most events of a push that a client believes in. */
const EVENTS_MAX = 1_000_000;
const CHECKPOINT_BYTES_MAX = 64 * 1024;
const HASHES_BYTES_MAX = 64 * 1024 * 1024;
const PATH_MAX = 64;

export interface WireRejection {
  readonly event: number;
  readonly reason: string;
  readonly message: string;
}

export interface WireReceipt {
  readonly event: number;
  readonly sequence: number;
  /** Microseconds since 1970-01-01T00:00:00Z. */
  readonly sequencedAtMicros: number;
  readonly sequencerId: string;
  readonly receiptHash: Uint8Array;
  readonly signature: Uint8Array;
  readonly keyVersion: number;
}

export interface WireGroupReceipt {
  /** A signed note: the checkpoint of the stream's log after the group. */
  readonly checkpoint: string;
  readonly treeSize: number;
  readonly root: Uint8Array;
  /** 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
  readonly proofs: readonly {
    readonly event: number;
    readonly sequence: number;
    /** Numbers of `hashes`, leaf upwards (RFC 9162 section 2.1.3); the leaf index is `sequence - 1`. */
    readonly path: readonly number[];
  }[];
}

export interface PushResultFrame {
  readonly type: typeof FRAME.result;
  readonly id: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly replayed: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly head: number;
  /** The accepted events' numbers in their order; undefined: they are first, first + 1, …, last. */
  readonly numbers: readonly number[] | undefined;
  readonly rejections: readonly WireRejection[];
  readonly receipts: readonly WireReceipt[];
  readonly groups: readonly WireGroupReceipt[];
}

/** Reads a result behind type and id. Byte strings are copies. @throws WireError */
export function readPushResult(reader: Reader, id: number): PushResultFrame {
  const list = <T>(what: string, max: number, read: () => T): T[] => {
    const items: T[] = [];
    for (let left = readArray(reader, what, max); left > 0; left--) items.push(read());
    return items;
  };
  const bin = (what: string, length: number) => readBin(reader, what, length).slice();
  const index = () => readUint(reader, 'event', EVENTS_MAX);
  return {
    type: FRAME.result,
    id,
    accepted: readUint(reader, 'accepted'),
    rejected: readUint(reader, 'rejected'),
    replayed: readUint(reader, 'replayed'),
    first: readOptional(reader, () => readUint(reader, 'first')),
    last: readOptional(reader, () => readUint(reader, 'last')),
    head: readUint(reader, 'head'),
    numbers: readOptional(reader, () => list('numbers', EVENTS_MAX, () => readUint(reader, 'number'))),
    rejections: list('rejections', EVENTS_MAX, () => {
      readTuple(reader, 'a rejection', REJECTION_ITEMS);
      return {
        event: index(),
        reason: readStr(reader, 'reason', TEXT_BYTES_MAX),
        message: readStr(reader, 'message', TEXT_BYTES_MAX),
      };
    }),
    receipts: list('receipts', EVENTS_MAX, () => {
      readTuple(reader, 'a receipt', RECEIPT_ITEMS);
      return {
        event: index(),
        sequence: readUint(reader, 'sequence'),
        sequencedAtMicros: readUint(reader, 'sequenced_at'),
        sequencerId: formatUuid(readBin(reader, 'sequencer', 16)),
        receiptHash: bin('receipt hash', 32),
        signature: bin('signature', 64),
        keyVersion: readUint(reader, 'key version'),
      };
    }),
    groups: list('group receipts', EVENTS_MAX, () => {
      readTuple(reader, 'a group receipt', GROUP_ITEMS);
      return {
        checkpoint: readStr(reader, 'checkpoint', CHECKPOINT_BYTES_MAX),
        treeSize: readUint(reader, 'tree size'),
        root: bin('root', 32),
        hashes: readHashes(reader),
        proofs: list('proofs', EVENTS_MAX, () => {
          readTuple(reader, 'a proof', PROOF_ITEMS);
          return {
            event: index(),
            sequence: readUint(reader, 'sequence'),
            path: list('path', PATH_MAX, () => readUint(reader, 'step')),
          };
        }),
      };
    }),
  };
}

function readHashes(reader: Reader): Uint8Array[] {
  const length = readBinLength(reader, 'hashes', HASHES_BYTES_MAX);
  if (length % 32 !== 0) throw new WireError('hashes must be a multiple of 32 bytes');
  const all = reader.bytes.slice(reader.at - length, reader.at);
  return Array.from({ length: length / 32 }, (_, i) => all.subarray(32 * i, 32 * i + 32));
}

/** The receipt in the form that `verifyReceipt` and REST use. */
export const receiptJsonOf = (receipt: WireReceipt, eventId: string): ReceiptJson => ({
  sequencerId: receipt.sequencerId,
  eventId,
  sequenceNumber: receipt.sequence,
  sequencedAt: formatMicros(receipt.sequencedAtMicros, '+00:00'),
  receiptHash: encodeHex(receipt.receiptHash),
  signatureAlg: 'ed25519',
  sequencerSignature: encodeHex(receipt.signature),
  sequencerKeyVersion: receipt.keyVersion,
  receiptSignatureScheme: 1,
});
