/** Sample frames of every kind and a seeded source of chance. */

import {
  encodeAck,
  encodeAcked,
  encodeCaughtUp,
  encodeEnded,
  encodeError,
  encodeHello,
  encodePing,
  encodePong,
  encodePush,
  encodeSubscribe,
  encodeSubscribed,
  encodeSubscribeTenant,
  encodeUnsubscribe,
  encodeWelcome,
  idOf,
  pushEventOf,
} from '../../engine/wire/index.js';
import { createAgent } from '../support/agents.js';

export const TENANT = '11111111-1111-4111-8111-111111111111';
export const STORE = '22222222-2222-4222-8222-222222222222';
export const AGENT = '33333333-3333-4333-8333-333333333333';
export const SESSION = '44444444-4444-4444-8444-444444444444';

const filter = { entityTypes: ['order'], entityIds: [], eventTypes: ['order.placed'], agents: [AGENT] };

export const CLIENT_FRAMES: readonly { name: string; bytes: Uint8Array }[] = [
  {
    name: 'hello',
    bytes: encodeHello({ versionMin: 1, versionMax: 1, authorization: 'ApiKey ss_abc', agent: 'sample' }),
  },
  {
    name: 'hello without credentials',
    bytes: encodeHello({ versionMin: 1, versionMax: 2, authorization: undefined, agent: undefined }),
  },
  {
    name: 'subscribe after 41',
    bytes: encodeSubscribe({
      id: 7,
      tenantId: TENANT,
      storeId: STORE,
      after: 41,
      credits: 1000,
      filter: undefined,
      agentId: undefined,
    }),
  },
  {
    name: 'subscribe from the durable cursor, filtered',
    bytes: encodeSubscribe({
      id: 8,
      tenantId: TENANT,
      storeId: STORE,
      after: undefined,
      credits: 10,
      filter,
      agentId: AGENT,
    }),
  },
  {
    name: 'subscribe to a tenant',
    bytes: encodeSubscribeTenant({
      id: 9,
      tenantId: TENANT,
      storeIds: undefined,
      cursor: [[STORE, 300]],
      othersFromBeginning: true,
      credits: 70_000,
      filter: undefined,
    }),
  },
  { name: 'ack', bytes: encodeAck({ id: 7, credits: 500, sequence: 5_000_000_000 }) },
  { name: 'unsubscribe', bytes: encodeUnsubscribe(7) },
  { name: 'ping', bytes: encodePing(1) },
];

export const SERVER_FRAMES: readonly { name: string; bytes: Uint8Array }[] = [
  {
    name: 'welcome',
    bytes: encodeWelcome({
      version: 1,
      sessionId: SESSION,
      serverVersion: '0.1.0',
      heartbeatSecs: 30,
      frameBytesMax: 10_485_760,
      eventsMax: 1000,
      inflightPushesMax: 64,
      inflightBytesMax: 16_777_216,
      subscriptionsMax: 64,
    }),
  },
  {
    name: 'error',
    bytes: encodeError({
      id: 3,
      code: 'OVERLOADED',
      numeric: 8004,
      message: 'More work is in flight than the service admits',
      retryable: true,
      retryAfterSecs: 1,
      details: undefined,
    }),
  },
  { name: 'subscribed', bytes: encodeSubscribed(7, [[STORE, 41]]) },
  { name: 'caught up', bytes: encodeCaughtUp(7, 300) },
  { name: 'caught up with a tenant', bytes: encodeCaughtUp(9, undefined) },
  {
    name: 'ended on request',
    bytes: encodeEnded({
      id: 7,
      code: undefined,
      message: undefined,
      retryAfterSecs: undefined,
      cursor: [[STORE, 300]],
    }),
  },
  {
    name: 'ended by the service',
    bytes: encodeEnded({
      id: 7,
      code: 'SERVICE_UNAVAILABLE',
      message: 'The service is stopping',
      retryAfterSecs: 5,
      cursor: [[STORE, 300]],
    }),
  },
  { name: 'acked', bytes: encodeAcked({ id: 7, acknowledged: 300, head: 301 }) },
  { name: 'pong', bytes: encodePong(1) },
];

/** A push of one signed event, the same each time. */
export function samplePush(): Uint8Array {
  const agent = createAgent({
    tenantId: TENANT,
    storeId: STORE,
    agentId: AGENT,
    seed: new Uint8Array(32).fill(1),
  });
  const { envelope } = agent.event({
    eventId: '55555555-5555-7555-8555-555555555555',
    createdAt: '2026-01-31T12:00:00Z',
    entityType: 'order',
    entityId: 'o-1',
    eventType: 'order.placed',
    payload: { total: 12.5, currency: 'EUR' },
    commandId: '66666666-6666-4666-8666-666666666666',
    baseVersion: 0,
  });
  const events = [pushEventOf(envelope)];
  return encodePush({
    id: 5,
    tenant: idOf(TENANT, ''),
    store: idOf(STORE, ''),
    agent: idOf(AGENT, ''),
    receipts: 2,
    events,
  });
}

/** mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** A frame damaged in one of many ways. */
export function damage(frame: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = Buffer.from(frame);
  const at = random(bytes.length);
  switch (random(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      bytes[at] = random(256);
      return bytes;
    case 2: {
      for (let i = 0; i < 1 + random(8); i++) bytes[random(bytes.length)] = random(256);
      return bytes;
    }
    case 3:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
        bytes.subarray(at),
      ]);
    case 4:
      return Buffer.concat([bytes, Buffer.from([random(256)])]);
    default:
      return Buffer.from(Array.from({ length: random(64) }, () => random(256)));
  }
}
