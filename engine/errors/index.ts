export { invariant } from './invariant.js';
export {
  ERROR_REGISTRY,
  type ErrorCode,
  type ErrorDefinition,
  GRPC_STATUS_NUMBERS,
  type GrpcStatus,
  isErrorCode,
} from './registry.js';
export {
  definitionOf,
  ERROR_DOCS_PATH,
  type ErrorBody,
  type ErrorDetails,
  errorBody,
  ServiceError,
  type ServiceErrorOptions,
  toServiceError,
} from './service-error.js';
