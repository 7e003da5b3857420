/** Messages that are too long for a record: the host hands R, A and the message over in pieces, and k is computed at once. */
import { STAGING } from './memory';
import { HASHED, K_AT, LENGTH_AT } from './record';
import { reduceWide } from './scalar';
import { sha512Begin, sha512End, sha512Update } from './sha512';

const digest = memory.data(64, 8);

export function hashBegin(): void {
  sha512Begin();
}

/** The next `length` bytes are at STAGING. */
export function hashPiece(length: usize): void {
  sha512Update(STAGING, length);
}

/** k of the record is done. */
export function hashEnd(record: usize): void {
  sha512End(digest);
  reduceWide(record + K_AT, digest);
  store<u32>(record, HASHED, LENGTH_AT);
}
