/** `npm run demo -- --streams`: agents on three protocols write to one stream and follow it; all of them must see one order. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSequencerClient } from '../../../agent/client.js';
import { signEvent } from '../../../agent/sign-event.js';
import { createAgentKey } from '../agent-key.js';
import { createShop } from '../commerce.js';
import { findOrStartService } from '../service.js';
import { createGrpcPeer } from './grpc-peer.js';
import { createHttpPeer } from './http-peer.js';
import type { Peer } from './peer.js';
import { createWebSocketPeer } from './websocket-peer.js';

export interface StreamsDemoOptions {
  readonly seconds: number;
  readonly json: boolean;
}

export interface StreamsDemoResult {
  readonly ok: boolean;
  readonly events: number;
  readonly crashes: number;
  readonly peers: readonly {
    readonly protocol: string;
    readonly pushed: number;
    readonly heard: number;
    readonly reconnects: number;
  }[];
  readonly faults: readonly string[];
}

const PAUSE_MS = 25;
const BATCH_MAX = 5;
const BOARD_MS = 1000;
const CATCH_UP_MS = 20_000;
const PAGE = 1000;
const FAULTS_SHOWN = 10;

/** A peer, what it sent and what it heard. */
interface Player {
  readonly peer: Peer;
  readonly write: () => Promise<void>;
  pushed: number;
  /** Event ids in the order of arrival. */
  readonly heard: string[];
  readonly faults: string[];
}

export async function runStreamsDemo({ seconds, json }: StreamsDemoOptions): Promise<StreamsDemoResult> {
  const say = json ? () => {} : (line: string) => void process.stdout.write(`${line}\n`);
  const service = await findOrStartService({ url: undefined, apiKey: undefined, own: true, say });
  const players: Player[] = [];
  const leave = () => {
    for (const { peer } of players) peer.close();
  };
  // The service is a process of its own: nobody else ends it.
  const onSignal = () => {
    leave();
    void service.close().finally(() => process.exit(130));
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    const stream = { tenantId: randomUUID(), storeId: randomUUID() };
    const client = createSequencerClient({ url: service.url, apiKey: service.apiKey });
    for (const create of [createHttpPeer, createWebSocketPeer, createGrpcPeer])
      players.push(await enter(create, service, client, stream));
    for (const player of players) listen(player);

    say(`three agents write to one stream and follow it for ${seconds} s; kill -9 half-way`);
    const until = performance.now() + seconds * 1000;
    const board = setInterval(() => say(`  ${boardLine(players)}`), BOARD_MS);
    const crash = setTimeout(() => service.crash(), seconds * 500);
    await Promise.all(
      players.map(async (player) => {
        while (performance.now() < until) {
          await player.write();
          await sleep(PAUSE_MS);
        }
      }),
    );
    clearTimeout(crash);
    const stored = await readAll(client, stream);
    await caughtUp(players, stored.length);
    clearInterval(board);
    const faults = players.flatMap((player) => compare(player, stored));
    const pushed = players.reduce((sum, player) => sum + player.pushed, 0);
    if (pushed !== stored.length)
      faults.push(`${pushed} events were acknowledged, ${stored.length} are stored`);
    return {
      ok: faults.length === 0,
      events: stored.length,
      crashes: 1,
      peers: players.map((player) => ({
        protocol: player.peer.name,
        pushed: player.pushed,
        heard: player.heard.length,
        reconnects: player.peer.reconnects,
      })),
      faults: faults.slice(0, FAULTS_SHOWN),
    };
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    leave();
    await service.close();
  }
}

/** Gives an agent a key and a protocol. */
async function enter(
  create: typeof createHttpPeer,
  { url, apiKey, grpcAddress }: Awaited<ReturnType<typeof findOrStartService>>,
  client: ReturnType<typeof createSequencerClient>,
  stream: { readonly tenantId: string; readonly storeId: string },
): Promise<Player> {
  const agentId = randomUUID();
  const key = createAgentKey();
  await client.registerKey({ tenantId: stream.tenantId, agentId, keyId: 1, publicKey: key.publicKey });
  const peer = create({ url, apiKey, grpcAddress, agentId, ...stream });
  const nextEvent = createShop(peer.name, Math.random);
  const makeEvent = () => {
    const { baseVersion: _, stale: __, ...event } = nextEvent();
    const draft = { ...stream, ...event, agentId, keyId: 1, eventId: randomUUID() };
    return signEvent({ ...draft, createdAt: new Date().toISOString() }, key.sign).envelope;
  };
  const player: Player = {
    peer,
    pushed: 0,
    heard: [],
    faults: [],
    async write() {
      const events = Array.from({ length: 1 + Math.floor(Math.random() * BATCH_MAX) }, makeEvent);
      player.pushed += await peer.push(events);
    },
  };
  return player;
}

function listen({ peer, heard, faults }: Player): void {
  peer.follow((sequence, eventId) => {
    heard.push(eventId);
    if (sequence !== heard.length)
      faults.push(`${peer.name} heard number ${sequence} as its ${heard.length}th`);
  });
}

const boardLine = (players: readonly Player[]): string =>
  players
    .map(({ peer, pushed, heard }) => `${peer.name}: sent ${pushed}, heard 1..${heard.length}`)
    .join('   ');

async function readAll(
  client: ReturnType<typeof createSequencerClient>,
  stream: { readonly tenantId: string; readonly storeId: string },
): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const { events } = await client.readEvents(stream, ids.length + 1, PAGE);
    if (events.length === 0) return ids;
    ids.push(...events.map((event) => event.event_id));
  }
}

async function caughtUp(players: readonly Player[], events: number): Promise<void> {
  const deadline = performance.now() + CATCH_UP_MS;
  while (players.some(({ heard }) => heard.length < events) && performance.now() < deadline) await sleep(50);
}

function compare({ peer, heard, faults }: Player, stored: readonly string[]): string[] {
  const all = [...faults];
  if (heard.length !== stored.length)
    all.push(`${peer.name} heard ${heard.length} of ${stored.length} events`);
  const wrong = heard.findIndex((id, i) => id !== stored[i]);
  if (wrong !== -1) all.push(`${peer.name} heard another event than the one stored as number ${wrong + 1}`);
  return all;
}
