/** What happens on the connection itself, seen by a bare HTTP/2 client, and TLS. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { credentials, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { v2 } from '../../engine/wire-proto/index.js';
import { startTestGateway } from '../gateway/support.js';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../store-base/tls-fixture.js';
import { envelopeMessage, pushMessage } from './messages.js';
import { ADMIN_KEY, startTestGrpc, type TestGrpc } from './support.js';

let grpc: TestGrpc | undefined;
let session: ClientHttp2Session | undefined;
afterEach(async () => {
  session?.destroy();
  await grpc?.close();
  [grpc, session] = [undefined, undefined];
});

const place = ({ tenantId, storeId }: { tenantId: string; storeId: string }) => ({ tenantId, storeId });

function streamEvents(
  port: number,
  request: Parameters<typeof create<typeof v2.StreamEventsRequestSchema>>[1],
) {
  session = connect(`http://127.0.0.1:${port}`);
  const call = session.request({
    ':method': 'POST',
    ':path': '/stateset.sequencer.v2.Sequencer/StreamEvents',
    'content-type': 'application/grpc',
    te: 'trailers',
    'x-api-key': ADMIN_KEY,
  });
  const message = toBinary(v2.StreamEventsRequestSchema, create(v2.StreamEventsRequestSchema, request));
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  call.end(frame);
  return { session, call };
}

test('heartbeats are pings in the interval that was asked for', async () => {
  grpc = await startTestGrpc({ STREAM_HEARTBEAT_SECS: '600' });
  const agent = await grpc.agent();
  const { session, call } = streamEvents(grpc.port, { ...place(agent), heartbeatIntervalMs: 1000 });
  call.on('error', () => {});
  const pings = await new Promise<number>((resolve) => {
    let seen = 0;
    session.on('ping', () => {
      if (++seen === 2) resolve(seen);
    });
  });
  expect(pings).toBe(2);
});

test('a stream whose client reads neither messages nor trailers is reset', async () => {
  grpc = await startTestGrpc({ SLOW_CONSUMER_SECS: '1' });
  const agent = await grpc.agent();
  const client = grpc.client();
  for (let i = 0; i < 10; i++) {
    const events = Array.from({ length: 50 }, () =>
      envelopeMessage(agent.event({ payload: { t: 'x'.repeat(20_000) } })),
    );
    await client.call(v2.Sequencer.method.push, pushMessage(agent, events));
  }
  const { call } = streamEvents(grpc.port, { ...place(agent), includeHistory: true });
  call.on('error', () => {});
  // Never reads: nobody listens for data. A reset is told nonetheless.
  const reset = await new Promise<number>((resolve) => call.on('close', () => resolve(call.rstCode)));
  expect(reset).toBe(8); // CANCEL (RFC 9113 section 7)
}, 20_000);

test('TLS with certificates of clients', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'grpc-tls-'));
  const pair = { cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY };
  const file = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  try {
    grpc = await startTestGrpc({
      GRPC_TLS_CERT: file('cert.pem', pair.cert),
      GRPC_TLS_KEY: file('key.pem', pair.key),
      GRPC_TLS_CLIENT_CA: file('ca.pem', pair.cert),
    });
    const settings = { 'grpc.ssl_target_name_override': 'localhost' };
    const trusted = credentials.createSsl(
      Buffer.from(pair.cert),
      Buffer.from(pair.key),
      Buffer.from(pair.cert),
    );
    const known = grpc.client({ credentials: trusted, settings });
    expect(await known.call(v2.Sequencer.method.getHealth, {})).toMatchObject({ healthy: true });
    const unknown = grpc.client({ credentials: credentials.createSsl(Buffer.from(pair.cert)), settings });
    const failure = await unknown
      .call(v2.Sequencer.method.getHealth, {}, { deadline: Date.now() + 1000 })
      .catch((error) => error);
    expect([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]).toContain(failure.status);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('TLS takes renewed files for new connections, and keeps the old ones when the new ones are no good', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'grpc-renewed-'));
  const file = (name: string) => join(directory, name);
  const make = (name: string) =>
    execFileSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.pem -subj /CN=${name} -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.split(
        ' ',
      ),
      { cwd: directory, stdio: 'ignore' },
    );
  const install = (...names: string[]) => {
    for (const name of names) copyFileSync(file(name), file(`live.${name.split('.')[1]}`));
  };
  try {
    make('first');
    make('second');
    install('first.pem', 'first.key');
    grpc = await startTestGrpc({ GRPC_TLS_CERT: file('live.pem'), GRPC_TLS_KEY: file('live.key') });
    const { client: newClient, gateway, port } = grpc;
    const trusting = (name: string) =>
      newClient({
        credentials: credentials.createSsl(readFileSync(file(`${name}.pem`))),
        settings: { 'grpc.ssl_target_name_override': 'localhost' },
      });
    const served = () =>
      new Promise<string>((resolve, reject) => {
        const options = { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
        const socket = connectTls(options, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        }).on('error', reject);
      });
    const agent = await grpc.agent();
    const early = trusting('first');
    const stream = early.stream(v2.Sequencer.method.streamEvents, place(agent));
    await stream.headers;
    expect(await served()).toBe('first');

    install('second.pem'); // its key is still to come
    expect(() => gateway.prepareReload()).toThrow(/GRPC_TLS_CERT.* cannot be used/);
    expect(await served()).toBe('first');

    install('second.key');
    gateway.prepareReload()();
    expect(await served()).toBe('second');
    const late = trusting('second');
    await late.call(v2.Sequencer.method.push, pushMessage(agent, [envelopeMessage(agent.event())]));
    const [live] = await stream.until(1);
    expect(live!.sequenceNumber).toBe(1n);
    const failure = await trusting('first')
      .call(v2.Sequencer.method.getHealth, {}, { deadline: Date.now() + 1000 })
      .catch((error) => error);
    expect([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]).toContain(failure.status);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('files of TLS that are no good are told by name', async () => {
  const files = { GRPC_TLS_CERT: '/nonexistent/cert.pem', GRPC_TLS_KEY: '/nonexistent/key.pem' };
  await expect(startTestGateway({ env: { GRPC_ENABLED: 'true', ...files } })).rejects.toMatchObject({
    code: 'CONFIGURATION_INVALID',
    message: expect.stringContaining('GRPC_TLS_CERT'),
  });
});

test('draining ends streams with the hub and takes no new calls', async () => {
  grpc = await startTestGrpc();
  const agent = await grpc.agent();
  const client = grpc.client();
  const stream = client.stream(v2.Sequencer.method.streamEvents, place(agent));
  await stream.headers;
  const drained = grpc.gateway.drain();
  grpc.hub.close();
  expect(await stream.ended).toMatchObject({ status: status.UNAVAILABLE, code: 'SERVICE_UNAVAILABLE' });
  await drained;
});
