/** Requests that were valid once: generated from a seed and a number, so that each can be made again on its own. */
import { createHash } from 'node:crypto';
import type { TestAgent } from '../support/agents.js';

/** A source of numbers from a seed (mulberry32). */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(length: number): Buffer;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)]!,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

export interface FuzzRequest {
  readonly bytes: Buffer;
  /** How many events it could store at most. */
  readonly events: number;
  /** Its framing is damaged: the service may wait for more, or end the connection without an answer. */
  readonly damaged: boolean;
}

const REPEATED_EVENTS = 50;

interface Draft {
  method: string;
  path: string;
  headers: [string, string][];
  body: Buffer | undefined;
  events: number;
}

const HOSTILE_NUMBERS = [
  '0',
  '-0',
  '-1',
  '1e999',
  '-1e999',
  '1e-999',
  '0.1',
  '1.0',
  '9007199254740993',
  '18446744073709551616',
  '4294967296',
  '2147483648',
  '-2147483649',
  `1${'0'.repeat(400)}`,
  `0.${'1'.repeat(400)}`,
  '01',
  '+1',
  '.5',
  '0x1',
  'NaN',
  'Infinity',
];
const HOSTILE_STRINGS = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\udc00\ud800',
  '\u2028',
  '\ufeff',
  '../../etc/passwd',
  "' or 1=1; --",
  '%00',
  '#{7*7}',
  '<script>',
  '\\',
  '"',
  '{}',
  'null',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '0x',
  `0x${'0'.repeat(64)}`,
  `0x${'f'.repeat(128)}`,
  '2026-02-30T25:61:61Z',
  '9999-12-31T23:59:60+23:59',
  '-0001-01-01T00:00:00Z',
  'é'.repeat(200),
  'x'.repeat(3000),
  '💡'.repeat(100),
];
const HOSTILE_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  'null',
  'true',
  'false',
  '[]',
  '{}',
  '[[[[[[[[[[]]]]]]]]]]',
  '"__proto__"',
  '{"__proto__":1}',
  '"constructor"',
  '\\u',
  '\\ud800',
  '\u0000',
  '\n',
  '//',
  '/*',
  '['.repeat(300),
  '{"a":'.repeat(200),
];
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  'then',
  'toJSON',
  '',
  '0',
  'agentId',
  'events',
  'payload',
  'sequence_number',
];
const HEADERS: [string, string][] = [
  ['Content-Type', 'text/plain'],
  ['Content-Type', 'application/json; charset=utf-16'],
  ['Content-Encoding', 'gzip'],
  ['X-Request-Id', 'a'.repeat(500)],
  ['X-Request-Id', 'né\u00ff'],
  ['Authorization', 'ApiKey ss_nobody'],
  ['Authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ['Authorization', 'ApiKey'],
  ['Authorization', ''],
  ['X-Api-Key', '\u0080\u00ff'],
  ['X-Forwarded-For', '127.0.0.1'],
  ['Accept-Encoding', 'gzip, br, *;q=0'],
  ['Range', 'bytes=0-'],
  ['Cookie', 'x'.repeat(2000)],
];

/** @param agents whose keys are registered; @param key API key */
export function createFuzzer(
  seed: number,
  agents: readonly TestAgent[],
  key: string,
): (index: number) => FuzzRequest {
  // Signatures take most of the time: most requests repeat events.
  const repeated = new Map(
    agents.map((agent, i) => {
      const random = createRandom(seed + i);
      return [agent, Array.from({ length: REPEATED_EVENTS }, () => makeEvent(random, agent))] as const;
    }),
  );
  return (index) => {
    const random = createRandom(seed + Math.imul(index, 0x9e3779b1));
    const agent = random.pick(agents);
    const draft = makeDraft(random, agent, key, repeated.get(agent)!);
    const rounds = random.chance(0.06) ? 0 : 1 + random.below(3);
    for (let i = 0; i < rounds; i++) mutate(random, draft);
    return serialise(random, draft);
  };
}

function makeDraft(random: Random, agent: TestAgent, key: string, repeated: readonly object[]): Draft {
  const headers: Draft['headers'] = [['Authorization', `ApiKey ${key}`]];
  const kind = random.below(100);
  if (kind >= 80)
    return { method: 'GET', path: makeRead(random, agent), headers, body: undefined, events: 0 };
  headers.push(['Content-Type', 'application/json']);
  const post = (path: string, body: object, events = 0): Draft => ({
    method: 'POST',
    path,
    headers,
    body: Buffer.from(JSON.stringify(body)),
    events,
  });
  const count = 1 + random.below(3);
  const many = <T>(make: () => T): T[] => Array.from({ length: count }, make);
  if (kind < 58) {
    const events = many(() => (random.chance(0.2) ? makeEvent(random, agent) : random.pick(repeated)));
    return post('/api/v1/ves/events/ingest', { agentId: agent.agentId, events }, count);
  }
  if (kind < 73) {
    const events = many(() => makeLegacyEvent(random, agent));
    return post('/api/v1/events/ingest', { agent_id: agent.agentId, events }, count);
  }
  if (kind < 77) {
    const { tenantId, agentId } = agent;
    const publicKey = random.bytes(32).toString('hex');
    return post('/api/v1/agents/keys', { tenantId, agentId, keyId: 2 + random.below(50), publicKey });
  }
  return post(`/api/v1/agents/${agent.agentId}/api-keys`, { tenantId: agent.tenantId, readOnly: true });
}

function makeUuid(random: Random): string {
  const hex = random.bytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function makeEvent(random: Random, agent: TestAgent): object {
  return agent.event({
    eventId: makeUuid(random),
    createdAt: '2026-01-31T12:00:00.123Z',
    entityId: `o-${random.below(20)}`,
    payload: { n: random.below(1000), list: [1.5, 'é', null, true], deep: { a: [{}] } },
    vesVersion: random.chance(0.5) ? 1 : 2,
    ...(random.chance(0.3) ? { commandId: makeUuid(random) } : {}),
    ...(random.chance(0.1) ? { baseVersion: random.below(3) } : {}),
  }).envelope;
}

function makeLegacyEvent(random: Random, agent: TestAgent): object {
  const payload = { n: random.below(1000) };
  return {
    event_id: makeUuid(random),
    tenant_id: agent.tenantId,
    store_id: agent.storeId,
    entity_type: 'order',
    entity_id: `o-${random.below(20)}`,
    event_type: 'order.changed',
    payload,
    payload_hash: createHash('sha256').update(JSON.stringify(payload)).digest('hex'),
    created_at: '2026-01-31T12:00:00Z',
    source_agent: agent.agentId,
    signature: [1, 2, 3],
  };
}

function makeRead(random: Random, { tenantId, storeId, agentId }: TestAgent): string {
  const query = `tenant_id=${tenantId}&store_id=${storeId}`;
  const page = `&from=${random.below(50)}&limit=${1 + random.below(5)}`;
  return random.pick([
    `/api/v1/ves/events?${query}${page}`,
    `/api/v1/events?${query}${page}`,
    `/api/v1/ves/head?${query}`,
    `/api/v1/head?${query}`,
    `/api/v1/ves/events?${query}&command_id=${makeUuid(random)}`,
    `/api/v1/ves/events/${makeUuid(random)}?tenant_id=${tenantId}`,
    `/api/v1/ves/entities/order/o-1?${query}${page}`,
    `/api/v1/entities/order/o-2?${query}${page}`,
    `/api/v1/agents/keys?tenant_id=${tenantId}&agent_id=${agentId}`,
    `/api/v1/agents/${agentId}/signing-keys?tenant_id=${tenantId}`,
    `/api/v1/agents/${agentId}/api-keys?tenant_id=${tenantId}`,
    '/.well-known/ves-sequencer',
    '/health',
    '/ready',
    '/metrics',
  ]);
}

function mutate(random: Random, draft: Draft): void {
  const kind = random.below(20);
  if (kind === 0) draft.headers.push(random.pick(HEADERS));
  else if (kind === 1) draft.headers.splice(random.below(draft.headers.length), 1);
  else if (kind === 2)
    draft.method = random.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'get', 'X']);
  else if (kind <= 5 || draft.body === undefined) mutatePath(random, draft);
  else if (kind <= 9) draft.body = mutateBytes(random, draft.body);
  else if (kind <= 13) draft.body = mutateTokens(random, draft.body);
  else draft.body = mutateMembers(random, draft.body);
}

function mutatePath(random: Random, draft: Draft): void {
  const junk = () => encodeURI(random.pick(HOSTILE_STRINGS).replace(/[\ud800-\udfff]/g, '')).slice(0, 2000);
  switch (random.below(6)) {
    case 0:
      // One of the values, or one of the segments.
      draft.path = replaceOne(random, draft.path, /[^/?&=]+/g, junk());
      break;
    case 1:
      draft.path = replaceOne(random, draft.path, /[0-9a-f-]{36}|\d+/g, random.pick(HOSTILE_NUMBERS));
      break;
    case 2:
      draft.path += `${draft.path.includes('?') ? '&' : '?'}${random.pick(['limit', 'from', 'tenant_id', 'store_id', 'command_id', '__proto__', 'constructor'])}=${junk()}`;
      break;
    case 3:
      draft.path = replaceOne(
        random,
        draft.path,
        /./g,
        random.pick(['%', '%ff', '%00', '%ed%a0%80', '%2f', '//', '?', '#', '&', '=', ';']),
      );
      break;
    case 4:
      draft.path = draft.path.slice(0, 1 + random.below(draft.path.length));
      break;
    default:
      draft.path += random.pick(['/', '/..', '%', '?', '&&', '/%2e%2e', '/x']);
  }
}

function replaceOne(random: Random, text: string, pattern: RegExp, by: string): string {
  const places = [...text.matchAll(pattern)];
  if (places.length === 0) return text;
  const place = random.pick(places);
  return text.slice(0, place.index) + by + text.slice(place.index + place[0].length);
}

function mutateBytes(random: Random, body: Buffer): Buffer {
  const at = random.below(body.length + 1);
  const end = Math.min(body.length, at + random.below(40));
  switch (random.below(5)) {
    case 0: {
      const copy = Buffer.from(body);
      if (at < copy.length) copy[at]! ^= 1 << random.below(8);
      return copy;
    }
    case 1:
      return Buffer.concat([body.subarray(0, at), random.bytes(1 + random.below(8)), body.subarray(at)]);
    case 2:
      return Buffer.concat([body.subarray(0, at), body.subarray(end)]);
    case 3:
      return Buffer.concat([body.subarray(0, end), body.subarray(at, end), body.subarray(end)]);
    default:
      return body.subarray(0, at);
  }
}

function mutateTokens(random: Random, body: Buffer): Buffer {
  const token = random.pick([
    () => random.pick(HOSTILE_NUMBERS),
    () => JSON.stringify(random.pick(HOSTILE_STRINGS)),
    () => random.pick(HOSTILE_TOKENS),
  ])();
  return Buffer.from(
    replaceOne(random, body.toString(), /"[^"]*"|[-0-9.e]+|[{}[\],:]|null|true|false/g, token),
  );
}

/** Deletes, renames, replaces, doubles or adds a member somewhere in the tree. */
function mutateMembers(random: Random, body: Buffer): Buffer {
  let root: unknown;
  try {
    root = JSON.parse(body.toString());
  } catch {
    return mutateBytes(random, body);
  }
  const places: [object: Record<string, unknown>, name: string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || places.length > 500) return;
    for (const name of Object.keys(value)) {
      places.push([value as Record<string, unknown>, name]);
      visit((value as Record<string, unknown>)[name]);
    }
  };
  visit(root);
  if (places.length === 0) return body;
  const [object, name] = random.pick(places);
  const hostile = (): unknown =>
    random.pick<() => unknown>([
      () => Number(random.pick(HOSTILE_NUMBERS)),
      () => random.pick(HOSTILE_STRINGS),
      () => null,
      () => true,
      () => [],
      () => ({}),
      () => [null, {}, [], 1, 'x'],
      () => structuredClone(random.pick(places)[0]),
    ])();
  switch (random.below(6)) {
    case 0:
      if (Array.isArray(object)) object.splice(Number(name), 1);
      else delete object[name];
      break;
    case 1:
      if (Array.isArray(object)) break;
      Object.defineProperty(object, random.pick(NAMES), {
        value: object[name],
        enumerable: true,
        configurable: true,
        writable: true,
      });
      break;
    case 2:
      if (Array.isArray(object)) object.push(structuredClone(object[Number(name)]));
      else object[`${name}_`] = object[name];
      break;
    case 3: {
      const [otherObject, otherName] = random.pick(places);
      object[name] = structuredClone(otherObject[otherName]);
      break;
    }
    default:
      object[name] = hostile();
  }
  return Buffer.from(JSON.stringify(root));
}

function serialise(random: Random, draft: Draft): FuzzRequest {
  const { method, headers, body, events } = draft;
  const path = draft.path.replace(/[^\x21-\x7e]/g, '%20');
  const head = [`${method} ${path.startsWith('/') ? path : `/${path}`} HTTP/1.1`, 'Host: localhost'];
  for (const [name, value] of headers) head.push(`${name}: ${value}`);
  const finish = (lines: string[], rest: Uint8Array, damaged: boolean): FuzzRequest => ({
    bytes: Buffer.concat([Buffer.from(`${[...head, ...lines].join('\r\n')}\r\n\r\n`, 'latin1'), rest]),
    events: events === 0 ? 0 : events + 3, // members may have been doubled
    damaged,
  });
  if (body === undefined) return finish([], Buffer.alloc(0), false);
  const way = random.below(100);
  if (way < 90) return finish([`Content-Length: ${body.length}`], body, false);
  if (way < 96) return finish(['Transfer-Encoding: chunked'], inChunks(random, body), false);
  const length = random.pick([
    body.length - 1 - random.below(10),
    body.length + 1 + random.below(1000),
    -1,
    99_999_999_999,
  ]);
  if (way === 96) return finish([`Content-Length: ${length}`], body, true);
  if (way === 97)
    return finish(['Transfer-Encoding: chunked'], mutateBytes(random, inChunks(random, body)), true);
  if (way === 98) return finish([`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'], body, true);
  const whole = finish([`Content-Length: ${body.length}`], body, true);
  return { ...whole, bytes: mutateBytes(random, whole.bytes) };
}

function inChunks(random: Random, body: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + 1 + random.below(600));
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    at += part.length;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
