/** What an ingest request is told that finds no room: whether nobody has any, or it is this tenant that has enough under way. */
import { ServiceError } from '../../engine/errors/index.js';
import type { IngestRefusal } from '../../workers/ingest-port.js';

const full = (limitOf: 'service' | 'tenant', message: string) => () =>
  new ServiceError('OVERLOADED', `${message}; nothing of this request was taken`, {
    details: { limit_of: limitOf },
  });

const ANSWERS: Record<IngestRefusal, () => ServiceError> = {
  service_full: full('service', 'The service has as much under way as it admits, for all tenants together'),
  tenant_full: full(
    'tenant',
    'This tenant has as much under way as its part of the room; others still have some',
  ),
  stopping: () =>
    new ServiceError('SERVICE_UNAVAILABLE', 'The service is stopping; another instance may answer'),
};

export const refusedIngest = (refusal: IngestRefusal): ServiceError => ANSWERS[refusal]();
