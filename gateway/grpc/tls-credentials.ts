/** Certificates of the gRPC port that can be replaced while it serves. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';

export interface ReloadableCredentials {
  readonly credentials: ServerCredentials;
  /**
   * Reads the files again.
   *
   * @returns puts them to use; connections that are open keep what they have
   * @throws ServiceError CONFIGURATION_INVALID when they cannot be read or do not belong together
   */
  prepareReload(): () => void;
}

type TlsFiles = NonNullable<Config['grpc']['tls']>;
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];
type AuthorityListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];

/** @throws ServiceError CONFIGURATION_INVALID when the files cannot be read or do not belong together */
export function reloadableCredentials(files: TlsFiles): ReloadableCredentials {
  let current = readFiles(files);
  const identityListeners = new Set<IdentityListener>();
  const authorityListeners = new Set<AuthorityListener>();
  const tellIdentity = (listener: IdentityListener) =>
    listener({ certificate: current.cert, privateKey: current.key });
  const tellAuthority = (listener: AuthorityListener) => {
    if (current.ca !== undefined) listener({ caCertificate: current.ca });
  };
  /** Whoever listens must be told what there is already, but grpc-js is ready for it only when this call has returned. */
  const soon = <Listener>(
    listeners: Set<Listener>,
    listener: Listener,
    tell: (listener: Listener) => void,
  ) => {
    listeners.add(listener);
    process.nextTick(() => {
      if (listeners.has(listener)) tell(listener);
    });
  };
  const provider: experimental.CertificateProvider = {
    addIdentityCertificateListener: (listener) => soon(identityListeners, listener, tellIdentity),
    removeIdentityCertificateListener: (listener) => void identityListeners.delete(listener),
    addCaCertificateListener: (listener) => soon(authorityListeners, listener, tellAuthority),
    removeCaCertificateListener: (listener) => void authorityListeners.delete(listener),
  };
  const mutual = files.clientCaFile !== undefined;
  return {
    credentials: experimental.createCertificateProviderServerCredentials(
      provider,
      mutual ? provider : null,
      mutual,
    ),
    prepareReload() {
      const next = readFiles(files);
      return () => {
        current = next;
        for (const listener of authorityListeners) tellAuthority(listener);
        for (const listener of identityListeners) tellIdentity(listener);
      };
    },
  };
}

function readFiles({ certFile, keyFile, clientCaFile }: TlsFiles) {
  try {
    const found = {
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      ca: clientCaFile === undefined ? undefined : readFileSync(clientCaFile),
    };
    createSecureContext(found); // says what is wrong with them; grpc-js would only log it
    return found;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `GRPC_TLS_CERT, GRPC_TLS_KEY or GRPC_TLS_CLIENT_CA cannot be used: ${reason}`;
    throw new ServiceError('CONFIGURATION_INVALID', message, { cause });
  }
}
