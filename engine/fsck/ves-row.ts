/**
 * What can be said of one row of ves_events by itself. Works on the bytes of the COPY tuple: ids, strings and hashes go from there
 * into the preimages without ever becoming JavaScript values. Strings stand in the tuple as `u32 length ‖ UTF-8`, which is just
 * how the preimages have them.
 */
import {
  canonicalize,
  copyBytes,
  DOMAIN,
  decodeEncryptedPayload,
  FIXED,
  FIXED_BYTES,
  payloadAad,
  payloadCipherHash,
  readEncryptedPayload,
  type Sha256,
  VES_LEAF_BYTES,
  VES_LEAF_PROOF_BYTES,
} from '../protocol/index.js';
import { CHECKED_FROM } from '../store/copy-row.js';
import type { Tuple } from '../store/copy-tuples.js';
import { tupleCheck } from '../store/row-check.js';
import { isSealed } from '../store/sealed-payload.js';
import { VES } from '../store/ves-columns.js';
import type { FsckCrypto } from './crypto.js';
import type { Fault } from './finding.js';
import type { OpenPayload } from './payloads.js';

/** Where the results of a row go. */
export interface VesRowTarget {
  /** Log entries: the preimages of the events' leaves, 147 bytes each. */
  readonly entries: Buffer;
  /** Signing hash (as the columns give it) ‖ signature, 96 bytes each. */
  readonly signed: Buffer;
}

export interface VesRowChecker {
  /** Checks a row and writes the results of place `index`. Answers what is wrong with it. */
  check(tuple: Tuple, target: VesRowTarget, index: number): readonly Fault[];
  /** Gives an entry to an event that is not there. */
  leaveOut(target: VesRowTarget, index: number): void;
}

const NO_FAULTS: readonly Fault[] = [];
const PLAIN_LABEL = DOMAIN.payloadPlain.length;
/** Offsets in the signing preimage: label 15, version 4, four ids 64, key id 4, then the strings. */
const SIGNING_IDS = 19;
const SIGNING_KEY = 83;
const SIGNING_STRINGS = 87;
const ID_STRIDE = 20;
/** For people. */
export const SIGNED_COLUMNS =
  'ves_version, tenant_id, store_id, event_id, source_agent_id, agent_key_id, entity_type, entity_id, event_type, ' +
  'created_at_str, payload_kind, payload hashes, or (version 2) command_id, base_version';

/** Makes a checker with buffers of its own. Not re-entrant. */
export function createVesRowChecker(
  { sha256 }: Pick<FsckCrypto, 'sha256'>,
  openPayload: OpenPayload,
): VesRowChecker {
  const digest = Buffer.alloc(32);
  const sha256Of: Sha256 = (bytes) => {
    const hash = new Uint8Array(32);
    sha256(bytes, hash, 0);
    return hash;
  };
  const payloadScratch = createScratch(DOMAIN.payloadPlain);
  const signingScratch = createScratch(DOMAIN.eventSigV1);
  const secondScratch = createScratch(DOMAIN.eventSigV2);
  const entityScratch = createScratch(new Uint8Array(0));

  /** The SHA-256 of `label ‖ payload`. */
  function hashPayload(source: Buffer, from: number, length: number): void {
    const preimage = payloadScratch(PLAIN_LABEL + length);
    source.copy(preimage, PLAIN_LABEL, from, from + length);
    sha256(preimage, digest, 0);
  }

  /** What is wrong with a payload in clear text, or with what one decrypts to. */
  function payloadFault(
    tuple: Tuple,
    kind: number,
    source: Buffer,
    from: number,
    length: number,
  ): Fault | undefined {
    if (kind === 1) return cipherFault(tuple, source.toString('utf8', from, from + length));
    hashPayload(source, from, length);
    return isEqual(digest, 0, tuple.bytes, tuple.at[VES.hashes]! + 96, 32) ? undefined : WRONG_PAYLOAD;
  }

  function sealedFault(tuple: Tuple, kind: number): Fault | undefined {
    const opened = openPayload(tuple);
    if (opened === undefined) return undefined;
    return opened instanceof Uint8Array ? payloadFault(tuple, kind, opened, 0, opened.length) : opened;
  }

  /** Writes what the agent signed, as the columns give it, to `target[offset, offset + 32)`. */
  function writeSigningHash({ bytes, at, length }: Tuple, target: Buffer, offset: number): void {
    const stringsFrom = at[VES.entityType]! - 4;
    const strings = at[VES.createdAt]! + length[VES.createdAt]! - stringsFrom;
    const preimage = signingScratch(SIGNING_STRINGS + strings + 4 + 64);
    preimage.writeUInt32BE(bytes.readUInt16BE(at[VES.vesVersion]!), SIGNING_IDS - 4);
    const ids = at[VES.tenant]!;
    // tenant, store, event and agent stand next to each other, each behind its length word
    for (let id = 0; id < 4; id++)
      copyBytes(bytes, ids + ID_STRIDE * id, preimage, SIGNING_IDS + 16 * id, 16);
    copyBytes(bytes, at[VES.agentKeyId]! + 4, preimage, SIGNING_KEY, 4);
    let end = copyBytes(bytes, stringsFrom, preimage, SIGNING_STRINGS, strings);
    end = preimage.writeUInt32BE(bytes.readUInt16BE(at[VES.payloadKind]!), end);
    const hashes = at[VES.hashes]! + 96;
    const given = length[VES.hashes]! - 96;
    copyBytes(bytes, hashes, preimage, end, given);
    for (let i = given; i < 64; i++) preimage[end + i] = 0;
    sha256(preimage, target, offset);
    if (bytes.readUInt16BE(at[VES.vesVersion]!) === 2) writeSecond(bytes, at, length, target, offset);
  }

  /** Version 2 also covers the command id and the base version. */
  function writeSecond(
    bytes: Buffer,
    at: Int32Array,
    length: Int32Array,
    target: Buffer,
    offset: number,
  ): void {
    const command = Math.max(0, length[VES.command]!);
    const base = Math.max(0, length[VES.baseVersion]!);
    const preimage = secondScratch(DOMAIN.eventSigV2.length + 32 + 1 + command + 1 + base);
    let end = copyBytes(target, offset, preimage, DOMAIN.eventSigV2.length, 32);
    preimage[end++] = command === 0 ? 0 : 1;
    end = copyBytes(bytes, at[VES.command]!, preimage, end, command);
    preimage[end++] = base === 0 ? 0 : 1;
    copyBytes(bytes, at[VES.baseVersion]!, preimage, end, base);
    sha256(preimage, target, offset);
  }

  function writeEntityKey({ bytes, at, length }: Tuple): void {
    const typeFrom = at[VES.entityType]! - 4;
    const type = 4 + length[VES.entityType]!;
    const preimage = entityScratch(32 + type + length[VES.entityId]!);
    const ids = at[VES.tenant]!;
    copyBytes(bytes, ids, preimage, 0, 16);
    copyBytes(bytes, ids + ID_STRIDE, preimage, 16, 16);
    const end = copyBytes(bytes, typeFrom, preimage, 32, type);
    copyBytes(bytes, at[VES.entityId]!, preimage, end, length[VES.entityId]!);
    sha256(preimage, digest, 0);
  }

  function writeEntry({ bytes, at }: Tuple, { entries }: VesRowTarget, index: number): void {
    const ids = at[VES.tenant]!;
    let end = copyBytes(DOMAIN.leaf, 0, entries, VES_LEAF_BYTES * index, DOMAIN.leaf.length);
    end = copyBytes(bytes, ids, entries, end, 16);
    end = copyBytes(bytes, ids + ID_STRIDE, entries, end, 16);
    end = copyBytes(bytes, at[VES.sequence]!, entries, end, 8);
    copyBytes(bytes, at[VES.hashes]!, entries, end, VES_LEAF_PROOF_BYTES);
  }

  function cipherFault(tuple: Tuple, payload: string): Fault | undefined {
    const { bytes, at, length } = tuple;
    const text = (column: number) => bytes.toString('utf8', at[column]!, at[column]! + length[column]!);
    const fixed = new Uint8Array(FIXED_BYTES);
    for (let id = 0; id < 4; id++) {
      const from = at[VES.tenant]! + ID_STRIDE * id;
      fixed.set(bytes.subarray(from, from + 16), 16 * id);
    }
    fixed.set(bytes.subarray(at[VES.hashes]! + 96, at[VES.hashes]! + 128), FIXED.payloadPlainHash);
    const derived = cipherHashOf(payload, {
      agentKeyId: bytes.readUInt32BE(at[VES.agentKeyId]! + 4),
      entityType: text(VES.entityType),
      entityId: text(VES.entityId),
      eventType: text(VES.eventType),
      createdAt: text(VES.createdAt),
      fixed,
      fixedOffset: 0,
    });
    if (typeof derived === 'string')
      return { check: 'cipher-hash', column: 'payload', message: `the encryption envelope ${derived}` };
    const stored = at[VES.hashes]! + 128;
    if (isEqual(derived, 0, bytes, stored, 32)) return undefined;
    const message = 'the encryption envelope does not hash to payload_cipher_hash';
    return { check: 'cipher-hash', column: 'payload, or hashes (payload_cipher_hash)', message };
  }

  /** The hash, or what is wrong with the envelope. */
  function cipherHashOf(json: string, context: Parameters<typeof payloadAad>[0]): Uint8Array | string {
    let value: unknown;
    try {
      value = JSON.parse(json);
      if (canonicalize(value) !== json) return 'is not in canonical form';
    } catch {
      return 'is not JSON';
    }
    const read = readEncryptedPayload(value);
    if ('path' in read) return `lacks ${read.path}`;
    const decoded = decodeEncryptedPayload(read.payload);
    if ('path' in decoded) return `has a bad ${decoded.path}`;
    return payloadCipherHash(decoded.bytes, payloadAad(context, sha256Of), sha256Of);
  }

  return {
    check(tuple, target, index) {
      const { bytes, at, length, start } = tuple;
      const kind = bytes.readUInt16BE(at[VES.payloadKind]!);
      const hashes = at[VES.hashes]!;
      if (kind > 1 || length[VES.hashes] !== 128 + 32 * kind) {
        this.leaveOut(target, index);
        const message = `payload_kind is ${kind}, and hashes has ${length[VES.hashes]} bytes`;
        return [{ check: 'row-shape', column: 'payload_kind or hashes', message }];
      }
      let faults = NO_FAULTS;
      const from = at[VES.payload]!;
      const fault = isSealed(bytes, from, length[VES.payload]!)
        ? sealedFault(tuple, kind)
        : payloadFault(tuple, kind, bytes, from, length[VES.payload]!);
      if (fault) faults = [...faults, fault];
      writeEntityKey(tuple);
      if (!isEqual(digest, 0, bytes, at[VES.entityKey]!, 8)) faults = [...faults, WRONG_ENTITY_KEY];
      writeSigningHash(tuple, target.signed, 96 * index);
      if (!isEqual(target.signed, 96 * index, bytes, hashes, 32))
        faults = [...faults, { ...WRONG_SIGNING_HASH }];
      copyBytes(bytes, hashes + 32, target.signed, 96 * index + 32, 64);
      writeEntry(tuple, target, index);
      const check = at[VES.rowCheck]!;
      const checked = length[VES.rowCheck] === 4;
      if (checked && tupleCheck(bytes, start + CHECKED_FROM, check - 4) !== bytes.readInt32BE(check))
        faults = [...faults, WRONG_ROW_CHECK];
      return faults;
    },
    leaveOut({ entries, signed }, index) {
      entries.fill(0, VES_LEAF_BYTES * index, VES_LEAF_BYTES * (index + 1));
      signed.fill(0, 96 * index, 96 * index + 96);
    },
  };
}

function isEqual(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aOffset + i] !== b[bOffset + i]) return false;
  return true;
}

/** Sizes up to which views are kept. */
const VIEWS_MAX = 4096;

/**
 * A growing buffer that begins with a label, cut to the size asked for. Sizes repeat from row to row and a view costs as much as
 * hashing a hundred bytes, so the views are kept.
 */
function createScratch(label: Uint8Array): (size: number) => Buffer {
  const create = (size: number) => {
    const created = Buffer.alloc(size);
    created.set(label);
    return created;
  };
  const views = new Array<Buffer | undefined>(VIEWS_MAX).fill(undefined);
  const small = create(VIEWS_MAX);
  let large = small;
  return (size) => {
    if (size < VIEWS_MAX) {
      let view = views[size];
      if (view === undefined) view = views[size] = small.subarray(0, size);
      return view;
    }
    if (large.length < size) large = create(2 * size);
    return large.subarray(0, size);
  };
}

const WRONG_PAYLOAD: Fault = {
  check: 'payload-hash',
  column: 'payload, or hashes (payload_plain_hash)',
  message: 'the payload does not hash to payload_plain_hash',
};
const WRONG_ENTITY_KEY: Fault = {
  check: 'entity-key',
  column: 'entity_key, entity_type or entity_id',
  message: 'entity_key is not that of the entity',
};
const WRONG_SIGNING_HASH: Fault = {
  check: 'signing-hash',
  column: `hashes (event_signing_hash), or a signed column: ${SIGNED_COLUMNS}`,
  message: 'event_signing_hash is not the hash of the signed columns',
};
const WRONG_ROW_CHECK: Fault = {
  check: 'row-check',
  column: 'row_check, command_id, base_version, or a column named by another check',
  message: 'row_check is not the CRC-32 of the row',
};
