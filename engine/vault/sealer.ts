/**
 * The one writer of a data key. A data key comes into being with its sealer, inside one thread; its secret exists nowhere but there and,
 * wrapped, in the database, from where it is only ever read to open. So nobody else encrypts with it, and since the counter is raised
 * before every use and never set back, no nonce is used twice.
 */
import type { KeyObject } from 'node:crypto';
import type { PayloadPlace } from '../store/sealed-payload.js';
import { COUNTER_MAX, createRecordWriter } from './record.js';

export interface Sealer {
  /**
   * The sealed text as bytes, valid until the next call.
   *
   * @param envelopeHash SHA-256 of `plain` where the author encrypted it (form 2), otherwise undefined
   */
  seal(place: PayloadPlace, plain: Uint8Array, envelopeHash: Uint8Array | undefined): Buffer;
  /** Version of the tenant's key that wraps the data key. */
  readonly keyVersion: number;
  /** Payloads sealed so far. */
  readonly count: number;
}

/** @param firstCounter for tests of the end of the range */
export function createSealer(
  { id, key, keyVersion }: { readonly id: Uint8Array; readonly key: KeyObject; readonly keyVersion: number },
  firstCounter = 0,
): Sealer {
  const write = createRecordWriter();
  const head = { keyId: id, counter: firstCounter, envelopeHash: undefined as Uint8Array | undefined };
  return {
    keyVersion,
    seal(place, plain, envelopeHash) {
      if (head.counter >= COUNTER_MAX) throw new Error('the data key has no nonces left');
      head.counter++;
      head.envelopeHash = envelopeHash;
      return write(key, head, place, plain);
    },
    get count() {
      return head.counter - firstCounter;
    },
  };
}
