/**
 * What the connection below a call can do that grpc-js does not offer: an HTTP/2 PING at will, and giving up on a client that reads
 * neither messages nor trailers. Both reach through two fields of @grpc/grpc-js 1.14.7; where these are not as expected, they do
 * nothing. Pinned by version and by test/grpc/connection.test.ts.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';

function http2Stream(call: unknown): ServerHttp2Stream | undefined {
  // A call holds its interceptors as a chain, each of which knows the next; the last one has the stream.
  let link = call as { call?: unknown; nextCall?: unknown; stream?: unknown } | undefined;
  for (let depth = 0; link !== undefined && depth < 8; depth++) {
    if (link.stream !== undefined) return link.stream as ServerHttp2Stream;
    link = (link.call ?? link.nextCall) as typeof link;
  }
  return undefined;
}

/** Sends a PING, whose answer shows that the peer is alive; nothing happens on a connection that is gone. */
export function pingConnection(call: unknown): boolean {
  const session = http2Stream(call)?.session;
  if (!session || session.closed || session.destroyed) return false;
  try {
    return session.ping(() => {});
  } catch {
    return false; // too many are under way
  }
}

/** Ends the call's HTTP/2 stream at once, with everything that waits in it. */
export function resetStream(call: unknown): void {
  const stream = http2Stream(call);
  if (stream && !stream.closed) stream.close(constants.NGHTTP2_CANCEL);
}

/**
 * The lane of a connection's pushes, by its peer. Lanes of HTTP are small serial numbers; two connections that share a lane share a
 * worker and lose nothing.
 */
export function laneOf(peer: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < peer.length; i++) hash = Math.imul(hash ^ peer.charCodeAt(i), 0x01000193) >>> 0;
  return 2 ** 40 + hash;
}
