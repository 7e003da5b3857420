/**
 * Sealed payloads as readers meet them. What is stored in a payload column is either JSON text or a sealed record, which begins with
 * {@link SEALED_MARK} (JSON text cannot). The store knows where records are and what they are bound to; how to open them is the business of
 * a vault (engine/vault), which is attached to the pool that readers use.
 */
import { ServiceError } from '../errors/index.js';
import type { Sql, TransactionSql } from './connection.js';

/** The characters in front of every sealed record. */
export const SEALED_MARK = 'SSE';
const MARK = Buffer.from(SEALED_MARK);

/** What kind of payload a record holds. The numbers are part of what the record is bound to. */
export const PAYLOAD_FORM = { vesPlain: 0, legacy: 1, vesEncrypted: 2 } as const;
export type PayloadForm = (typeof PAYLOAD_FORM)[keyof typeof PAYLOAD_FORM];

/** The event a payload belongs to, as far as the record is bound to it. */
export interface PayloadPlace {
  form: PayloadForm;
  /** Tenant, store and event id: 48 bytes from `idsOffset` on. */
  ids: Uint8Array;
  idsOffset: number;
  /** The stored hash of the plain payload: 32 bytes from `plainHashOffset` on. */
  plainHash: Uint8Array;
  plainHashOffset: number;
  /** VES: the event signing hash (32 bytes). Legacy: entity type, entity id and event type, each as u32 length and UTF-8. */
  bound: Uint8Array;
  /** Known to readers only. */
  sequence: bigint | undefined;
}

/** The keys that were asked for. */
export interface PayloadKeys {
  /**
   * The payload's JSON text as UTF-8; undefined when the key was destroyed with intent.
   *
   * @param record the stored text as bytes
   * @throws ServiceError ENCRYPTION_ERROR when the key is unknown, or the record is not what was sealed for this place
   */
  open(place: PayloadPlace, record: Uint8Array): Buffer | undefined;
}

/** What opens payloads. */
export interface PayloadOpener {
  /** Whether payloads that are not sealed may be read. */
  readonly acceptsPlain: boolean;
  /** Loads the keys of some records. */
  keysFor(
    records: readonly { readonly tenant: Uint8Array; readonly record: Uint8Array }[],
  ): Promise<PayloadKeys>;
}

const OPENER = Symbol('payload opener');
type WithOpener = { [OPENER]?: PayloadOpener };

/** Attaches the opener to a pool: from now on the readers that are given this pool open payloads. */
export function attachOpener(sql: Sql, opener: PayloadOpener): Sql {
  (sql as Sql & WithOpener)[OPENER] = opener;
  return sql;
}

/** The opener of a pool; transactions have none. */
export const openerOf = (sql: Sql | TransactionSql): PayloadOpener | undefined => (sql as WithOpener)[OPENER];

/** Whether stored bytes are a sealed record. */
export const isSealed = (bytes: Uint8Array, at = 0, length = bytes.length): boolean =>
  length > MARK.length && bytes[at] === MARK[0] && bytes[at + 1] === MARK[1] && bytes[at + 2] === MARK[2];

/** Sealed payloads without anybody to open them. */
export const noOpener = (): ServiceError =>
  new ServiceError(
    'ENCRYPTION_ERROR',
    'There are encrypted payloads in this database, and this process has no keys to read them: set PAYLOAD_ENCRYPTION_MODE to optional or required and give it the keys',
  );

/** A plain payload where only sealed ones are allowed. */
export const plainRefused = (): ServiceError =>
  new ServiceError(
    'ENCRYPTION_ERROR',
    'There are payloads in clear text, which PAYLOAD_ENCRYPTION_MODE=required refuses: set it to optional until `stateset-sequencer admin reencrypt-events` and `reencrypt-ves-events` have encrypted them',
  );
