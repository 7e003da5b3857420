/** Agents that keep writing whatever happens to the service, and what must be true of the streams afterwards. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import type { ReceiptJson } from '../../engine/protocol/index.js';
import {
  checkReceipt,
  createAgent,
  type Endpoint,
  push,
  readStream,
  registerKey,
  sequencerKeys,
  type TestAgent,
} from '../support/agents.js';

export interface CrowdOptions {
  /** Agents write to this many streams in turn. */
  readonly streams: number;
  readonly agents: number;
  /** Most events of one request. Unset: 12. */
  readonly batchMax?: number;
  /** Where an agent sends its next request. */
  endpoint(agent: number): Endpoint;
}

export interface Crowd {
  readonly agents: readonly TestAgent[];
  /** Answers by status; 0: none, because the connection failed. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Answers that asked for a repetition without saying when. */
  readonly impolite: readonly string[];
  /** Requests that were not answered within {@link HANG_MS}. */
  readonly hung: number;
  /** Events with a receipt so far. */
  readonly acknowledged: number;
  /** Receipts by agent. */
  acknowledgedBy(agent: number): number;
  /** No new events; resolves when every one has its receipt. */
  finish(): Promise<void>;
  /** L1–L4: every acknowledged event is there once, at its number, as it was sent; no gap; receipts verify. */
  checkLaws(service: Endpoint): Promise<void>;
}

const HANG_MS = 25_000;
const PAUSE_MS = 20;
/** The portable verifier takes about a millisecond per receipt. */
const CHECKED_RECEIPTS = 40;

/** Registers agents with the first one's service and sets them to work. */
export async function startCrowd(options: CrowdOptions): Promise<Crowd> {
  const { batchMax = 12 } = options;
  const places = Array.from({ length: options.streams }, () => createAgent());
  const agents = Array.from({ length: options.agents }, (_, i) => {
    const { tenantId, storeId } = places[i % options.streams]!;
    return createAgent({ tenantId, storeId });
  });
  await Promise.all(agents.map((agent, i) => registerKey(options.endpoint(i), agent)));

  const statuses = new Map<number, number>();
  const impolite: string[] = [];
  const sent = new Map<string, SignedEvent>();
  const receipts = new Map<string, ReceiptJson>();
  const acknowledgedBy = agents.map(() => 0);
  let hung = 0;
  let finishing = false;
  const faults: string[] = [];

  async function work(agent: TestAgent, index: number): Promise<void> {
    for (let round = 0; !finishing; round++) {
      const events = Array.from({ length: 1 + (round % batchMax) }, () => agent.event());
      for (const event of events) sent.set(event.envelope.event_id, event);
      let open = events;
      while (open.length > 0 && faults.length === 0) {
        await attempt(agent, index, open);
        open = open.filter((event) => !receipts.has(event.envelope.event_id));
      }
      if (faults.length > 0) return;
      acknowledgedBy[index]! += events.length;
    }
  }

  async function attempt(agent: TestAgent, index: number, events: readonly SignedEvent[]): Promise<void> {
    const startedAt = performance.now();
    const answer = await push(options.endpoint(index), agent, events).catch(() => undefined);
    if (performance.now() - startedAt > HANG_MS) hung++;
    const status = answer?.status ?? 0;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (answer?.status !== 200) {
      if (status === 503 && !answer!.headers.has('retry-after')) impolite.push(answer!.text);
      if (status !== 0 && ![503, 504].includes(status)) faults.push(`status ${status}: ${answer!.text}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      return;
    }
    for (const receipt of answer.body.receipts ?? []) {
      const first = receipts.get(receipt.eventId);
      if (first && !isDeepStrictEqual(first, receipt)) faults.push(`two receipts of ${receipt.eventId}`);
      receipts.set(receipt.eventId, receipt);
    }
    for (const { reason, message } of answer.body.rejections ?? [])
      if (!['not_stored', 'outcome_unknown'].includes(reason)) faults.push(`${reason}: ${message}`);
  }

  const working = Promise.all(agents.map(work));

  async function checkLaws(service: Endpoint): Promise<void> {
    const keys = await sequencerKeys(service);
    let stored = 0;
    for (const place of places) {
      const stream = await readStream(service, place);
      stored += stream.length;
      expect(stream.map((event) => event.sequence_number)).toEqual(stream.map((_, i) => i + 1)); // L1
      expect(new Set(stream.map((event) => event.event_id)).size).toBe(stream.length); // L2
      for (const { sequence_number, sequenced_at, ...envelope } of stream) {
        const event = sent.get(envelope.event_id);
        const receipt = receipts.get(envelope.event_id);
        expect(envelope).toEqual(event?.envelope); // L3
        expect([receipt?.sequenceNumber, receipt?.sequencedAt]).toEqual([
          sequence_number,
          sequenced_at.replace('Z', '+00:00'),
        ]);
      }
    }
    expect(stored).toBe(sent.size);
    const all = [...receipts.values()];
    const step = Math.ceil(all.length / CHECKED_RECEIPTS);
    for (let i = 0; i < all.length; i += step)
      expect(checkReceipt(all[i]!, sent.get(all[i]!.eventId)!, keys)).toBe('ok'); // L4
  }

  return {
    agents,
    statuses,
    impolite,
    get hung() {
      return hung;
    },
    get acknowledged() {
      return receipts.size;
    },
    acknowledgedBy: (agent) => acknowledgedBy[agent]!,
    async finish() {
      finishing = true;
      await working;
      expect(faults).toEqual([]);
      expect(impolite).toEqual([]);
      expect(hung).toBe(0);
      expect(receipts.size).toBe(sent.size);
    },
    checkLaws,
  };
}
