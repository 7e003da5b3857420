/** Single values of requests and answers. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { ServiceError } from '../../engine/errors/index.js';
import { checkText, formatUuid, parseInstant, parseUuid } from '../../engine/protocol/index.js';
import type { AuthContext } from '../auth/context.js';
import { requireStream } from '../auth/scopes.js';
import { renderTimestamp } from '../render/timestamp.js';
import type { Call } from './rpc.js';

/** A (tenant, store) that the caller reaches. */
export interface StreamRef {
  readonly tenantId: string;
  readonly storeId: string;
}

/** @throws ServiceError INVALID_FIELD_VALUE */
export function uuidOf(text: string, name: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new ServiceError('INVALID_FIELD_VALUE', `${name} must be a UUID`);
  return formatUuid(bytes);
}

/** The stream a request names. @throws ServiceError INVALID_FIELD_VALUE, INSUFFICIENT_PERMISSIONS */
export function streamOf(auth: AuthContext, request: { tenantId: string; storeId: string }): StreamRef {
  const tenantId = uuidOf(request.tenantId, 'tenant_id');
  const storeId = uuidOf(request.storeId, 'store_id');
  requireStream(auth, tenantId, storeId);
  return { tenantId, storeId };
}

/** The same for a stream of answers: the credentials have to reach it as long as it lasts. */
export function followedStream(call: Call, request: { tenantId: string; storeId: string }): StreamRef {
  const stream = streamOf(call.auth, request);
  call.guard((auth) => requireStream(auth, stream.tenantId, stream.storeId));
  return stream;
}

/** Tenant and store as 32 bytes, as keys of entities are made of them. */
export function streamKey({ tenantId, storeId }: StreamRef): Uint8Array {
  const key = new Uint8Array(32);
  key.set(parseUuid(tenantId)!, 0);
  key.set(parseUuid(storeId)!, 16);
  return key;
}

/** A text that must be there. @throws ServiceError INVALID_FIELD_VALUE */
export function textOf(text: string, name: string, bytesMax: number): string {
  const fault = checkText(name, text, bytesMax);
  if (fault) throw new ServiceError('INVALID_FIELD_VALUE', fault.message);
  return text;
}

/** A text that may be left out. */
export const optionalText = (text: string, name: string, bytesMax: number): string | undefined =>
  text === '' ? undefined : textOf(text, name, bytesMax);

/** Most values in a list of a filter. */
const LIST_MAX = 100;

/** A list of a filter. @throws ServiceError INVALID_FIELD_VALUE */
export function listOf(values: readonly string[], name: string, read: (text: string) => string): string[] {
  if (values.length > LIST_MAX)
    throw new ServiceError('INVALID_FIELD_VALUE', `${name} may have at most ${LIST_MAX} values`);
  return values.map(read);
}

/** A number of a sequence. @throws ServiceError INVALID_FIELD_VALUE */
export function sequenceOf(value: bigint, name: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ServiceError('INVALID_FIELD_VALUE', `${name} must be at most ${Number.MAX_SAFE_INTEGER}`);
  return Number(value);
}

type TimestampInit = MessageInitShape<typeof TimestampSchema>;

/** Microseconds since 1970 as google.protobuf.Timestamp. */
export function timestampOfMicros(micros: bigint): TimestampInit {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return { seconds: (micros - fraction) / 1_000_000n, nanos: Number(fraction) * 1000 };
}

/** The same of an RFC 3339 text. */
export const timestampOfText = (text: string): TimestampInit => timestampOfMicros(parseInstant(text)!);

/** The same of a timestamp as the database writes it. */
export const timestampOfStored = (stored: string): TimestampInit => timestampOfText(renderTimestamp(stored));

/** Now, in whole seconds. */
export const timestampNow = (): TimestampInit => ({
  seconds: BigInt(Math.floor(Date.now() / 1000)),
  nanos: 0,
});
