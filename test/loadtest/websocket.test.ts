import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { createWebSocketOpener, type LoadSocket } from '../../loadtest/websocket.js';
import { clientFrame, createFrameReader } from '../../loadtest/websocket-frames.js';

const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

/** A text that comes later. */
function deferred(): { promise: Promise<string>; resolve(text: string): void } {
  let resolve: (text: string) => void = () => {};
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (text) => resolve(text) };
}

/** A real server, and what the client hears of it. */
async function connected(onPeer: (peer: WebSocket) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  undo.push(() => server.close());
  server.on('connection', onPeer);
  await new Promise((resolve) => server.once('listening', resolve));
  const messages: Buffer[] = [];
  let arrived = () => {};
  const closed = deferred();
  const socket: LoadSocket = await createWebSocketOpener()({
    ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, path: '/ws' },
    ...{ subprotocol: 'test.v1', headers: { 'x-api-key': 'key' } },
    onMessage(message) {
      messages.push(Buffer.from(message));
      arrived();
    },
    onClosed: (code, reason) => closed.resolve(`${code} ${reason}`),
  });
  undo.push(() => socket.close());
  const until = async (count: number) => {
    while (messages.length < count)
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    return messages;
  };
  return { socket, until, closed: closed.promise };
}

describe('the WebSocket client', () => {
  test('sends messages of every length a frame has a form for, and gets them back', async () => {
    const { socket, until } = await connected((peer) => peer.on('message', (message) => peer.send(message)));
    const sent = [0, 1, 125, 126, 65_535, 65_536, 700_000].map((length) => randomBytes(length));
    for (const message of sent) socket.send(clientFrame(message));
    const messages = await until(sent.length);
    expect(messages.map((message, i) => message.equals(sent[i]!))).toEqual(sent.map(() => true));
  });

  test('puts fragments together, with a ping in between that it answers', async () => {
    const pong = deferred();
    const { until } = await connected((peer) => {
      peer.on('pong', (payload) => pong.resolve(payload.toString()));
      peer.send('one ', { fin: false, binary: true });
      peer.ping('still there?');
      peer.send('two ', { fin: false });
      peer.send('three', { fin: true });
    });
    expect(String((await until(1))[0])).toBe('one two three');
    expect(await pong.promise).toBe('still there?');
  });

  test('tells why the service closed', async () => {
    const { closed } = await connected((peer) => peer.close(4401, 'who are you'));
    expect(await closed).toBe('4401 who are you');
  });

  test('does not open when it is answered otherwise', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('no such place'));
    server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'));
    undo.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const opening = createWebSocketOpener()({
      ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, path: '/', subprotocol: 'x' },
      ...{ headers: {}, onMessage() {}, onClosed() {} },
    });
    await expect(opening).rejects.toThrow('403 Forbidden');
  });

  test('reads frames that arrive cut at any place', () => {
    const bytes = Buffer.concat([serverFrame(Buffer.from('abc')), serverFrame(randomBytes(300))]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const lengths: number[] = [];
      const handlers = {
        onPing() {},
        onClose() {},
        onMessage: (m: Uint8Array) => void lengths.push(m.length),
      };
      const reader = createFrameReader(handlers, 1000);
      // Both pieces arrive in the same memory.
      const shared = Buffer.alloc(bytes.length);
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        piece.copy(shared);
        reader.push(shared.subarray(0, piece.length));
      }
      expect(lengths).toEqual([3, 300]);
    }
  });

  test('refuses masked frames, reserved bits and messages beyond its limit', () => {
    const reader = () => createFrameReader({ onPing() {}, onClose() {}, onMessage() {} }, 100);
    expect(() => reader().push(clientFrame(Buffer.from('x')))).toThrow('masked');
    expect(() => reader().push(Buffer.from([0xc2, 0]))).toThrow('reserved');
    expect(() => reader().push(serverFrame(randomBytes(101)))).toThrow('100 bytes');
  });
});

/** A frame without a mask. */
function serverFrame(payload: Buffer): Buffer {
  const long = payload.length > 125;
  const head = Buffer.from(
    long ? [0x82, 126, payload.length >> 8, payload.length & 0xff] : [0x82, payload.length],
  );
  return Buffer.concat([head, payload]);
}
