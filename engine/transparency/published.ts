/** Checkpoints of the notary log as they are given out: the log's signature and the cosignatures of the configured witnesses. */
import { LRUCache } from 'lru-cache';
import { invariant } from '../errors/index.js';
import {
  formatCheckpoint,
  formatNote,
  type NoteSignature,
  parseNote,
  parseSignatureLine,
  verifyCosignature,
} from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import {
  type CosignatureRow,
  cosignatureCheck,
  findCosignedSizes,
  type NotaryCheckpointRow,
  notaryCheckpointCheck,
  readCosignatures,
  readNotaryCheckpoints,
} from '../store/notary-checkpoints.js';
import type { WitnessPolicy } from './witness-policy.js';

export interface NotaryCheckpoint {
  readonly origin: string;
  readonly size: number;
  /** `Uint8Array(32)`. */
  readonly root: Uint8Array;
  /** The text that is signed. */
  readonly body: string;
  /** Text and signatures of the log only: what witnesses are asked to cosign. */
  readonly logNote: string;
  /** Text, signatures of the log, cosignatures: what is given out. */
  readonly note: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  /** Versions of the keys that signed it, oldest first. */
  readonly keyVersions: readonly number[];
  /** Verifier keys, as configured, of the witnesses whose good cosignatures the note holds. */
  readonly cosignedBy: readonly string[];
}

export interface PublishedCheckpoints {
  /** The latest checkpoint, cosigned or not; unset before the first. */
  latest(): Promise<NotaryCheckpoint | undefined>;
  /** The one of this size. */
  at(size: number): Promise<NotaryCheckpoint | undefined>;
  /** The largest one that a quorum of the witnesses has cosigned; without witnesses the latest. */
  witnessed(): Promise<NotaryCheckpoint | undefined>;
}

/** Checkpoints with a quorum that are kept ready, and verdicts on cosignatures. */
const KEPT_MAX = 1000;
/** Sizes tried when stored cosignatures turn out to be wrong. */
const SIZES_TRIED_MAX = 16;

/**
 * Reads what the notary and the witnesses have stored. Nothing stored is believed: rows have check values, and a cosignature that does
 * not verify is left out.
 */
export function createPublishedCheckpoints(deps: {
  sql: Sql;
  /** Of the notary log. */
  origin: string;
  policy: WitnessPolicy;
}): PublishedCheckpoints {
  const { sql, origin, policy } = deps;
  const verdicts = new LRUCache<string, { good: boolean }>({ max: KEPT_MAX });
  const names = policy.witnesses.map(({ key }) => key.name);
  let reached: NotaryCheckpoint | undefined;

  async function load(size?: number): Promise<NotaryCheckpoint | undefined> {
    const rows = await readNotaryCheckpoints(sql, origin, size);
    const first = rows[0];
    if (!first) return undefined;
    const { treeSize, rootHash } = first;
    const body = formatCheckpoint({ origin, size: treeSize, root: rootHash });
    const own = rows.flatMap((row) => signaturesOf(row, body));
    const cosignatures: NoteSignature[] = [];
    const cosignedBy: string[] = [];
    const stored = policy.witnesses.length > 0 ? await readCosignatures(sql, origin, treeSize) : [];
    for (const { vkey, key } of policy.witnesses) {
      const row = stored.find((each) => each.witnessName === key.name && equalBytes(each.keyId, key.keyId));
      if (!row || !isGood(row, body, key.publicKey)) continue;
      cosignatures.push(parseSignatureLine(row.signatureLine)!);
      cosignedBy.push(vkey);
    }
    return {
      origin,
      size: treeSize,
      root: new Uint8Array(rootHash),
      body,
      logNote: formatNote(body, own),
      note: formatNote(body, [...own, ...cosignatures]),
      issuedAt: Math.floor(Math.min(...rows.map(({ issuedAt }) => issuedAt)) / 1_000_000),
      keyVersions: rows.map(({ keyVersion }) => keyVersion),
      cosignedBy,
    };
  }

  /** Verifying takes a millisecond in portable code; verdicts are remembered. */
  function isGood(row: CosignatureRow, body: string, publicKey: Uint8Array): boolean {
    if (row.rowCheck !== cosignatureCheck(row)) return false;
    const name = `${row.signatureLine}\n${body}`;
    const known = verdicts.get(name);
    if (known) return known.good;
    const signature = parseSignatureLine(row.signatureLine);
    const good =
      signature?.name === row.witnessName &&
      equalBytes(signature.keyId, row.keyId) &&
      verifyCosignature(signature, body, publicKey) === row.cosignedAt;
    verdicts.set(name, { good });
    return good;
  }

  async function witnessed(): Promise<NotaryCheckpoint | undefined> {
    const sizes = await findCosignedSizes(sql, origin, names, policy.quorum, SIZES_TRIED_MAX);
    for (const size of sizes) {
      if (reached?.size === size) return reached;
      const checkpoint = await load(size);
      if (!checkpoint || checkpoint.cosignedBy.length < policy.quorum) continue;
      reached = checkpoint;
      return checkpoint;
    }
    return undefined;
  }

  return {
    latest: () => load(),
    at: load,
    witnessed: () => (policy.quorum === 0 ? load() : witnessed()),
  };
}

function signaturesOf(row: NotaryCheckpointRow, body: string) {
  const note = parseNote(row.note);
  const intact = row.rowCheck === notaryCheckpointCheck(row) && !('problem' in note) && note.text === body;
  invariant(
    intact,
    'INTERNAL_ERROR',
    () => `notary_checkpoints: the row of size ${row.treeSize} was changed after it was written`,
  );
  return note.signatures;
}
