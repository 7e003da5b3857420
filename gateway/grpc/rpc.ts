/** What a method is to the server: bytes in, bytes out. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { Metadata } from '@grpc/grpc-js';
import { ServiceError } from '../../engine/errors/index.js';
import type { AuthContext } from '../auth/context.js';
import type { TraceSpan } from '../telemetry/tracing.js';
import type { Outlet } from './outlet.js';

/** A call under way. */
export interface Call {
  /** As they are now: those of streams are looked at again while they last. */
  readonly auth: AuthContext;
  readonly requestId: string;
  /** Milliseconds since the epoch; streams have one only if the client set it. */
  readonly deadlineMs: number;
  /** Aborted when the call is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Set while the call is traced. */
  readonly span: TraceSpan | undefined;
  /** The connection, for the order of pushes. */
  readonly lane: number;
  /** Counts something against the credential's limit. @throws ServiceError RATE_LIMIT_EXCEEDED */
  count(): void;
  /** What has to hold for the credentials as long as the stream lasts; what `check` throws ends it. */
  guard(check: (auth: AuthContext) => void): void;
  /** Sends the headers of the answer, so that the client knows that the stream has begun. */
  begin(metadata: Metadata): void;
  /** Pings the connection in this interval while the call lasts. */
  ping(intervalMs: number): void;
}

/** One answer to one request. */
export interface UnaryRpc {
  readonly kind: 'unary';
  answer(request: Buffer, call: Call): Promise<Uint8Array>;
}

/** Many answers; the stream ends when the promise settles. */
export interface ServerStreamRpc {
  readonly kind: 'server_streaming';
  run(request: Buffer, call: Call, out: Outlet): Promise<void>;
}

/** Many both ways. `messages` ends when the client has said everything. */
export interface BidiRpc {
  readonly kind: 'bidi_streaming';
  run(messages: AsyncIterable<Buffer>, call: Call, out: Outlet): Promise<void>;
}

export type Rpc = UnaryRpc | ServerStreamRpc | BidiRpc;

/** Reads a message. @throws ServiceError INVALID_REQUEST_BODY */
export function readMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new ServiceError('INVALID_REQUEST_BODY', `The request is not a ${schema.typeName} message`, {
      cause,
    });
  }
}

/** Writes a message. */
export const writeMessage = <Desc extends DescMessage>(
  schema: Desc,
  init: MessageInitShape<Desc>,
): Uint8Array => toBinary(schema, create(schema, init));

/** A unary method on messages. */
export const unary = <Input extends DescMessage, Output extends DescMessage>(
  input: Input,
  output: Output,
  answer: (
    request: MessageShape<Input>,
    call: Call,
  ) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>,
): UnaryRpc => ({
  kind: 'unary',
  answer: async (request, call) => writeMessage(output, await answer(readMessage(input, request), call)),
});

/** A streaming method whose request is a message; what it sends are bytes. */
export const serverStream = <Input extends DescMessage>(
  input: Input,
  run: (request: MessageShape<Input>, call: Call, out: Outlet) => Promise<void>,
): ServerStreamRpc => ({
  kind: 'server_streaming',
  run: (request, call, out) => run(readMessage(input, request), call, out),
});
