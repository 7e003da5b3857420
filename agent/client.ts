/**
 * An agent's line to the service. Sending is safe to repeat: an event is stored at most once, and the same envelope again
 * answers its first receipt, so a lost answer is simply asked for again with the same bytes.
 */
import { encodeHex, encodeUtf8, type ReceiptJson, type VesEnvelopeJson } from '../engine/protocol/index.js';
import { createRequester, type RequesterOptions } from './request.js';

export { RequestFailed, type RetryNotice } from './request.js';

export interface ClientOptions
  extends Pick<RequesterOptions, 'url' | 'apiKey' | 'onRetry'>,
    Partial<Pick<RequesterOptions, 'timeoutMs' | 'giveUpAfterMs' | 'backoff'>> {}

/** A stream: UUID texts. */
export interface StreamId {
  readonly tenantId: string;
  readonly storeId: string;
}

/** An event the service refused, and why. */
export interface PushRejection {
  readonly eventId: string;
  readonly reason: string;
  readonly message: string;
}

/** What became of every event of a push. */
export interface PushResult {
  /** Receipts by event id: of events stored now and of those stored before. */
  readonly receipts: ReadonlyMap<string, ReceiptJson>;
  readonly rejections: readonly PushRejection[];
  /** Highest head of the stream heard of. */
  readonly headSequence: number;
}

/** A stored envelope with its number. */
export type StoredEnvelope = VesEnvelopeJson & {
  readonly sequence_number: number;
  readonly sequenced_at: string;
};

/** A page of a stream in its order. */
export interface StreamPage {
  readonly events: readonly StoredEnvelope[];
  /** Where the next page begins. */
  readonly next: number;
  readonly head: number;
}

/** A public key of the service by its version. */
export interface SequencerKeys {
  readonly sequencerId: string;
  /** Key version -> Ed25519 public key, lower-case hex. */
  readonly keys: ReadonlyMap<number, string>;
}

export interface SequencerClient {
  /**
   * Sends events of one agent and one stream, in order, until each of them has a receipt or a rejection that stands.
   *
   * @throws RequestFailed when the request is refused as a whole, or the service stays unreachable; the events may then be
   * stored or not, and may be sent again.
   */
  push(agentId: string, events: readonly VesEnvelopeJson[]): Promise<PushResult>;
  /** Did this commit? The stored envelope and its receipt, or `undefined`. */
  findEvent(
    tenantId: string,
    eventId: string,
  ): Promise<{ envelope: StoredEnvelope; receipt: ReceiptJson } | undefined>;
  readEvents(stream: StreamId, from: number, limit: number): Promise<StreamPage>;
  readHead(stream: StreamId): Promise<number>;
  /** Registers a signing key (needs an administrator's API key); repeating it changes nothing. */
  registerKey(key: {
    tenantId: string;
    agentId: string;
    keyId: number;
    publicKey: Uint8Array;
    /** 64 bytes; see `signProofOfPossession`. */
    proofOfPossession?: Uint8Array;
  }): Promise<void>;
  /** The keys receipts are checked with. */
  sequencerKeys(): Promise<SequencerKeys>;
}

const DEFAULTS = {
  timeoutMs: 30_000,
  giveUpAfterMs: 120_000,
  backoff: { firstMs: 100, maxMs: 2_000, random: Math.random },
};

/** Rejections that are no verdict on the event: the service could not decide, and asks to be asked again. */
const UNDECIDED = new Set(['outcome_unknown', 'not_stored']);
const UNDECIDED_PAUSE_MS = 200;

type IngestAnswer = {
  headSequence: number;
  receipts?: ReceiptJson[];
  rejections?: PushRejection[];
};

/** Makes a client. It holds no connection of its own and needs no closing. */
export function createSequencerClient(options: ClientOptions): SequencerClient {
  const request = createRequester({ ...DEFAULTS, ...options });
  const giveUpAfterMs = options.giveUpAfterMs ?? DEFAULTS.giveUpAfterMs;
  const post = (path: string, body: object) =>
    request({ method: 'POST', path, body: encodeUtf8(JSON.stringify(body)) as Uint8Array<ArrayBuffer> });

  async function push(agentId: string, events: readonly VesEnvelopeJson[]): Promise<PushResult> {
    const deadline = performance.now() + giveUpAfterMs;
    const receipts = new Map<string, ReceiptJson>();
    const rejections: PushRejection[] = [];
    let headSequence = 0;
    for (let open = events; open.length > 0; ) {
      const answer = (await post('/api/v1/ves/events/ingest', { agentId, events: open })) as IngestAnswer;
      headSequence = Math.max(headSequence, answer.headSequence);
      for (const receipt of answer.receipts ?? []) receipts.set(receipt.eventId, receipt);
      const undecided = new Set<string>();
      const late = performance.now() > deadline;
      for (const rejection of answer.rejections ?? []) {
        if (UNDECIDED.has(rejection.reason) && !late) undecided.add(rejection.eventId);
        else rejections.push(rejection);
      }
      open = open.filter((event) => undecided.has(event.event_id));
      if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, UNDECIDED_PAUSE_MS));
    }
    return { receipts, rejections, headSequence };
  }

  return {
    push,
    async findEvent(tenantId, eventId) {
      const path = `/api/v1/ves/events/${eventId}?tenant_id=${tenantId}`;
      return (await request({ method: 'GET', path, mayBeMissing: true })) as
        | { envelope: StoredEnvelope; receipt: ReceiptJson }
        | undefined;
    },
    async readEvents({ tenantId, storeId }, from, limit) {
      const path = `/api/v1/ves/events?tenant_id=${tenantId}&store_id=${storeId}&from=${from}&limit=${limit}`;
      const page = (await request({ method: 'GET', path })) as {
        events: { envelope: StoredEnvelope }[];
        next_sequence: number;
        head_sequence: number;
      };
      return {
        events: page.events.map(({ envelope }) => envelope),
        next: page.next_sequence,
        head: page.head_sequence,
      };
    },
    async readHead({ tenantId, storeId }) {
      const path = `/api/v1/ves/head?tenant_id=${tenantId}&store_id=${storeId}`;
      return ((await request({ method: 'GET', path })) as { head_sequence: number }).head_sequence;
    },
    async registerKey({ tenantId, agentId, keyId, publicKey, proofOfPossession }) {
      await post('/api/v1/agents/keys', {
        tenantId,
        agentId,
        keyId,
        publicKey: `0x${encodeHex(publicKey)}`,
        ...(proofOfPossession ? { proofOfPossession: `0x${encodeHex(proofOfPossession)}` } : {}),
      });
    },
    async sequencerKeys() {
      const document = (await request({ method: 'GET', path: '/.well-known/ves-sequencer' })) as {
        sequencer_id: string;
        public_keys: { key_version: number; public_key: string }[];
      };
      return {
        sequencerId: document.sequencer_id,
        keys: new Map(document.public_keys.map((key) => [key.key_version, key.public_key])),
      };
    },
  };
}
