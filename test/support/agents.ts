import { createHash, createPrivateKey, createPublicKey, randomBytes, randomUUID, sign } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type EventDraft, type SignedEvent, signEvent } from '../../agent/sign-event.js';
import {
  decodeHex,
  type ReceiptJson,
  type VesEnvelopeJson,
  verifyReceipt,
} from '../../engine/protocol/index.js';

/** What the service answered. */
export interface Answer<Body = Json> {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it came. */
  readonly text: string;
  readonly body: Body;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into by tests that know them
export type Json = any;

export interface CallOptions {
  /** API key; `null` sends none. Unset: the administrator's. */
  readonly key?: string | null;
  /** Sent as it is when it is text or bytes, otherwise as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where requests go. */
export interface Endpoint {
  readonly url: string;
  readonly adminKey: string;
}

/** One HTTP request. */
export async function call(
  { url, adminKey }: Endpoint,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const key = options.key === undefined ? adminKey : options.key;
  const { body } = options;
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  await noticeClosedConnections();
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `ApiKey ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: (raw ? body : JSON.stringify(body)) as string }),
  });
  const text = await response.text();
  const json = text !== '' && response.headers.get('content-type')?.includes('json');
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? JSON.parse(text) : undefined,
  };
}

/**
 * The service closes connections that are idle for ten seconds. A test that computed for longer without a pause has not seen that, and
 * `fetch` would send its request there: two turns of the event loop, since the first may have asked for news before.
 */
async function noticeClosedConnections(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

/** The answer to a VES ingest request. */
export interface IngestAnswer {
  readonly batchId: string;
  readonly eventsAccepted: number;
  readonly eventsRejected: number;
  readonly sequenceStart: number | null;
  readonly sequenceEnd: number | null;
  readonly headSequence: number;
  readonly rejections?: { event_id: string; reason: string; message: string }[];
  readonly receipts?: ReceiptJson[];
}

/** An agent with a key pair: signs events of one stream. */
export interface TestAgent {
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
  readonly keyId: number;
  readonly publicKey: Uint8Array;
  /** Signs 32 bytes. */
  readonly sign: (hash: Uint8Array) => Uint8Array;
  /** A signed event; what is not given is made up, with a fresh id. */
  event(parts?: Partial<EventDraft>): SignedEvent;
  /** The same agent writing to another store or tenant. */
  at(place: { tenantId?: string; storeId?: string }): TestAgent;
}

export interface AgentOptions {
  readonly tenantId?: string;
  readonly storeId?: string;
  readonly agentId?: string;
  readonly keyId?: number;
  /** Ed25519 seed, 32 bytes. */
  readonly seed?: Uint8Array;
}

const nodeSha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
/** PKCS #8 (RFC 8410 section 7) of an Ed25519 seed, without the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Makes an agent; nothing is sent. */
export function createAgent(options: AgentOptions = {}): TestAgent {
  const seed = options.seed ?? randomBytes(32);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  const signHash = (hash: Uint8Array): Uint8Array => sign(null, hash, key);
  const identity = {
    tenantId: options.tenantId ?? randomUUID(),
    storeId: options.storeId ?? randomUUID(),
    agentId: options.agentId ?? randomUUID(),
    keyId: options.keyId ?? 1,
  };
  let made = 0;
  return {
    ...identity,
    publicKey,
    sign: signHash,
    event(parts) {
      made++;
      const draft: EventDraft = {
        ...identity,
        eventId: uuidV7(),
        entityType: 'order',
        entityId: `o-${made % 7}`,
        eventType: 'order.changed',
        createdAt: new Date().toISOString(),
        payload: { n: made },
        ...parts,
      };
      return signEvent(draft, signHash, nodeSha256);
    },
    at: (place) => createAgent({ ...identity, ...place, seed }),
  };
}

/** Makes an agent and registers its key with the service. */
export async function registerAgent(service: Endpoint, options: AgentOptions = {}): Promise<TestAgent> {
  const agent = createAgent(options);
  await registerKey(service, agent);
  return agent;
}

export async function registerKey(service: Endpoint, agent: TestAgent): Promise<void> {
  const { tenantId, agentId, keyId, publicKey } = agent;
  const body = { tenantId, agentId, keyId, publicKey: `0x${Buffer.from(publicKey).toString('hex')}` };
  const { status, text } = await call(service, 'POST', '/api/v1/agents/keys', { body });
  if (status !== 200) throw new Error(`registration answered ${status}: ${text}`);
}

export async function revokeKey(service: Endpoint, agent: TestAgent): Promise<void> {
  const path = `/api/v1/agents/keys/${agent.keyId}?tenant_id=${agent.tenantId}&agent_id=${agent.agentId}`;
  const { status, text } = await call(service, 'DELETE', path);
  if (status !== 200) throw new Error(`revocation answered ${status}: ${text}`);
}

const envelopeOf = (event: SignedEvent | VesEnvelopeJson): VesEnvelopeJson =>
  'envelope' in event ? event.envelope : event;

/** Sends events in one request. */
export const push = (
  service: Endpoint,
  agent: Pick<TestAgent, 'agentId'>,
  events: readonly (SignedEvent | VesEnvelopeJson)[],
  options?: CallOptions,
): Promise<Answer<IngestAnswer>> =>
  call(service, 'POST', '/api/v1/ves/events/ingest', {
    body: { agentId: agent.agentId, events: events.map(envelopeOf) },
    ...options,
  });

export const streamQuery = ({ tenantId, storeId }: { tenantId: string; storeId: string }): string =>
  `tenant_id=${tenantId}&store_id=${storeId}`;

export async function readHead(
  service: Endpoint,
  stream: { tenantId: string; storeId: string },
): Promise<number> {
  return (await call(service, 'GET', `/api/v1/ves/head?${streamQuery(stream)}`)).body.head_sequence;
}

/** A whole stream from its first event, page by page. */
export async function readStream(
  service: Endpoint,
  stream: { tenantId: string; storeId: string },
): Promise<(VesEnvelopeJson & { sequence_number: number; sequenced_at: string })[]> {
  const events = [];
  for (let from = 1; ; ) {
    const path = `/api/v1/ves/events?${streamQuery(stream)}&from=${from}&limit=1000`;
    const { status, text, body } = await call(service, 'GET', path);
    if (status !== 200) throw new Error(`reading answered ${status}: ${text}`);
    events.push(...body.events.map((each: Json) => each.envelope));
    if (!body.has_more) return events;
    from = body.next_sequence;
  }
}

/** The service's public keys by version. */
export async function sequencerKeys(service: Endpoint): Promise<Map<number, Uint8Array>> {
  const { body } = await call(service, 'GET', '/.well-known/ves-sequencer', { key: null });
  return new Map(
    body.public_keys.map((key: Json) => [key.key_version, decodeHex(key.public_key, 32)] as const),
  );
}

/** Checks a receipt offline, as its holder would: `ok` or what is wrong. */
export function checkReceipt(
  receipt: ReceiptJson,
  event: SignedEvent,
  keys: ReadonlyMap<number, Uint8Array>,
): string {
  const { envelope, signingHash } = event;
  const publicKey = keys.get(receipt.sequencerKeyVersion);
  if (publicKey === undefined) return `no key of version ${receipt.sequencerKeyVersion}`;
  return verifyReceipt(
    receipt,
    {
      tenantId: envelope.tenant_id,
      storeId: envelope.store_id,
      eventId: envelope.event_id,
      eventSigningHash: signingHash,
    },
    publicKey,
    nodeSha256,
  );
}

let lastMs = 0;
let counter = 0;

/** A UUIDv7 (RFC 9562 section 5.7), ascending within this process. */
export function uuidV7(): string {
  const now = Math.max(Date.now(), lastMs);
  counter = now === lastMs ? (counter + 1) & 0xfff : 0;
  lastMs = counter === 0 && now === lastMs ? now + 1 : now;
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
