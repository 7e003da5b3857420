/** The main thread's end of the proof workers: the engine's proof services, with every call carried out in the pool. */
import { Piscina } from 'piscina';
import { ServiceError } from '../engine/errors/index.js';
import { POOL_EXEC_ARGV } from './pool-exec-argv.js';
import type { ProofAnswer, ProofCall, ProofServices, ProofSetup } from './proof-messages.js';

/** Calls that one worker has under way at once. */
const CALLS_PER_WORKER = 32;
/** L8: calls waiting for a worker; beyond it they are refused. */
const CALLS_WAITING_MAX = 512;
/** Proofs give way to verification, which gives way to commits. */
const PROOF_NICENESS = 10;

export interface ProofPool extends ProofServices {
  /** Ends the threads; calls under way fail. */
  close(): Promise<void>;
}

/** Starts `threads` workers. Nothing is asked of the database before the first call. */
export function createProofPool(setup: ProofSetup, threads: number): ProofPool {
  const pool = new Piscina({
    filename: new URL('./proof.js', import.meta.url).href,
    execArgv: POOL_EXEC_ARGV,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: CALLS_PER_WORKER,
    maxQueue: CALLS_WAITING_MAX,
    // A worker that sleeps in Atomics.wait would not read its database sockets.
    atomics: 'disabled',
    niceIncrement: PROOF_NICENESS,
    workerData: setup,
  });
  let closing = false;

  async function call(task: ProofCall): Promise<unknown> {
    if (closing) throw new ServiceError('SERVICE_UNAVAILABLE', 'The service is stopping');
    if (pool.queueSize >= CALLS_WAITING_MAX)
      throw new ServiceError('OVERLOADED', 'Too many proofs are being made; try again');
    const answer: ProofAnswer = await pool.run(task);
    if (answer.ok) return answer.value;
    const { code, message, details, cause } = answer;
    throw new ServiceError(code, message, { details, cause });
  }

  const remote = <Service extends object>(service: ProofCall['service']): Service =>
    new Proxy({} as Service, {
      get: (_, method) =>
        typeof method === 'string' && method !== 'then'
          ? (...args: unknown[]) => call({ service, method, args })
          : undefined,
    });

  return {
    logs: remote('logs'),
    commitments: remote('commitments'),
    async close() {
      closing = true;
      await pool.destroy();
    },
  };
}
