/** Signed checkpoints (c2sp.org/tlog-checkpoint) of any log at any size. */
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors/index.js';
import { formatCheckpoint, formatNote, signNote } from '../log/index.js';
import { formatUuid, parseUuid } from '../protocol/index.js';
import type { LogId } from './log-id.js';
import type { LogService } from './log-service.js';

/** A version of the sequencer's key, able to sign (Ed25519: `Uint8Array(32)` and `Uint8Array(64)`). */
export interface LogSigner {
  readonly keyVersion: number;
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

export interface SignedCheckpoint {
  readonly size: number;
  /** `Uint8Array(32)`. */
  readonly root: Uint8Array;
  readonly note: string;
}

export interface Checkpoints {
  /**
   * The checkpoint of a log at a size, by default at its head. The same size gives the same note as long as the key is the same.
   *
   * @throws ServiceError INVALID_FIELD_VALUE when the log is not that large
   */
  stream(log: LogId, size?: number): Promise<SignedCheckpoint>;
}

/** Notes kept ready, some hundred bytes each. */
const NOTES_MAX = 10_000;

/**
 * Origin of a log's checkpoints, which is the name of its key too: `<base>/<tenant>/<store>`, `<base>/notary`. A log has one origin,
 * however its ids are written.
 *
 * @throws ServiceError INVALID_FIELD_VALUE when an id is no UUID
 */
export function originOf(base: string, log: LogId): string {
  if (log.kind === 'notary') return `${base}/notary`;
  return `${base}/${canonicalUuid('tenant_id', log.tenantId)}/${canonicalUuid('store_id', log.storeId)}`;
}

function canonicalUuid(field: string, text: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new ServiceError('INVALID_FIELD_VALUE', `${field} must be a UUID`);
  return formatUuid(bytes);
}

/** @param deps `origin` is the configured base of all origins */
export function createCheckpoints(deps: {
  logs: LogService;
  origin: string;
  signer: LogSigner;
}): Checkpoints {
  const { logs, signer } = deps;
  const notes = new LRUCache<string, SignedCheckpoint>({ max: NOTES_MAX });
  return {
    async stream(log, wanted) {
      const size = wanted ?? (await logs.head(log)).size;
      const origin = originOf(deps.origin, log);
      const key = `${origin} ${size}`;
      const known = notes.get(key);
      if (known) return known;
      // L5: the root is committed in the database before it is signed, and the one in the database is what is signed.
      const root = await logs.recordRoot(log, size);
      const checkpoint = { size, root, note: signCheckpoint({ origin, size, root }, signer) };
      notes.set(key, checkpoint);
      return checkpoint;
    },
  };
}

/** Signs a checkpoint whose root is recorded; the key's name is the origin. */
export function signCheckpoint(
  checkpoint: { readonly origin: string; readonly size: number; readonly root: Uint8Array },
  signer: LogSigner,
): string {
  const body = formatCheckpoint(checkpoint);
  const sign = (message: Uint8Array) => signer.sign(message);
  return formatNote(body, [signNote(body, { name: checkpoint.origin, publicKey: signer.publicKey, sign })]);
}
