/**
 * SHA-256 of many short messages of one shape: a prefix that all share, then a row. Compiled by scripts/build-wasm.mjs without a
 * runtime: no garbage collector, no imports, one exported memory, fixed places.
 */
import { begin, compress, end, LANES } from './compress';

/** Longest message: with its padding (FIPS 180-4, section 5.1.1) it fills four blocks. */
const MESSAGE_BYTES_MAX: usize = 247;
const BLOCK_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;
/** Prefix and length in bits stand in every lane before any row is copied there. */
const LANE_BYTES: usize = 256;
const ROOM_BYTES: usize = 65536;

const lanes = memory.data(1024, 16);
const lastDigests = memory.data(128, 16);
const room = memory.data(65536, 16);

let prefixBytes: usize = 0;
let rowBytes: usize = 0;
let blocks: usize = 0;

/** Where the host puts a prefix or rows, and finds digests. */
export function roomAddress(): usize {
  return room;
}

export function roomBytes(): usize {
  return ROOM_BYTES;
}

export function messageBytesMax(): usize {
  return MESSAGE_BYTES_MAX;
}

/** Sets the shape of what follows: the prefix lies in the room. */
export function shape(prefix: usize, row: usize): void {
  prefixBytes = prefix;
  rowBytes = row;
  const length = prefix + row;
  blocks = (length + 9 + BLOCK_BYTES - 1) / BLOCK_BYTES;
  for (let lane = lanes; lane < lanes + LANES * LANE_BYTES; lane += LANE_BYTES) {
    memory.fill(lane, 0, LANE_BYTES);
    memory.copy(lane, room, prefix);
    store<u8>(lane + length, 0x80);
    store<u16>(lane + blocks * BLOCK_BYTES - 2, bswap<u16>(<u16>(length << 3)));
  }
}

/** Hashes the rows that stand side by side at the room's beginning, and puts their digests there in turn. */
export function hashRows(count: usize): void {
  let row = room;
  let digests = room;
  // Digests never overtake the rows: a row is at least as long as a digest, or all lie in the lanes already.
  for (; count >= LANES; count -= LANES) {
    row = fill(row, LANES);
    hashLanes(digests);
    digests += LANES * DIGEST_BYTES;
  }
  if (count == 0) return;
  fill(row, count);
  hashLanes(lastDigests);
  memory.copy(digests, lastDigests, count * DIGEST_BYTES);
}

function fill(row: usize, count: usize): usize {
  for (let lane = lanes + prefixBytes; count > 0; count--, lane += LANE_BYTES) {
    copy(lane, row, rowBytes);
    row += rowBytes;
  }
  return row;
}

function hashLanes(digests: usize): void {
  begin();
  for (let block: usize = 0; block < blocks; block++) compress(lanes + block * BLOCK_BYTES, LANE_BYTES);
  end(digests);
}

/** At least 16 bytes; the last vector overlaps the one before. */
// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, length: usize): void {
  const last = length - 16;
  for (let at: usize = 0; at < last; at += 16) v128.store(to + at, v128.load(from + at));
  v128.store(to + last, v128.load(from + last));
}
