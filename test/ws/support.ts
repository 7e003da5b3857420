/** A client of single frames on a real socket, and a proxy that cuts connections. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { SignedEvent } from '../../agent/sign-event.js';
import {
  CLOSE,
  decodeServerFrame,
  encodeHello,
  encodePush,
  FRAME,
  idOf,
  pushEventOf,
  type ServerFrame,
  SUBPROTOCOL,
} from '../../engine/wire/index.js';
import type { TestAgent } from '../support/agents.js';
import type { TestService } from '../support/service.js';

export interface RawClient {
  readonly socket: WebSocket;
  /** Frames that nobody has taken yet. */
  readonly frames: ServerFrame[];
  /** The next frame that fits, now or later; those before it stay. */
  next<T extends ServerFrame['type']>(type: T, id?: number): Promise<ServerFrame & { type: T }>;
  send(frame: Uint8Array): void;
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): void;
}

/** Opens a socket; nothing is said. */
export async function openSocket(
  service: Pick<TestService, 'port'>,
  headers: Record<string, string> = {},
  protocols: string[] = [SUBPROTOCOL],
): Promise<RawClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/ws`, protocols, { headers });
  socket.binaryType = 'nodebuffer';
  const frames: ServerFrame[] = [];
  const waiting: { fits: (frame: ServerFrame) => boolean; take: (frame: ServerFrame) => void }[] = [];
  socket.on('message', (data: Buffer) => {
    const frame = decodeServerFrame(data);
    const at = waiting.findIndex(({ fits }) => fits(frame));
    if (at === -1) frames.push(frame);
    else waiting.splice(at, 1)[0]!.take(frame);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  return {
    socket,
    frames,
    next(type, id) {
      const fits = (frame: ServerFrame) =>
        frame.type === type && (id === undefined || ('id' in frame && frame.id === id));
      const at = frames.findIndex(fits);
      if (at !== -1) return Promise.resolve(frames.splice(at, 1)[0] as never);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no frame of type ${type}`)), 15_000);
        waiting.push({
          fits,
          take(frame) {
            clearTimeout(timer);
            resolve(frame as never);
          },
        });
      });
    },
    send: (frame) => socket.send(frame),
    closed,
    close: () => socket.close(CLOSE.normal),
  };
}

/** Opens a socket and says hello. */
export async function openClient(
  service: Pick<TestService, 'port' | 'adminKey'>,
  key: string | undefined = service.adminKey,
): Promise<RawClient> {
  const client = await openSocket(service);
  client.send(
    encodeHello({ versionMin: 1, versionMax: 1, authorization: `ApiKey ${key}`, agent: undefined }),
  );
  await client.next(FRAME.welcome);
  return client;
}

/** A push frame of signed events. */
export const pushFrame = (
  id: number,
  agent: TestAgent,
  events: readonly SignedEvent[],
  receipts = 0,
): Uint8Array =>
  encodePush({
    id,
    tenant: idOf(agent.tenantId, 'tenant'),
    store: idOf(agent.storeId, 'store'),
    agent: idOf(agent.agentId, 'agent'),
    receipts,
    events: events.map(({ envelope }) => pushEventOf(envelope)),
  });

/** A TCP proxy whose connections end after a number of bytes in either direction. */
export async function startProxy(target: number): Promise<{
  readonly port: number;
  /** The next connections end after so many bytes sent to the service, or answered by it; Infinity: never. */
  limits: { up: number; down: number };
  cutAll(): void;
  /** Bytes that go nowhere from now on: the peers do not notice. */
  stall(): void;
  close(): Promise<void>;
}> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let stalled = false;
  const proxy = {
    port: 0,
    limits: { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY },
    cutAll() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
    stall() {
      stalled = true;
    },
    close: () =>
      new Promise<void>((resolve) => {
        proxy.cutAll();
        server.close(() => resolve());
      }),
  };
  const server = createServer((client) => {
    const service = connect(target, '127.0.0.1');
    const pair = [client, service] as const;
    const { up, down } = proxy.limits;
    pairs.add(pair);
    pipe(client, service, up);
    pipe(service, client, down);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        for (const each of pair) each.destroy();
        pairs.delete(pair);
      });
    }
  });
  function pipe(from: Socket, to: Socket, limit: number): void {
    let left = limit;
    from.on('data', (data) => {
      if (stalled) return;
      to.write(left < data.length ? data.subarray(0, left) : data);
      left -= data.length;
      if (left <= 0) {
        // What was passed on is delivered before the end is.
        to.end();
        from.destroy();
      }
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.port = (server.address() as AddressInfo).port;
  return proxy;
}
