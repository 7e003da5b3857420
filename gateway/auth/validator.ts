import { ServiceError } from '../../engine/errors/index.js';
import type { AuthContext } from './context.js';
import type { Credentials } from './credentials.js';

/** Judges one kind of credentials. */
export interface Validator {
  /**
   * `undefined`: these credentials are of another kind, ask the next one. Otherwise the verdict is final: throws or rejects with
   * ServiceError, and nobody else is asked.
   */
  validate(credentials: Credentials): AuthContext | Promise<AuthContext> | undefined;
  close?(): Promise<void>;
}

/** What is done about trouble that no request can be told of. */
export type OnTrouble = (error: unknown, what: string) => void;

/** The answer while what decides cannot be looked up. */
export function unavailable(cause: unknown): never {
  throw new ServiceError(
    'SERVICE_UNAVAILABLE',
    'Credentials cannot be checked at present; try again shortly',
    { cause },
  );
}
