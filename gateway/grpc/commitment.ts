import type { CommitmentStream } from '../../engine/commitments/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import type { AuthContext } from '../auth/context.js';
import { reachesStore } from '../auth/scopes.js';

/**
 * A commitment that the caller may see; others' are answered like ones that do not exist (L10).
 *
 * @throws ServiceError BATCH_NOT_FOUND
 */
export function visibleCommitment<Commitment extends CommitmentStream>(
  auth: AuthContext,
  commitment: Commitment | undefined,
): Commitment {
  const isVisible =
    commitment !== undefined &&
    (auth.bootstrap || (auth.tenant === commitment.tenantId && reachesStore(auth, commitment.storeId)));
  if (!isVisible) throw new ServiceError('BATCH_NOT_FOUND', 'commitment not found');
  return commitment;
}
