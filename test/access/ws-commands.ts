/** Frames as commands, each on a connection of its own. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CLOSE,
  encodeAck,
  encodeHello,
  encodePing,
  encodeSubscribe,
  encodeSubscribeTenant,
  encodeUnsubscribe,
  FRAME,
  type ServerFrame,
  SUBPROTOCOL,
} from '../../engine/wire/index.js';
import { AGENT } from '../gateway/support.js';
import { openSocket, pushFrame, type RawClient } from '../ws/support.js';
import type { Headers } from './credentials.js';
import { stream, type World } from './world.js';

const ID = 7;
const WAIT_MS = 10_000;

const subscribe = encodeSubscribe({
  id: ID,
  ...stream,
  after: undefined,
  credits: 10,
  filter: undefined,
  agentId: AGENT,
});

type Talk = (client: RawClient, world: World) => Promise<string>;

/** What is said after `hello`, by the row's name. */
export const WS_COMMANDS: Readonly<Record<string, Talk>> = {
  hello: async () => 'in',
  async ping(client) {
    client.send(encodePing(ID));
    return outcomeOf(await answer(client, FRAME.pong));
  },
  async push(client, { agent, event }) {
    client.send(pushFrame(ID, agent, [event]));
    return outcomeOf(await answer(client, FRAME.result));
  },
  async subscribe(client) {
    client.send(subscribe);
    return outcomeOf(await answer(client, FRAME.subscribed));
  },
  async subscribeTenant(client) {
    client.send(
      encodeSubscribeTenant({
        id: ID,
        tenantId: stream.tenantId,
        storeIds: [stream.storeId],
        cursor: [],
        othersFromBeginning: false,
        credits: 10,
        filter: undefined,
      }),
    );
    return outcomeOf(await answer(client, FRAME.subscribed));
  },
  ack: (client) => followUp(client, encodeAck({ id: ID, credits: 0, sequence: 1 }), FRAME.acked),
  unsubscribe: (client) => followUp(client, encodeUnsubscribe(ID), FRAME.ended),
};

/** A frame about a subscription. When that was refused there is nothing to speak of: the frame is met with silence. */
async function followUp(client: RawClient, frame: Uint8Array, type: ServerFrame['type']): Promise<string> {
  client.send(subscribe);
  const begun = outcomeOf(await answer(client, FRAME.subscribed));
  client.send(frame);
  if (begun === 'in') return outcomeOf(await answer(client, type));
  client.send(encodePing(ID + 1));
  await answer(client, FRAME.pong, ID + 1);
  const unexpected = client.frames.find((each) => 'id' in each && each.id === ID);
  return unexpected === undefined ? begun : `${begun}, and then frame ${unexpected.type}`;
}

/** Says hello with the credentials, then the command. */
export async function callWs(world: World, name: string, headers: Headers): Promise<string> {
  const said = headers.authorization ?? headers['x-api-key'];
  const client = await openSocket(world.service, said === undefined ? { ...headers } : {});
  try {
    client.send(encodeHello({ versionMin: 1, versionMax: 1, authorization: said, agent: undefined }));
    const refused = outcomeOf(await answer(client, FRAME.welcome, 0));
    if (refused !== 'in') {
      const { code } = await client.closed;
      return code === CLOSE.unauthenticated ? refused : `${refused}, closed with ${code}`;
    }
    return await WS_COMMANDS[name]!(client, world);
  } finally {
    client.close();
  }
}

/** Credentials in the headers of the upgrade. */
export const upgrade = ({ service }: World, headers: Headers): Promise<string> =>
  new Promise((resolve, reject) => {
    const opening = request({
      port: service.port,
      host: '127.0.0.1',
      path: '/ws',
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.alloc(16).toString('base64'),
        'sec-websocket-protocol': SUBPROTOCOL,
        ...headers,
      },
    });
    opening.on('upgrade', (_, socket) => {
      socket.destroy();
      resolve('in');
    });
    opening.on('response', (response) => {
      response.resume();
      resolve(`${response.statusCode} ${response.headers['x-error-code']}`);
    });
    opening.on('error', reject);
    opening.end();
  });

/** The first frame of the type, or the refusal that came instead. */
async function answer(client: RawClient, type: ServerFrame['type'], id = ID): Promise<ServerFrame> {
  const fits = (frame: ServerFrame) =>
    (frame.type === type || frame.type === FRAME.error || frame.type === FRAME.ended) &&
    (!('id' in frame) || frame.id === id);
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(2)) {
    const at = client.frames.findIndex(fits);
    if (at !== -1) return client.frames.splice(at, 1)[0]!;
  }
  throw new Error(`no frame of type ${type}`);
}

function outcomeOf(frame: ServerFrame): string {
  if (frame.type !== FRAME.error && frame.type !== FRAME.ended) return 'in';
  const { code } = frame;
  if (code === undefined) return 'in';
  if (code === 'INSUFFICIENT_PERMISSIONS') return '403';
  return /^(AUTH_|INVALID_API_KEY|INVALID_TOKEN|TOKEN_)/.test(code) ? `401 ${code}` : code;
}
