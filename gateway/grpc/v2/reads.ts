import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ServiceError } from '../../../engine/errors/index.js';
import { ENTITY_ID_BYTES_MAX, ENTITY_TYPE_BYTES_MAX, equalBytes } from '../../../engine/protocol/index.js';
import type { Sql } from '../../../engine/store/connection.js';
import { vesCommitmentUpTo } from '../../../engine/store/ves-commitments.js';
import { findVesEvent, readVesEntity } from '../../../engine/store/ves-events.js';
import { createWireWriter, v2 } from '../../../engine/wire-proto/index.js';
import type { AuthContext } from '../../auth/context.js';
import { visibleCommitment } from '../commitment.js';
import type { GrpcDeps } from '../deps.js';
import { versionRange } from '../history.js';
import { readMessage, type UnaryRpc, unary, writeMessage } from '../rpc.js';
import { GrpcStatusError } from '../status.js';
import { type StreamRef, sequenceOf, streamKey, streamOf, textOf, timestampNow, uuidOf } from '../values.js';
import { readProtoPage } from './event-page.js';
import { batchCommitment } from './messages.js';

export const getHealthRpc = ({ version, readiness }: GrpcDeps) =>
  unary(EmptySchema, v2.HealthResponseSchema, () => ({
    healthy: readiness().ready,
    version,
    timestamp: timestampNow(),
  }));

export const getCommitmentRpc = ({ sql, commitments }: GrpcDeps) =>
  unary(v2.GetCommitmentRequestSchema, v2.BatchCommitmentSchema, async (request, { auth }) => {
    const { selector } = request;
    if (selector.case === undefined)
      throw new ServiceError('MISSING_REQUIRED_FIELD', 'batch_id or sequence_number is required');
    if (selector.case === 'batchId')
      return batchCommitment(
        visibleCommitment(auth, await commitments.getVes(uuidOf(selector.value, 'batch_id'))),
      );
    const sequence = BigInt(sequenceOf(selector.value, 'sequence_number'));
    const found = await vesCommitmentUpTo(sql, streamOfCommitment(auth, request), sequence);
    return batchCommitment(
      visibleCommitment(auth, found && sequence <= found.sequenceEnd ? found : undefined),
    );
  });

/** The stream a sequence number belongs to: the one that is named, or the only one that the credentials reach. */
function streamOfCommitment(auth: AuthContext, request: v2.GetCommitmentRequest): StreamRef {
  if (request.tenantId !== '' || request.storeId !== '') return streamOf(auth, request);
  const [storeId] = auth.stores;
  if (auth.bootstrap || storeId === undefined || auth.stores.length !== 1)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'sequence_number needs tenant_id and store_id, or credentials that reach exactly one store',
    );
  return { tenantId: auth.tenant, storeId };
}

export const getInclusionProofRpc = ({ sql, commitments }: GrpcDeps): UnaryRpc => ({
  kind: 'unary',
  async answer(bytes, { auth }) {
    const request = readMessage(v2.GetInclusionProofRequestSchema, bytes);
    const stream = streamOf(auth, request);
    const sequence = await sequenceOfProof(sql, request, stream);
    const proof = await commitments.proveVes(stream, BigInt(sequence));
    const { expectedRoot } = request;
    if (expectedRoot.length > 0 && !equalBytes(expectedRoot, proof.root))
      throw new GrpcStatusError(
        status.FAILED_PRECONDITION,
        'INVARIANT_VIOLATION',
        'commitment root mismatch',
      );
    const commitment = await commitments.getVes(proof.batchId);
    const { events } = await readProtoPage(sql, stream, {}, sequence, sequence);
    const writer = createWireWriter();
    writer.uint(1, 1);
    writer.bytes(
      2,
      writeMessage(v2.InclusionProofSchema, {
        merkleRoot: proof.root,
        leafIndex: BigInt(proof.leafIndex),
        proofHashes: [...proof.path],
        leafCount: BigInt(commitment?.leafCount ?? 0),
        leafHash: proof.leafHash,
      }),
    );
    writer.bytes(3, events[0]!);
    return writer.finish();
  },
});

async function sequenceOfProof(
  sql: Sql,
  { selector }: v2.GetInclusionProofRequest,
  stream: StreamRef,
): Promise<number> {
  if (selector.case === undefined)
    throw new ServiceError('MISSING_REQUIRED_FIELD', 'event_id or sequence_number is required');
  if (selector.case === 'sequenceNumber') return sequenceOf(selector.value, 'sequence_number');
  const event = await findVesEvent(sql, stream.tenantId, uuidOf(selector.value, 'event_id'));
  if (event === undefined || event.storeId !== stream.storeId)
    throw new ServiceError('EVENT_NOT_FOUND', 'event not found');
  return Number(event.sequence);
}

export const getEntityHistoryRpc = ({ sql }: GrpcDeps): UnaryRpc => ({
  kind: 'unary',
  async answer(bytes, { auth }) {
    const request = readMessage(v2.GetEntityHistoryRequestSchema, bytes);
    const stream = streamOf(auth, request);
    const type = textOf(request.entityType, 'entity_type', ENTITY_TYPE_BYTES_MAX);
    const id = textOf(request.entityId, 'entity_id', ENTITY_ID_BYTES_MAX);
    const { offset, limit } = versionRange(request.fromVersion, request.toVersion, request.limit);
    const found = await readVesEntity(
      sql,
      { ...stream, key: streamKey(stream) },
      { type, id },
      offset,
      limit,
    );
    const writer = createWireWriter();
    const [first, last] = [found.events[0], found.events.at(-1)];
    if (first && last) {
      const filter = { entityTypes: [type], entityIds: [id] };
      const page = await readProtoPage(sql, stream, filter, Number(first.sequence), Number(last.sequence));
      for (const event of page.events) writer.bytes(1, event);
    }
    writer.uint(2, found.total);
    return writer.finish();
  },
});
