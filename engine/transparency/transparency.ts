/** The transparency view put together from its parts. */
import type { Sha256Into } from '../log/index.js';
import type { Sql } from '../store/connection.js';
import type { CallGuard } from './ask-witness.js';
import { type Checkpoints, createCheckpoints, type LogSigner } from './checkpoints.js';
import type { LogService } from './log-service.js';
import { createNotary, type Notary } from './notary.js';
import { parseWitnessPolicy, type WitnessSetting } from './witness-policy.js';
import { createWitnessing, type TransparencyLog, type Witnessing } from './witnessing.js';

export interface Transparency {
  readonly logs: LogService;
  readonly checkpoints: Checkpoints;
  readonly notary: Notary;
  readonly witnessing: Witnessing;
}

/**
 * @param deps `logs` may run elsewhere; `origin` is the base of all origins
 * @throws ServiceError CONFIGURATION_INVALID on bad witnesses
 */
export function createTransparency(deps: {
  readonly sql: Sql;
  readonly sha256: Sha256Into;
  readonly logs: LogService;
  readonly origin: string;
  readonly signer: LogSigner;
  readonly witnesses: readonly WitnessSetting[];
  readonly witnessQuorum: number;
  readonly log: TransparencyLog;
  /** Stands before every call of a witness. */
  readonly guard?: CallGuard;
}): Transparency {
  const { sql, logs, log, witnesses, witnessQuorum } = deps;
  const policy = parseWitnessPolicy(witnesses, witnessQuorum);
  const notary = createNotary({ ...deps, policy });
  return {
    logs,
    checkpoints: createCheckpoints(deps),
    notary,
    witnessing: createWitnessing(
      { sql, logs, policy, published: notary.published, log },
      deps.guard ? { guard: deps.guard } : {},
    ),
  };
}
