import { createHash, timingSafeEqual } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import { parseDictionary } from './structured-fields.js';

/**
 * Compares a body with the sha-256 of its `Content-Digest` (RFC 9530 section 2). Other algorithms in the field are ignored. The body is
 * hashed where it lies.
 *
 * @throws ServiceError INVALID_REQUEST_SIGNATURE
 */
export function requireContentDigest(field: string, body: Uint8Array): void {
  const member = parseDictionary(field)?.get('sha-256');
  const expected = member?.kind === 'item' && member.value instanceof Uint8Array ? member.value : undefined;
  if (expected?.length !== 32)
    throw new ServiceError('INVALID_REQUEST_SIGNATURE', 'Content-Digest must have the sha-256 of the body');
  if (!timingSafeEqual(createHash('sha256').update(body).digest(), expected))
    throw new ServiceError(
      'INVALID_REQUEST_SIGNATURE',
      'The body is not the one that Content-Digest describes',
    );
}
