import { createHash } from 'node:crypto';
import {
  NOTE_ED25519,
  parseCheckpoint,
  type VerifierKey,
  verifierKey,
  verifyNote,
} from '../../engine/log/index.js';
import { publicKeyFromSeed, signEd25519 } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import type { LogSigner } from '../../engine/transparency/checkpoints.js';
import { createLogService } from '../../engine/transparency/log-service.js';
import { createNotary } from '../../engine/transparency/notary.js';
import type { WitnessPolicy } from '../../engine/transparency/witness-policy.js';
import { createWitnessing, type WitnessingOptions } from '../../engine/transparency/witnessing.js';
import { createTestDatabase } from '../support/database.js';
import { sha256Into } from './log-support.js';

export const BASE = 'log.example/test';
export const NOTARY_ORIGIN = `${BASE}/notary`;
export const NOTARY = { kind: 'notary' } as const;

/** A log key of the given version. */
export function signerOf(keyVersion = 0): LogSigner {
  const seed = createHash('sha256').update(`log key ${keyVersion}`).digest();
  return { keyVersion, publicKey: publicKeyFromSeed(seed), sign: (message) => signEd25519(message, seed) };
}

export const notaryKey = (keyVersion = 0): VerifierKey =>
  verifierKey(NOTARY_ORIGIN, NOTE_ED25519, signerOf(keyVersion).publicKey);

/** Text, size and root of a note that these keys must have signed. */
export function opened(note: string, keys: readonly VerifierKey[] = [notaryKey()]) {
  const verified = verifyNote(note, keys);
  if ('problem' in verified) throw new Error(verified.problem);
  const checkpoint = parseCheckpoint(verified.text);
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  return { ...verified, ...checkpoint };
}

/** A database with an empty notary, and connections to it. */
export async function openNotaryDatabase() {
  const database = await createTestDatabase({ migrated: true });
  const pools: Sql[] = [];
  return {
    target: database.target,
    connect(max = 4): Sql {
      const sql = connectDatabase(database.target, { max, applicationName: 'notary-test' });
      pools.push(sql);
      return sql;
    },
    async close() {
      await Promise.all(pools.map((sql) => sql.end({ timeout: 1 })));
      await database.drop();
    },
  };
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

/** One process' notary with its witnesses; nothing is shared with another one but the database. */
export function startNotary(
  sql: Sql,
  options: {
    policy?: WitnessPolicy;
    keyVersion?: number;
    base?: string;
    now?: () => number;
    witnessing?: WitnessingOptions;
  } = {},
) {
  const { policy = { witnesses: [], quorum: 0 }, keyVersion = 0, base = BASE, now } = options;
  const logs = createLogService({ sql, sha256: sha256Into });
  const clock = now ? { now } : {};
  const deps = {
    sql,
    sha256: sha256Into,
    logs,
    origin: base,
    signer: signerOf(keyVersion),
    policy,
    ...clock,
  };
  const notary = createNotary(deps);
  const lines: LogLine[] = [];
  const log = (level: string, message: string, details: object) =>
    void lines.push({ level, message, details: details as Record<string, unknown> });
  const witnessing = createWitnessing(
    { sql, logs, policy, published: notary.published, log },
    { pauseFirstMs: 1, pauseMaxMs: 5, ...clock, ...options.witnessing },
  );
  return {
    ...{ logs, notary, witnessing, lines, log },
    /** Notarises everything there is and signs the end. */
    async turn() {
      let appended = 0;
      for (let done = false; !done; ) {
        const step = await notary.notarise(100);
        appended += step.appended;
        done = step.done;
      }
      return { appended, checkpoint: await notary.issueCheckpoint() };
    },
    /** Asks the witnesses that are due and waits for their answers. */
    async askWitnesses() {
      await witnessing.advance();
      await witnessing.settled();
    },
  };
}
