import type { ErrorCode } from './registry.js';
import { ServiceError } from './service-error.js';

/**
 * Stays on in production. Throws a `ServiceError` unless the condition holds.
 *
 * `detail` may be a function where building the text would cost something on the hot path.
 */
export function invariant(
  condition: unknown,
  code: ErrorCode,
  detail: string | (() => string),
): asserts condition {
  if (!condition) throw new ServiceError(code, typeof detail === 'string' ? detail : detail());
}
