/** What travels between the main thread and the proof workers: calls of the engine's proof services, and their answers. */
import type { CommitmentService } from '../engine/commitments/index.js';
import type { ErrorCode } from '../engine/errors/index.js';
import type { DatabaseTarget, SessionLimits } from '../engine/store/connection.js';
import type { LogService } from '../engine/transparency/log-service.js';

/** The services that run in the proof workers. */
export interface ProofServices {
  readonly logs: LogService;
  readonly commitments: CommitmentService;
}

/** Database connections of each proof worker. */
export const PROOF_CONNECTIONS = 4;

/** `workerData` of a proof worker. */
export interface ProofSetup {
  readonly database: DatabaseTarget;
  /** Of its connections, without the thread. */
  readonly applicationName: string;
  readonly session: SessionLimits;
}

/** One call of a service's method. */
export interface ProofCall {
  readonly service: keyof ProofServices;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Its result; an error keeps its code and details on the way between threads. */
export type ProofAnswer =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details?: Readonly<Record<string, unknown>>;
      /** What went wrong underneath, for the log. */
      readonly cause?: string;
    };
