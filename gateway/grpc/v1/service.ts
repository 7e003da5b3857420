import type { v1 } from '../../../engine/wire-proto/index.js';
import type { GrpcDeps } from '../deps.js';
import { pushRpc } from '../push.js';
import type { Rpc } from '../rpc.js';
import { pullRpc } from './pull.js';
import { getCommitmentRpc, getEntityHistoryRpc, getHeadRpc, getInclusionProofRpc } from './reads.js';

/** The methods of `stateset.sequencer.v1.Sequencer`. */
export const sequencerV1 = (deps: GrpcDeps): Record<keyof (typeof v1.Sequencer)['method'], Rpc> => ({
  push: pushRpc(deps, 'legacy'),
  pull: pullRpc(deps),
  getHead: getHeadRpc(deps),
  getInclusionProof: getInclusionProofRpc(deps),
  getCommitment: getCommitmentRpc(deps),
  getEntityHistory: getEntityHistoryRpc(deps),
});
