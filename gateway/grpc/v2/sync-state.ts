import type { MessageInitShape } from '@bufbuild/protobuf';
import { readVesHead } from '../../../engine/store/heads.js';
import { lastVesCommitment } from '../../../engine/store/ves-commitments.js';
import { v2 } from '../../../engine/wire-proto/index.js';
import type { AuthContext } from '../../auth/context.js';
import type { GrpcDeps } from '../deps.js';
import { unary } from '../rpc.js';
import { type StreamRef, streamOf, timestampNow } from '../values.js';
import { batchCommitment } from './messages.js';

/** Head, latest commitment, and the durable cursor of the credential's agent. */
export async function syncState(
  { sql, cursors }: GrpcDeps,
  auth: AuthContext,
  stream: StreamRef,
): Promise<MessageInitShape<typeof v2.SyncStateSchema>> {
  const commitment = await lastVesCommitment(sql, stream);
  const cursor = auth.agent === null ? undefined : await cursors?.read(stream, auth.agent);
  return {
    ...stream,
    headSequence: await readVesHead(sql, stream.tenantId, stream.storeId),
    ...(commitment && {
      stateRoot: commitment.newStateRoot,
      latestCommitment: batchCommitment(commitment),
    }),
    timestamp: timestampNow(),
    acknowledgedSequence: cursor?.acknowledgedSequence ?? 0n,
    lag: cursor?.lag ?? 0n,
  };
}

export const getSyncStateRpc = (deps: GrpcDeps) =>
  unary(v2.GetSyncStateRequestSchema, v2.SyncStateSchema, (request, { auth }) =>
    syncState(deps, auth, streamOf(auth, request)),
  );
