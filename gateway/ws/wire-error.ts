import { definitionOf, type ErrorCode, ServiceError, toServiceError } from '../../engine/errors/index.js';
import { CLOSE, encodeEnded, encodeError, type StoreCursor } from '../../engine/wire/index.js';

/** Longest reason of a close frame in bytes (RFC 6455 section 5.5). */
const REASON_BYTES_MAX = 123;
const RETRY_SECS = 1;
const DETAILS_UNITS_MAX = 1024;
const MESSAGE_UNITS_MAX = 1024;

/** What clients may read of an error. */
function shown(thrown: unknown) {
  const error = toServiceError(thrown);
  const definition = definitionOf(error);
  const hidden = definition.hideMessage === true;
  return {
    error,
    definition,
    message: (hidden ? definition.title : error.message).slice(0, MESSAGE_UNITS_MAX),
    details: hidden || error.details === undefined ? undefined : JSON.stringify(error.details),
    retryAfterSecs: error.retryAfter === undefined ? undefined : Math.max(0, Math.ceil(error.retryAfter)),
  };
}

/** The `error` frame of a request, or of the connection (id 0). */
export function errorFrame(id: number, thrown: unknown): Uint8Array {
  const { error, definition, message, details, retryAfterSecs } = shown(thrown);
  return encodeError({
    id,
    code: error.code,
    numeric: definition.numeric,
    message,
    retryable: definition.retryable,
    retryAfterSecs,
    details: details === undefined || details.length > DETAILS_UNITS_MAX ? undefined : details,
  });
}

/** The `ended` frame of a subscription that ends with an error. */
export function endedFrame(id: number, thrown: unknown, cursor: readonly StoreCursor[]): Uint8Array {
  const { error, definition, message, retryAfterSecs } = shown(thrown);
  // Here a pause is also how a client learns that it is worth coming back.
  const pause = retryAfterSecs ?? (definition.retryable ? RETRY_SECS : undefined);
  return encodeEnded({ id, code: error.code, message, retryAfterSecs: pause, cursor });
}

/** How a connection ends. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** The close frame that goes with an error of the whole connection. */
export function closingOf(thrown: unknown): Closing {
  const { error, definition } = shown(thrown);
  return { code: definition.wsClose, reason: error.code };
}

/** The client broke the rules of the frames. */
export const malformed = (message: string): { error: ServiceError; closing: Closing } =>
  withCode('INVALID_REQUEST_BODY', message, CLOSE.malformed);

export const withCode = (code: ErrorCode, message: string, close: number) => ({
  error: new ServiceError(code, message),
  closing: { code: close, reason: reasonOf(message) },
});

/** As much of a message as a close frame takes; a character that would be cut in two is left out. */
const reasonOf = (message: string): string =>
  new TextDecoder().decode(Buffer.from(message).subarray(0, REASON_BYTES_MAX), { stream: true });
