/**
 * One agent: a process with a key of its own that lives from the orders it is given. To each store it has one request
 * under way at a time, all stores at once. An event counts only when its receipt is in the ledger.
 */
import { hash, randomBytes } from 'node:crypto';
import { createSequencerClient, type PushResult, RequestFailed } from '../../agent/client.js';
import { type EventDraft, signEvent } from '../../agent/sign-event.js';
import {
  encodeHex,
  formatUuid,
  newUuidV7,
  proofOfPossessionChallenge,
  type ReceiptJson,
  type Sha256,
  type VesEnvelopeJson,
} from '../../engine/protocol/index.js';
import { envelopeDigest } from '../../loadtest/envelope-digest.js';
import { createAgentKey } from './agent-key.js';
import { createShop, type ShopEvent } from './commerce.js';
import { forge } from './forgeries.js';
import { appendLedger, type LedgerEntry } from './ledger.js';
import type { AgentDone, AgentMessage, AgentOrder } from './messages.js';

const REPORT_INTERVAL_MS = 200;
/** Of every so many requests a replayer sends one again, and a forger adds forgeries to one. */
const MISCHIEF_EVERY = 3;
const KEY_ID = 1;
/** Batches a replayer can choose from. */
const REMEMBERED_MAX = 50;

const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');
const newId = () => formatUuid(newUuidV7(Date.now(), randomBytes(10)));

/** Something sent before, with the receipts it got. */
interface Sent {
  readonly envelopes: readonly VesEnvelopeJson[];
  readonly receipts: ReadonlyMap<string, ReceiptJson>;
}

process.once('disconnect', () => process.exit(1)); // the demo is gone
process.once('message', (order: AgentOrder) => {
  void live(order).then((done) => {
    process.send!(done, () => process.exit(0));
  });
});

async function live(order: AgentOrder): Promise<AgentDone> {
  const { tenantId, storeIds, role } = order;
  const agentId = newId();
  const key = createAgentKey();
  const faults: string[] = [];
  const forgedIds: string[] = [];
  let left = order.eventsMax;
  let news = nothingNew();
  const client = createSequencerClient({
    url: order.url,
    apiKey: order.apiKey,
    onRetry: () => void news.retries++,
  });
  const report = () => {
    process.send!({ type: 'progress', ...news } satisfies AgentMessage);
    news = nothingNew();
  };
  const reporting = setInterval(report, REPORT_INTERVAL_MS);

  const fault = (what: string) => {
    if (faults.length < 20) faults.push(`${order.name}: ${what}`);
  };

  function draftOf(event: ShopEvent, storeId: string): EventDraft {
    const { stale: _, ...said } = event;
    const createdAt = new Date().toISOString();
    return { ...said, eventId: newId(), tenantId, storeId, agentId, keyId: KEY_ID, createdAt };
  }

  async function pushTimed(events: readonly VesEnvelopeJson[], storeId: string): Promise<PushResult> {
    const startedAt = performance.now();
    const result = await client.push(agentId, events);
    news.latenciesMs.push(Math.round((performance.now() - startedAt) * 10) / 10);
    news.heads[storeId] = Math.max(news.heads[storeId] ?? 0, result.headSequence);
    return result;
  }

  async function sendBatch(storeId: string, next: () => ShopEvent, withForgeries: boolean): Promise<Sent> {
    const size = Math.min(left, 1 + Math.floor(Math.random() * order.batchEventsMax));
    left -= size;
    const envelopes: VesEnvelopeJson[] = [];
    const entries = new Map<string, Omit<LedgerEntry, 'receipt'>>();
    /** Event id -> how its rejection must begin. */
    const condemned = new Map<string, string>();
    for (let i = 0; i < size; i++) {
      const event = next();
      const draft = draftOf(event, storeId);
      const { envelope, signingHash } = signEvent(draft, key.sign, sha256);
      envelopes.push(envelope);
      if (event.stale) condemned.set(draft.eventId, 'version_conflict');
      entries.set(draft.eventId, {
        storeId,
        eventId: draft.eventId,
        signingHash: encodeHex(signingHash),
        digest: encodeHex(envelopeDigest(envelope, sha256)),
      });
      if (!withForgeries) continue;
      // A base version of its own would make a forgery fail for the wrong reason.
      const { baseVersion: __, ...forgeable } = draftOf(event, storeId);
      const forgery = forge(forgedIds.length, forgeable, key, sha256);
      envelopes.push(forgery.envelope);
      forgedIds.push(forgeable.eventId);
      condemned.set(forgeable.eventId, forgery.refusedAs);
    }
    const { receipts, rejections } = await pushTimed(envelopes, storeId);
    const acknowledged: LedgerEntry[] = [];
    for (const [id, receipt] of receipts) {
      const entry = entries.get(id);
      if (condemned.has(id)) fault(`event ${id} was accepted; it had to be refused as ${condemned.get(id)}`);
      if (entry) acknowledged.push({ ...entry, receipt });
      else if (!condemned.has(id)) fault(`a receipt for event ${id}, which was not sent`);
    }
    for (const { eventId, reason } of rejections) {
      const expected = condemned.get(eventId);
      if (expected !== undefined && reason.startsWith(expected)) news.refused++;
      else fault(`event ${eventId} was refused as ${reason}${expected ? `, not as ${expected}` : ''}`);
    }
    if (receipts.size + rejections.length !== envelopes.length)
      fault(`${envelopes.length} events were sent, ${receipts.size + rejections.length} answered`);
    appendLedger(order.ledgerFile, acknowledged);
    news.accepted += acknowledged.length;
    return { envelopes, receipts };
  }

  /** The same bytes again: the answer must be the first receipts. */
  async function sendAgain(storeId: string, { envelopes, receipts }: Sent): Promise<void> {
    const again = await pushTimed(envelopes, storeId);
    for (const [id, first] of receipts) {
      const now = again.receipts.get(id);
      if (now?.sequenceNumber === first.sequenceNumber && now.receiptHash === first.receiptHash)
        news.replayed++;
      else
        fault(`event ${id} sent again was answered ${now ? `number ${now.sequenceNumber}` : 'no receipt'}`);
    }
    for (const { eventId } of again.rejections) {
      if (receipts.has(eventId)) fault(`event ${eventId} sent again was refused`);
    }
  }

  async function serveStore(storeId: string, store: number): Promise<void> {
    const next = createShop(`${order.name}-s${store + 1}`, Math.random);
    const remembered: Sent[] = [];
    for (let round = 1; left > 0 && performance.now() < deadline; round++) {
      const mischief = round % MISCHIEF_EVERY === 1;
      const sent = await sendBatch(storeId, next, mischief && role === 'forger');
      if (role !== 'replayer') continue;
      remembered.push(sent);
      if (remembered.length > REMEMBERED_MAX) remembered.shift();
      if (mischief) await sendAgain(storeId, remembered[Math.floor(Math.random() * remembered.length)]!);
    }
  }

  let deadline = 0;
  try {
    const challenge = proofOfPossessionChallenge(key.publicKey, sha256);
    const proofOfPossession = key.sign(challenge);
    await client.registerKey({
      tenantId,
      agentId,
      keyId: KEY_ID,
      publicKey: key.publicKey,
      proofOfPossession,
    });
    deadline = performance.now() + order.durationMs;
    await Promise.all(storeIds.map(serveStore));
  } catch (error) {
    const code = error instanceof RequestFailed && error.code ? ` (${error.code})` : '';
    fault(`gave up: ${(error as Error).message}${code}`);
  }
  clearInterval(reporting);
  report();
  return { type: 'done', faults, forgedIds };
}

function nothingNew() {
  return {
    accepted: 0,
    replayed: 0,
    refused: 0,
    retries: 0,
    latenciesMs: [] as number[],
    heads: {} as Record<string, number>,
  };
}
