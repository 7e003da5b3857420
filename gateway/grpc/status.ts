/** Failures as gRPC tells them: a status, a message, and the code of the registry in the trailers. */
import { Metadata, type ServerErrorResponse, status as Status } from '@grpc/grpc-js';
import {
  definitionOf,
  type ErrorCode,
  GRPC_STATUS_NUMBERS,
  type GrpcStatus,
  ServiceError,
  toServiceError,
} from '../../engine/errors/index.js';

/** Trailers are limited in size, and a message may quote what a client sent. */
const MESSAGE_UNITS_MAX = 1024;

/** A failure ready to be sent. */
export interface Failure {
  /** google.rpc.Code. */
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** Seconds. */
  readonly retryAfter: number | undefined;
}

/** A failure that gRPC has a better status for than the registry's. */
export class GrpcStatusError extends ServiceError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** A number is missing: the page cannot be had, but the messages before it are good. */
const GAP_STATUS = Status.OUT_OF_RANGE;

/** Any thrown value as a failure; texts that the registry hides do not leave the process. */
export function failureOf(thrown: unknown): Failure {
  const error = toServiceError(thrown);
  const definition = definitionOf(error);
  return {
    status: statusNumber(error, definition.grpc),
    code: error.code,
    message: readable(definition.hideMessage ? definition.title : error.message),
    retryAfter: error.retryAfter,
  };
}

function statusNumber(error: ServiceError, status: GrpcStatus): number {
  if (error instanceof GrpcStatusError) return error.status;
  return error.code === 'SEQUENCE_GAP' ? GAP_STATUS : GRPC_STATUS_NUMBERS[status];
}

/** A lone surrogate cannot be percent-encoded. */
const readable = (message: string): string =>
  message.slice(0, MESSAGE_UNITS_MAX).replace(/\p{Surrogate}/gu, '�');

/** The failure as grpc-js takes it. @param more further trailers */
export function statusOf(
  failure: Failure,
  requestId: string,
  more: Readonly<Record<string, string>> = {},
): ServerErrorResponse {
  const metadata = new Metadata();
  metadata.set('x-error-code', failure.code);
  metadata.set('x-request-id', requestId);
  if (failure.retryAfter !== undefined) metadata.set('retry-after', String(failure.retryAfter));
  for (const [name, value] of Object.entries(more)) metadata.set(name, value);
  return Object.assign(new Error(failure.message), {
    code: failure.status,
    details: failure.message,
    metadata,
  });
}
