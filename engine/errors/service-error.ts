import { ERROR_REGISTRY, type ErrorCode, type ErrorDefinition } from './registry.js';

/** Where the description of a code is served, relative to the service's own origin. */
export const ERROR_DOCS_PATH = '/docs/errors';

/** A JSON-compatible object with facts for programs, e.g. `{ expected_version: 3, actual_version: 4 }`. */
export type ErrorDetails = { readonly [name: string]: unknown };

export type ServiceErrorOptions = {
  readonly details?: ErrorDetails | undefined;
  /** Seconds to wait before trying again; overrides the registry's default. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
};

/**
 * The only error that crosses rooms. The message says what is wrong and what to do, in one sentence, and is shown
 * to clients unless the registry hides it. What went wrong underneath belongs in `cause`, which is only logged.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message?: string, options: ServiceErrorOptions = {}) {
    super(message ?? ERROR_REGISTRY[code].title, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details;
    this.retryAfter = options.retryAfter ?? ERROR_REGISTRY[code].retryAfterSeconds;
  }
}

/** The registry's row for an error. */
export const definitionOf = (error: ServiceError): ErrorDefinition => ERROR_REGISTRY[error.code];

/** Any thrown value as a `ServiceError`; what is not ours becomes INTERNAL_ERROR with the original as its cause. */
export const toServiceError = (thrown: unknown): ServiceError =>
  thrown instanceof ServiceError ? thrown : new ServiceError('INTERNAL_ERROR', undefined, { cause: thrown });

/** Body of every error answer. `code` and `message` are repeated at the top for clients that look there. */
export type ErrorBody = {
  readonly error: {
    readonly code: ErrorCode;
    readonly numeric_code: number;
    readonly message: string;
    readonly request_id: string;
    readonly details?: ErrorDetails;
    readonly retry_after?: number;
    readonly doc_url: string;
  };
  readonly code: ErrorCode;
  readonly message: string;
};

/**
 * The wire body of any thrown value. Text of unknown errors, of INTERNAL_ERROR and of the other codes that the
 * registry hides never leaves the process: clients get the title, the log gets the rest by request id.
 */
export const errorBody = (thrown: unknown, requestId: string): ErrorBody => {
  const error = toServiceError(thrown);
  const definition = definitionOf(error);
  const message = definition.hideMessage ? definition.title : error.message;
  const details = definition.hideMessage ? undefined : error.details;
  return {
    error: {
      code: error.code,
      numeric_code: definition.numeric,
      message,
      request_id: requestId,
      ...(details === undefined ? {} : { details }),
      ...(error.retryAfter === undefined ? {} : { retry_after: error.retryAfter }),
      doc_url: `${ERROR_DOCS_PATH}#${error.code}`,
    },
    code: error.code,
    message,
  };
};
