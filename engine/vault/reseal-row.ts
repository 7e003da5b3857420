/** One stored event, its payload sealed anew. */
import { createHash } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import { DOMAIN } from '../protocol/index.js';
import { CHECKED_FROM } from '../store/copy-row.js';
import type { Tuple } from '../store/copy-tuples.js';
import { tupleCheck } from '../store/row-check.js';
import { isSealed, PAYLOAD_FORM, type PayloadKeys, type PayloadPlace } from '../store/sealed-payload.js';
import { EVENT_TABLES, type EventTable, withPayload } from '../store/sealed-tuples.js';
import type { Sealer } from './sealer.js';

/** A row with its new payload. */
export interface ResealedRow {
  readonly sequence: bigint;
  readonly oldPayload: string;
  readonly payload: string;
  /** Null where the row never had one. */
  readonly rowCheck: number | null;
}

/** A row as it was read: a tuple with memory of its own. */
export interface StoredRow {
  readonly tuple: Tuple;
  readonly place: PayloadPlace;
  readonly payload: Buffer;
}

/**
 * Opens and seals a row's payload. The row must be whole: a new check value must not cover up that the old one was wrong.
 *
 * @returns undefined when the payload was erased
 * @throws ServiceError ENCRYPTION_ERROR, INVALID_PAYLOAD_HASH or INTERNAL_ERROR when the row is not what was once stored
 */
export function resealRow(
  table: EventTable,
  { tuple, place, payload }: StoredRow,
  keys: PayloadKeys,
  sealer: Sealer,
): ResealedRow | undefined {
  const { bytes, at, length, start } = tuple;
  const checkColumn = EVENT_TABLES[table].rowCheck;
  const checked = length[checkColumn] === 4;
  const end = at[checkColumn]! - 4;
  if (checked && tupleCheck(bytes, start + CHECKED_FROM, end) !== bytes.readInt32BE(at[checkColumn]!))
    throw new ServiceError('INTERNAL_ERROR', `Event ${place.sequence}: row_check is not that of the row`);
  const plain = isSealed(payload) ? keys.open(place, payload) : payload;
  if (plain === undefined) return undefined;
  checkHash(place, plain);
  const encrypted = place.form === PAYLOAD_FORM.vesEncrypted;
  const sealed = sealer.seal(
    place,
    plain,
    encrypted ? createHash('sha256').update(plain).digest() : undefined,
  );
  const changed = withPayload(table, tuple, sealed);
  return {
    sequence: place.sequence!,
    oldPayload: payload.toString('utf8'),
    payload: sealed.toString('latin1'),
    // The check is the last column: four bytes behind their length.
    rowCheck: checked ? tupleCheck(changed, CHECKED_FROM, changed.length - 8) : null,
  };
}

/** Payloads that their author encrypted have no hash the server can recompute from the text alone; the check value covers them. */
function checkHash({ form, plainHash, plainHashOffset, sequence }: PayloadPlace, plain: Uint8Array): void {
  if (form === PAYLOAD_FORM.vesEncrypted) return;
  const hash = createHash('sha256');
  if (form === PAYLOAD_FORM.vesPlain) hash.update(DOMAIN.payloadPlain);
  const expected = plainHash.subarray(plainHashOffset, plainHashOffset + 32);
  if (!hash.update(plain).digest().equals(expected))
    throw new ServiceError(
      'INVALID_PAYLOAD_HASH',
      `Event ${sequence}: the stored payload has not the hash it should have`,
    );
}
