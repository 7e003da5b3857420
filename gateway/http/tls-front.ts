/**
 * TLS for the port of HTTP and WebSocket. uWebSockets.js can do TLS itself, but it neither insists on client certificates (it asks
 * for one and then also serves who has none) nor takes a renewed certificate without a restart. So Node's TLS stands in front of it:
 * connections are decrypted here and passed on through a Unix socket that only this user can reach, each preceded by a PROXY
 * protocol header (version 2) that tells the client's address.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { ServiceError } from '../../engine/errors/index.js';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly passphrase: string | undefined;
  /** Unset: clients need no certificate. */
  readonly clientCaFile: string | undefined;
}

export interface TlsFront {
  /** Where the plain server has to listen. */
  readonly socketPath: string;
  /** @throws Error when the address cannot be taken */
  listen(host: string, port: number): Promise<{ port: number }>;
  /**
   * Reads the files again.
   *
   * @returns puts them to use; connections that are open keep what they have
   * @throws ServiceError CONFIGURATION_INVALID
   */
  prepareReload(): () => void;
  /** Takes no more connections. */
  stopListening(): void;
  /** Ends all connections at once. */
  close(): void;
}

/** L8: a client that does not finish its handshake holds a connection for no longer. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** @throws ServiceError CONFIGURATION_INVALID when the files cannot be read or do not belong together */
export function createTlsFront(files: TlsFiles): TlsFront {
  const directory = mkdtempSync(join(tmpdir(), 'sequencer-tls-'));
  const socketPath = join(directory, 'http.sock');
  const open = new Set<TLSSocket>();
  const mutual = files.clientCaFile !== undefined;

  const server = attempt(() =>
    createServer(
      {
        ...readFiles(files),
        minVersion: 'TLSv1.2',
        requestCert: mutual,
        rejectUnauthorized: mutual,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ALPNProtocols: ['http/1.1'],
        noDelay: true,
      },
      (socket) => {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
        passOn(socket, socketPath);
      },
    ),
  );
  // A handshake that fails is the client's affair.
  server.on('tlsClientError', (_, socket) => socket.destroy());

  return {
    socketPath,
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', (error) =>
          reject(new Error(`cannot listen on ${host}:${port}`, { cause: error })),
        );
        server.listen({ host, port, exclusive: true }, () =>
          resolve({ port: (server.address() as { port: number }).port }),
        );
      }),
    prepareReload() {
      const options = attempt(() => {
        const read = readFiles(files);
        createSecureContext(read); // says what is wrong with them
        return read;
      });
      return () => server.setSecureContext(options);
    },
    stopListening: () => void server.close(),
    close() {
      server.close();
      for (const socket of open) socket.destroy();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function readFiles({ certFile, keyFile, passphrase, clientCaFile }: TlsFiles): SecureContextOptions {
  return {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(clientCaFile === undefined ? {} : { ca: readFileSync(clientCaFile) }),
  };
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `TLS_CERT_FILE, TLS_KEY_FILE or TLS_CLIENT_CA_FILE cannot be used: ${reason}`;
    throw new ServiceError('CONFIGURATION_INVALID', message, { cause });
  }
}

function passOn(client: TLSSocket, socketPath: string): void {
  const server = connect({ path: socketPath });
  const end = () => {
    client.destroy();
    server.destroy();
  };
  client.on('error', end);
  server.on('error', end);
  client.once('close', end);
  // What the server has written before it closes still goes out.
  server.once('close', () => client.end());
  server.write(proxyHeader(client));
  client.pipe(server);
  server.pipe(client);
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** The binary header of the PROXY protocol (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, section 2.2). */
export function proxyHeader(connection: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): Buffer {
  const { remoteAddress = '', remotePort = 0 } = connection;
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice('::ffff:'.length) : remoteAddress;
  const bytes = addressBytes(address);
  const head = Buffer.alloc(16);
  SIGNATURE.copy(head);
  head[12] = 0x21; // version 2, PROXY
  head[13] = bytes.length === 16 ? 0x21 : 0x11; // TCP over IPv6 or IPv4
  const body = Buffer.alloc(bytes.length * 2 + 4);
  bytes.copy(body);
  body.writeUInt16BE(remotePort, bytes.length * 2);
  head.writeUInt16BE(body.length, 14);
  return Buffer.concat([head, body]);
}

function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address === '' ? [0, 0, 0, 0] : address.split('.').map(Number));
  const [left = '', right] = address.split('%')[0]!.split('::');
  const groups = (part: string) =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (group.includes('.')) return group.split('.').map(Number);
          const value = Number.parseInt(group, 16);
          return [value >> 8, value & 0xff];
        });
  const before = groups(left);
  const after = groups(right ?? '');
  const gap = 16 - before.length - after.length;
  return Buffer.from([...before, ...new Array<number>(gap).fill(0), ...after]);
}
