import type { v2 } from '../../../engine/wire-proto/index.js';
import type { GrpcDeps } from '../deps.js';
import { pushRpc } from '../push.js';
import type { Rpc } from '../rpc.js';
import { getAgentKeysRpc, registerAgentKeyRpc, revokeAgentKeyRpc } from './keys.js';
import { pullEventsRpc } from './pull-events.js';
import { getCommitmentRpc, getEntityHistoryRpc, getHealthRpc, getInclusionProofRpc } from './reads.js';
import { streamEventsRpc, subscribeEntityRpc } from './stream-events.js';
import { getSyncStateRpc } from './sync-state.js';
import { syncStreamRpc } from './sync-stream.js';

/** The methods of `stateset.sequencer.v2.Sequencer`. */
export const sequencerV2 = (deps: GrpcDeps): Record<keyof (typeof v2.Sequencer)['method'], Rpc> => ({
  push: pushRpc(deps, 'ves'),
  pullEvents: pullEventsRpc(deps),
  getSyncState: getSyncStateRpc(deps),
  getInclusionProof: getInclusionProofRpc(deps),
  getCommitment: getCommitmentRpc(deps),
  getEntityHistory: getEntityHistoryRpc(deps),
  getHealth: getHealthRpc(deps),
  streamEvents: streamEventsRpc(deps),
  syncStream: syncStreamRpc(deps),
  subscribeEntity: subscribeEntityRpc(deps),
});

/** The methods of `stateset.sequencer.v2.KeyManagement`. */
export const keyManagement = (deps: GrpcDeps): Record<keyof (typeof v2.KeyManagement)['method'], Rpc> => ({
  registerAgentKey: registerAgentKeyRpc(deps),
  getAgentKeys: getAgentKeysRpc(deps),
  revokeAgentKey: revokeAgentKeyRpc(deps),
});
