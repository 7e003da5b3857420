import { ServiceError } from '../../../engine/errors/index.js';
import { ENTITY_ID_BYTES_MAX, ENTITY_TYPE_BYTES_MAX } from '../../../engine/protocol/index.js';
import { readLegacyHead } from '../../../engine/store/heads.js';
import { lastLegacyCommitment } from '../../../engine/store/legacy-commitments.js';
import { findLegacyEventPlace } from '../../../engine/store/legacy-event-place.js';
import { readLegacyEntity, readLegacyEvents } from '../../../engine/store/legacy-events.js';
import { v1 } from '../../../engine/wire-proto/index.js';
import { reachesStore } from '../../auth/scopes.js';
import { visibleCommitment } from '../commitment.js';
import type { GrpcDeps } from '../deps.js';
import { versionRange } from '../history.js';
import { unary } from '../rpc.js';
import { streamKey, streamOf, textOf, uuidOf } from '../values.js';
import { batchCommitment, sequencedEvent } from './messages.js';

export const getHeadRpc = ({ sql }: GrpcDeps) =>
  unary(v1.GetHeadRequestSchema, v1.GetHeadResponseSchema, async (request, { auth }) => {
    const stream = streamOf(auth, request);
    const commitment = await lastLegacyCommitment(sql, stream);
    return {
      headSequence: await readLegacyHead(sql, stream.tenantId, stream.storeId),
      ...(commitment && { latestCommitment: batchCommitment(commitment) }),
    };
  });

export const getCommitmentRpc = ({ commitments }: GrpcDeps) =>
  unary(v1.GetCommitmentRequestSchema, v1.GetCommitmentResponseSchema, async (request, { auth }) => {
    const found = await commitments.getLegacy(uuidOf(request.batchId, 'batch_id'));
    return { commitment: batchCommitment(visibleCommitment(auth, found)) };
  });

export const getEntityHistoryRpc = ({ sql }: GrpcDeps) =>
  unary(v1.GetEntityHistoryRequestSchema, v1.GetEntityHistoryResponseSchema, async (request, { auth }) => {
    const stream = streamOf(auth, request);
    const type = textOf(request.entityType, 'entity_type', ENTITY_TYPE_BYTES_MAX);
    const id = textOf(request.entityId, 'entity_id', ENTITY_ID_BYTES_MAX);
    const { offset, limit } = versionRange(request.fromVersion, request.toVersion, 0);
    const key = streamKey(stream);
    const { events, total } = await readLegacyEntity(sql, { ...stream, key }, { type, id }, offset, limit);
    return { events: events.map((event) => sequencedEvent(event, stream)), currentVersion: BigInt(total) };
  });

/** The proof that an event is in a commitment: in the one that is named, or in the one that covers it. */
export const getInclusionProofRpc = ({ sql, commitments }: GrpcDeps) =>
  unary(v1.GetInclusionProofRequestSchema, v1.GetInclusionProofResponseSchema, async (request, { auth }) => {
    const eventId = uuidOf(request.eventId, 'event_id');
    const named =
      request.batchId === ''
        ? undefined
        : visibleCommitment(auth, await commitments.getLegacy(uuidOf(request.batchId, 'batch_id')));
    const tenantId = named?.tenantId ?? (auth.bootstrap ? undefined : auth.tenant);
    const place = await findLegacyEventPlace(sql, eventId, tenantId);
    const isVisible = place !== undefined && reachesStore(auth, place.storeId);
    if (!isVisible) throw new ServiceError('EVENT_NOT_FOUND', 'event not found'); // L10
    const { sequence, ...stream } = place;
    if (
      named !== undefined &&
      (named.storeId !== stream.storeId || sequence < named.sequenceStart || sequence > named.sequenceEnd)
    )
      throw new ServiceError('EVENT_NOT_FOUND', 'event not in specified batch');
    const proof = await commitments.proveLegacy(stream, sequence, named?.batchId);
    const commitment = visibleCommitment(auth, named ?? (await commitments.getLegacy(proof.batchId)));
    const { events } = await readLegacyEvents(sql, stream, sequence, sequence);
    return {
      event: sequencedEvent(events[0]!, stream),
      proof: {
        merkleRoot: proof.root,
        leafIndex: BigInt(proof.leafIndex),
        proofHashes: [...proof.path],
        leafCount: BigInt(commitment.eventCount),
      },
      commitment: batchCommitment(commitment),
    };
  });
