/**
 * Asking one witness to cosign one checkpoint: from which size it continues, what to believe when it contradicts, and when it has seen
 * another history than ours. What a witness last cosigned is remembered in the database; when that memory is wrong, the witness says so
 * (409) and is believed once.
 */
import type { Sql } from '../store/connection.js';
import {
  cosignatureCheck,
  insertCosignature,
  readWitnessSizes,
  writeWitnessSize,
} from '../store/notary-checkpoints.js';
import type { LogService } from './log-service.js';
import type { NotaryCheckpoint } from './published.js';
import { type SubmissionOutcome, submitCheckpoint } from './witness-client.js';
import type { Witness } from './witness-policy.js';

/** A cosignature that was not given. */
export interface Refusal {
  /** A sentence about the witness, for the log. */
  readonly problem: string;
  /** What the witness has seen cannot be an earlier state of our log: the database was rolled back, or the log is forked. */
  readonly alarm?: boolean;
  /** Asking again soon is pointless: somebody has to change a setting. */
  readonly lasting?: boolean;
}

/** `cosigned`: verified and stored. `gone ahead`: the witness has cosigned a later checkpoint of ours already. */
export type AskOutcome = 'cosigned' | 'gone ahead' | Refusal;

export type AskWitness = (
  witness: Witness,
  checkpoint: NotaryCheckpoint,
  signal: AbortSignal,
) => Promise<AskOutcome>;

const NOTARY = { kind: 'notary' } as const;

/** Calls a service, unless it failed too often lately, in which case it rejects. `failed` tells a failure from a result. */
export type CallGuard = <T>(
  name: string,
  call: () => Promise<T>,
  failed: (result: T) => boolean,
) => Promise<T>;

const unguarded: CallGuard = (_, call) => call();
const isFailure = ({ kind }: SubmissionOutcome): boolean => kind === 'unreachable' || kind === 'bad-answer';

/** @param options `timeoutMs`: how long a witness may take to answer; `now`: clock in milliseconds; `guard`: stands before every call */
export function createAskWitness(
  deps: { sql: Sql; logs: LogService },
  options: { readonly timeoutMs?: number; readonly now?: () => number; readonly guard?: CallGuard } = {},
): AskWitness {
  const { sql, logs } = deps;
  const { guard = unguarded } = options;

  async function ask(
    witness: Witness,
    checkpoint: NotaryCheckpoint,
    signal: AbortSignal,
  ): Promise<AskOutcome> {
    const { origin, size } = checkpoint;
    const remembered = (await readWitnessSizes(sql, origin, [witness.vkey])).get(witness.vkey) ?? 0;
    const told = Math.min(remembered, size);
    const first = await submit(witness, checkpoint, told, signal);
    if (first.kind !== 'conflict') return conclude(witness, checkpoint, first);

    const claimed = first.size;
    const refusal = await doubt(checkpoint, told, claimed);
    if (refusal) return refusal;
    await writeWitnessSize(sql, origin, witness.vkey, claimed);
    if (claimed > size) return 'gone ahead';
    const second = await submit(witness, checkpoint, claimed, signal);
    if (second.kind !== 'conflict') return conclude(witness, checkpoint, second);
    const again = await doubt(checkpoint, claimed, second.size);
    return again ?? { problem: `it has cosigned size ${claimed}, then again size ${second.size}` };
  }

  /** Why the size that a witness claims to have cosigned is not one to continue from. */
  async function doubt(
    { size }: NotaryCheckpoint,
    told: number,
    claimed: number,
  ): Promise<Refusal | undefined> {
    if (claimed === told && told < size)
      return { problem: `it refuses to continue from size ${told} and names this very size` };
    if (claimed === told) return { problem: `it has cosigned another root at size ${size}`, alarm: true };
    if (claimed <= size) return undefined;
    // Another process may have gone ahead; what no process of ours can have signed is another history.
    const head = await logs.head(NOTARY);
    if (claimed <= head.size) return undefined;
    return { problem: `it has cosigned size ${claimed}, and our log has ${head.size}`, alarm: true };
  }

  async function submit(
    witness: Witness,
    checkpoint: NotaryCheckpoint,
    oldSize: number,
    signal: AbortSignal,
  ): Promise<SubmissionOutcome> {
    const { size, body, logNote, issuedAt } = checkpoint;
    const nothingToProve = oldSize === 0 || oldSize === size;
    const proof = nothingToProve ? [] : (await logs.consistency(NOTARY, oldSize, size)).hashes;
    const submission = { oldSize, proof, body, note: logNote, issuedAt };
    const call = () => submitCheckpoint(witness, submission, signal, options);
    return guard(`witness ${witness.key.name}`, call, isFailure).catch((error: Error) => ({
      kind: 'unreachable',
      problem: error.message,
    }));
  }

  async function conclude(
    witness: Witness,
    { origin, size }: NotaryCheckpoint,
    outcome: Exclude<SubmissionOutcome, { kind: 'conflict' }>,
  ): Promise<AskOutcome> {
    switch (outcome.kind) {
      case 'cosigned': {
        const row = {
          origin,
          treeSize: size,
          witnessName: witness.key.name,
          keyId: witness.key.keyId,
          signatureLine: outcome.line,
          cosignedAt: outcome.timestamp,
        };
        await insertCosignature(sql, { ...row, rowCheck: cosignatureCheck(row) });
        await writeWitnessSize(sql, origin, witness.vkey, size);
        return 'cosigned';
      }
      case 'inconsistent':
        return { problem: outcome.problem, alarm: true };
      case 'not-admitted':
        return { problem: outcome.problem, lasting: true };
      case 'aborted':
        return { problem: 'it was not waited for' };
      case 'bad-answer':
      case 'unreachable':
        return { problem: outcome.problem };
    }
  }

  return ask;
}
