import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { proxyHeader } from '../../gateway/http/tls-front.js';
import { findFreePort } from '../../loadtest/service-process.js';
import { startTestGateway } from '../gateway/support.js';
import { startTestService } from '../support/service.js';

const directory = mkdtempSync(join(tmpdir(), 'tls-'));
const file = (name: string) => join(directory, name);
const read = (name: string) => readFileSync(file(name));
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });

/** An authority, and certificates for localhost that it signs. */
function makeCertificates(): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  for (const authority of ['ca', 'other-ca'])
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${authority}.key`,
      '-out',
      `${authority}.pem`,
      '-subj',
      `/CN=${authority}`,
    );
  writeFileSync(file('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  for (const [name, authority] of [
    ['server', 'ca'],
    ['renewed', 'ca'],
    ['client', 'ca'],
    ['stranger', 'other-ca'],
  ] as const) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${authority}.pem`,
      '-CAkey',
      `${authority}.key`,
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-extfile',
      'extensions',
    );
  }
  openssl('ec', '-in', 'server.key', '-aes256', '-passout', 'pass:open sesame', '-out', 'locked.key');
}

const withKey = (name: string) => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) });

/** Status, and the name in the server's certificate; or the error's code. */
const ask = (
  port: number,
  options: object = {},
): Promise<{ status?: number; name?: string; error?: string; hsts?: string }> =>
  new Promise((resolve) => {
    const asking = request(
      { host: '127.0.0.1', port, path: '/health', ca: read('ca.pem'), agent: false, ...options },
      (response) => {
        const name = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
        response.resume();
        resolve({
          status: response.statusCode!,
          name,
          hsts: String(response.headers['strict-transport-security']),
        });
      },
    );
    asking.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    asking.end();
  });

/** The name in the certificate that new connections are shown. */
const served = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port, ca: read('ca.pem'), ALPNProtocols: ['h2', 'http/1.1'] },
      () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      },
    ).on('error', reject);
  });

const TLS = { TLS_CERT_FILE: file('server.pem'), TLS_KEY_FILE: file('server.key') };

describe('TLS', () => {
  beforeAll(makeCertificates);

  test('is spoken with the configured certificate, and browsers are told to insist on it', async () => {
    const g = await startTestGateway({ env: TLS });
    expect(await ask(g.port)).toMatchObject({
      status: 200,
      name: 'server',
      hsts: expect.stringContaining('max-age='),
    });
    expect(await ask(g.port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).toHaveProperty('error');
    await g.close();
  });

  test('with a client authority refuses clients without a certificate of it', async () => {
    const g = await startTestGateway({ env: { ...TLS, TLS_CLIENT_CA_FILE: file('ca.pem') } });
    expect(await ask(g.port, withKey('client'))).toMatchObject({ status: 200 });
    expect(await ask(g.port)).toHaveProperty('error');
    expect(await ask(g.port, withKey('stranger'))).toHaveProperty('error');
    await g.close();
  });

  test('reads an encrypted key', async () => {
    const env = { ...TLS, TLS_KEY_FILE: file('locked.key'), TLS_KEY_PASSPHRASE: 'open sesame' };
    const g = await startTestGateway({ env });
    expect(await ask(g.port)).toMatchObject({ status: 200 });
    await g.close();
    await expect(startTestGateway({ env: { ...env, TLS_KEY_PASSPHRASE: 'wrong' } })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
    });
  });

  test('takes a renewed certificate without a restart, and keeps the old one when the new one is no good', async () => {
    writeFileSync(file('live.pem'), read('server.pem'));
    writeFileSync(file('live.key'), read('server.key'));
    const g = await startTestGateway({
      env: { TLS_CERT_FILE: file('live.pem'), TLS_KEY_FILE: file('live.key') },
    });
    writeFileSync(file('live.pem'), read('renewed.pem'));
    expect(() => g.gateway.reloadTls()).toThrow(/cannot be used/);
    expect(await ask(g.port)).toMatchObject({ name: 'server' });
    writeFileSync(file('live.key'), read('renewed.key'));
    g.gateway.reloadTls();
    expect(await ask(g.port)).toMatchObject({ name: 'renewed' });
    await g.close();
  });

  test('is renewed on both ports by SIGHUP, or on none', async () => {
    const grpcPort = await findFreePort();
    for (const name of ['http', 'grpc']) {
      writeFileSync(file(`${name}.pem`), read('server.pem'));
      writeFileSync(file(`${name}.key`), read('server.key'));
    }
    const service = await startTestService({
      env: {
        TLS_CERT_FILE: file('http.pem'),
        TLS_KEY_FILE: file('http.key'),
        GRPC_PORT: String(grpcPort),
        GRPC_TLS_CERT: file('grpc.pem'),
        GRPC_TLS_KEY: file('grpc.key'),
      },
    });
    const names = () => Promise.all([service.port, grpcPort].map(served));
    const hangUp = async (logged: string) => {
      service.signal('SIGHUP');
      while (!service.logs().includes(logged)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    expect(await names()).toEqual(['server', 'server']);
    writeFileSync(file('http.pem'), read('renewed.pem'));
    writeFileSync(file('http.key'), read('renewed.key'));
    writeFileSync(file('grpc.pem'), read('renewed.pem'));
    await hangUp('those read before stay in force');
    expect(await names()).toEqual(['server', 'server']);
    writeFileSync(file('grpc.key'), read('renewed.key'));
    await hangUp('the files of TLS were read again');
    expect(await names()).toEqual(['renewed', 'renewed']);
    expect(await service.stop()).toBe(0);
  });

  test('carries WebSocket connections too', async () => {
    const g = await startTestGateway({ env: TLS });
    const socket = new WebSocket(`wss://127.0.0.1:${g.port}/ws`, 'nonsense', { ca: read('ca.pem') });
    const answer = await new Promise<number>((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode!));
      socket.on('error', () => {});
    });
    expect(answer).toBe(400); // the subprotocol: the request got to the gateway
    socket.terminate();
    await g.close();
  });

  test('a client that never finishes its handshake, or speaks no TLS, harms nobody', async () => {
    const g = await startTestGateway({ env: TLS });
    const plain = await import('node:net').then(({ connect }) => connect(g.port, '127.0.0.1'));
    plain.on('error', () => {});
    plain.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
    const silent = connect({ host: '127.0.0.1', port: g.port, ca: read('ca.pem') });
    silent.on('error', () => {});
    expect(await ask(g.port)).toMatchObject({ status: 200 });
    plain.destroy();
    silent.destroy();
    await g.close();
  });

  test('that cannot be set up is told by name', async () => {
    await expect(startTestGateway({ env: { ...TLS, TLS_CERT_FILE: file('nothing.pem') } })).rejects.toThrow(
      /TLS_CERT_FILE/,
    );
    await expect(startTestGateway({ env: { TLS_CERT_FILE: file('server.pem') } })).rejects.toThrow(
      /TLS_KEY_FILE is needed/,
    );
  });
});

test('the PROXY header holds the address of the client', () => {
  expect(proxyHeader({ remoteAddress: '::ffff:10.1.2.3', remotePort: 5555 }).toString('hex')).toBe(
    '0d0a0d0a000d0a515549540a2111000c0a01020300000000' + '15b30000',
  );
  expect(proxyHeader({ remoteAddress: '2001:db8::7', remotePort: 1 }).subarray(16, 32).toString('hex')).toBe(
    '20010db8000000000000000000000007',
  );
});
