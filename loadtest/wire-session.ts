/** A WebSocket that has said hello: the frames of engine/wire can be sent and arrive. */
import {
  createReader,
  decodeServerFrame,
  ENDPOINT_PATH,
  encodeHello,
  FRAME,
  type FrameHead,
  type Reader,
  readHead,
  SUBPROTOCOL,
  WIRE_VERSION,
} from '../engine/wire/index.js';
import type { LoadSocket, OpenWebSocket } from './websocket.js';
import { clientFrame } from './websocket-frames.js';

export interface WireSessionOptions {
  readonly host: string;
  readonly port: number;
  readonly apiKey: string;
  /** A frame of the service; `reader` stands behind its head. Its bytes are valid until the handler returns. */
  onFrame(head: FrameHead, reader: Reader): void;
  onClosed(reason: string): void;
}

const AGENT = 'loadtest';

/** Opens a socket and resolves with it when the service has welcomed it. @throws Error when it does not */
export async function openWireSession(
  openWebSocket: OpenWebSocket,
  { host, port, apiKey, onFrame, onClosed }: WireSessionOptions,
): Promise<LoadSocket> {
  let welcomed = false;
  let welcome = () => {};
  let refuse: (error: Error) => void = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    welcome = resolve;
    refuse = reject;
  });
  const socket = await openWebSocket({
    ...{ host, port, path: ENDPOINT_PATH, subprotocol: SUBPROTOCOL, headers: { 'x-api-key': apiKey } },
    onMessage(message) {
      const reader = createReader(message);
      const head = readHead(reader);
      if (welcomed) return onFrame(head, reader);
      if (head.type === FRAME.welcome) {
        welcomed = true;
        return welcome();
      }
      refuse(new Error(`instead of a welcome: ${describe(message)}`));
    },
    onClosed(code, reason) {
      const text = `closed with ${code} ${reason}`;
      if (welcomed) onClosed(text);
      else refuse(new Error(text));
    },
  });
  const hello = {
    versionMin: WIRE_VERSION,
    versionMax: WIRE_VERSION,
    authorization: undefined,
    agent: AGENT,
  };
  socket.send(clientFrame(encodeHello(hello)));
  await ready;
  return socket;
}

function describe(message: Uint8Array): string {
  const frame = decodeServerFrame(message);
  return frame.type === FRAME.error ? `${frame.code} ${frame.message}` : `a frame of type ${frame.type}`;
}
