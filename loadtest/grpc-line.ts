import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import type { Answer, Line, LineOptions } from './line.js';
import { readNumbers } from './protobuf.js';

const PUSH = '/stateset.sequencer.v2.Sequencer/Push';
/** Fields of PushResponse. */
const ACCEPTED = 3;
const FIRST = 5;
const LAST = 6;
const CONNECT_TIMEOUT_MS = 5_000;
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
const same = (bytes: Buffer): Buffer => bytes;

/** Unary pushes over one HTTP/2 connection, many under way at once; requests are encoded messages. */
export async function openGrpcLine<Tag>(options: LineOptions<Tag>): Promise<Line<Tag>> {
  const client = new Client(`${options.host}:${options.port}`, credentials.createInsecure(), {
    // Lines are connections: without it all clients of a process share one.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  });
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => (error ? reject(error) : resolve()));
  });
  const metadata = new Metadata();
  metadata.set('x-api-key', options.apiKey);
  let closed = false;
  return {
    send(request, tag) {
      client.makeUnaryRequest(PUSH, asBuffer, same, request, metadata, (error, response) => {
        if (closed) return;
        options.onAnswer(tag, error ? failed(error) : readResponse(response!));
      });
    },
    close() {
      closed = true;
      client.close();
    },
  };
}

function readResponse(body: Buffer): Answer {
  const numbers = readNumbers(body);
  const figure = (field: number) => numbers.get(field) ?? 0;
  return {
    ...{ code: 'ok', good: true, body },
    ...{ accepted: figure(ACCEPTED), first: figure(FIRST), last: figure(LAST) },
  };
}

const failed = (error: { code: status; details: string; metadata: Metadata }): Answer => ({
  code: [status[error.code], ...error.metadata.get('x-error-code')].join(' '),
  ...{ good: false, accepted: 0, first: 0, last: 0, body: Buffer.from(error.details) },
});
