/** Damaged, truncated, oversized and foreign frames on real sockets, while others write and follow the same stream. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createStreamClient } from '../../agent/stream-client.js';
import { type EventRecord, encodeHello, encodePing, envelopeOf, FRAME } from '../../engine/wire/index.js';
import { call, push, readStream, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { CLIENT_FRAMES, damage, seeded } from './frames.js';
import { openClient, pushFrame, type RawClient } from './support.js';

/** All of them; more by hand: HOSTILE_FRAMES=100000. */
const FRAMES = Number(process.env.HOSTILE_FRAMES ?? 3_000);
const SEED = Number(process.env.HOSTILE_SEED ?? 4);
const ROUNDS = 10;
const ATTACKERS = 8;
const FRAME_BYTES_MAX = 65_536;

type Random = ReturnType<typeof seeded>;

/** A frame that no well-behaved client sends. The pushes among them are of the stream that others use. */
function hostileFrame(agent: TestAgent, random: Random): Uint8Array {
  const push = () => pushFrame(1 + random(100), agent, [agent.event(), agent.event()]);
  switch (random(10)) {
    case 0:
      return encodeHello({ versionMin: 2, versionMax: 9, authorization: undefined, agent: undefined });
    case 1:
      return new Uint8Array(FRAME_BYTES_MAX + 1 + random(1000));
    case 2: {
      const { bytes } = CLIENT_FRAMES[random(CLIENT_FRAMES.length)]!;
      return bytes.subarray(0, random(bytes.length));
    }
    case 3:
      return damage(CLIENT_FRAMES[random(CLIENT_FRAMES.length)]!.bytes, random);
    default:
      return damage(push(), random); // most: such a connection goes on
  }
}

/** Sends so many, with a new connection whenever one ends. */
async function attack(service: TestService, agent: TestAgent, frames: number, random: Random): Promise<void> {
  let client: RawClient | undefined;
  for (let sent = 0; sent < frames; sent++) {
    if (client === undefined) {
      client = await openClient(service);
      client.socket.on('error', () => {}); // the service hangs up in the middle of a frame that is too long
    }
    client.send(hostileFrame(agent, random));
    client.send(encodePing(sent + 1));
    const open = await Promise.race([
      client.next(FRAME.pong, sent + 1).then(
        () => true,
        () => false,
      ),
      client.closed.then(() => false),
    ]);
    if (!open) client = undefined;
  }
  client?.close();
}

/** The two surfaces write the same instant differently. */
const withoutTime = ({ sequenced_at: _, ...envelope }: { sequenced_at?: string }) => envelope;

test(
  'hostile frames change nothing for the others: every log equals the database',
  async () => {
    const service = await startTestService({ env: { WS_MAX_FRAME_BYTES: String(FRAME_BYTES_MAX) } });
    const agent = await registerAgent(service);
    const heard: EventRecord[] = [];
    const client = createStreamClient({ url: service.url, apiKey: service.adminKey });
    const envelopeIn = (event: EventRecord) => withoutTime(envelopeOf(event, agent.tenantId));
    const following = (async () => {
      for await (const event of client.subscribe({ ...agent, after: 0 })) heard.push(event);
    })();
    let acknowledged = 0;
    let attacking = true;
    const writing = (async () => {
      while (attacking) {
        const { status, body } = await push(service, agent, [agent.event(), agent.event()]);
        expect(status).toBe(200);
        acknowledged += body.eventsAccepted;
        await sleep(20);
      }
    })();

    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        Array.from({ length: ATTACKERS }, (_, i) =>
          attack(service, agent, FRAMES / ROUNDS / ATTACKERS, seeded(SEED + round * ATTACKERS + i)),
        ),
      );
      expect((await call(service, 'GET', '/health', { key: null })).status).toBe(200);
      const stored = await readStream(service, agent);
      await expect.poll(() => heard.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(stored.length);
      expect(heard.slice(0, stored.length).map(envelopeIn)).toEqual(stored.map(withoutTime));
    }

    attacking = false;
    await writing;
    const stored = await readStream(service, agent);
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBe(stored.length);
    expect(stored.length).toBeGreaterThanOrEqual(acknowledged);
    expect(stored.map(({ sequence_number }) => sequence_number)).toEqual(stored.map((_, i) => i + 1));
    client.close();
    await following.catch(() => {});
    expect(await service.stop()).toBe(0);
  },
  60_000 + FRAMES * 20,
);
