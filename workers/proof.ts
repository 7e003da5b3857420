/**
 * The proof worker (a Piscina worker file): trees, tiles, commitments and proofs, apart from the threads that take events. Calls
 * overlap: while one waits for the database another hashes, and long ones give way every few milliseconds.
 */
import { threadId } from 'node:worker_threads';
import { workerData } from 'piscina';
import { createCommitmentService } from '../engine/commitments/index.js';
import { connectDatabase } from '../engine/store/connection.js';
import { serviceErrorOf } from '../engine/store/service-error-of.js';
import { createLogService } from '../engine/transparency/log-service.js';
import { sha256Into } from './native-crypto.js';
import {
  PROOF_CONNECTIONS,
  type ProofAnswer,
  type ProofCall,
  type ProofServices,
  type ProofSetup,
} from './proof-messages.js';
import { openRowHashing } from './row-hashing.js';
import { nameThread } from './thread-name.js';

nameThread(`proof-${threadId}`);

const { database, applicationName, session } = workerData as ProofSetup;
const sql = connectDatabase(database, {
  ...session,
  max: PROOF_CONNECTIONS,
  applicationName: `${applicationName} proof ${threadId}`,
  genericPlans: true,
});
const deps = { sql, sha256: sha256Into, hashing: openRowHashing() };
const services: ProofServices = { logs: createLogService(deps), commitments: createCommitmentService(deps) };

/** Piscina's entry: a call in, its answer out. */
export default async function answer({ service, method, args }: ProofCall): Promise<ProofAnswer> {
  try {
    const target = services[service] as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
    return { ok: true, value: await target[method]!(...args) };
  } catch (thrown) {
    const { code, message, details, cause } = serviceErrorOf(thrown);
    return {
      ok: false,
      code,
      message,
      ...(details ? { details } : {}),
      ...(cause instanceof Error ? { cause: cause.stack ?? cause.message } : {}),
    };
  }
}
