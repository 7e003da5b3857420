/** What must not get in: each with its exact answer, the stream untouched and the service well afterwards. */
import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  call,
  createAgent,
  type Json,
  push,
  readHead,
  registerAgent,
  revokeKey,
  type TestAgent,
  uuidV7,
} from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { formatRequest, openConnection } from './raw-http.js';

const VES = '/api/v1/ves/events/ingest';
const LEGACY = '/api/v1/events/ingest';
const BODY_BYTES_MAX = 1024 * 1024;
const EVENTS_MAX = 20;

let service: TestService;
let agent: TestAgent;
/** Head of the agent's stream that is expected after the test. */
let head = 0;
beforeAll(async () => {
  service = await startTestService({
    env: {
      BODY_TIMEOUT_SECS: '1',
      MAX_BODY_SIZE_BYTES: String(BODY_BYTES_MAX),
      MAX_EVENTS_PER_BATCH: String(EVENTS_MAX),
      MAX_EVENT_PAYLOAD_SIZE: String(BODY_BYTES_MAX / 2),
    },
  });
  agent = await registerAgent(service);
});
beforeEach(async () => {
  head = await readHead(service, agent);
});
afterEach(async () => {
  expect(await readHead(service, agent)).toBe(head);
  expect((await call(service, 'GET', '/health', { key: null })).status).toBe(200);
});
afterAll(async () => {
  // Bad input is the sender's fault: the service logs none of it as its own.
  expect(service.logs().match(/"level":(40|50|60).*/g)).toBeNull();
  expect(await service.stop()).toBe(0);
});

/** Posts a body as it is. */
const post = (body: unknown, path = VES, headers?: Record<string, string>) =>
  call(service, 'POST', path, { body, ...(headers ? { headers } : {}) });

function expectRefusal(answer: Answer<Json>, status: number, code: string, message: string | RegExp): void {
  expect([answer.status, answer.body?.code, answer.body?.message]).toEqual([
    status,
    code,
    expect.stringMatching(message),
  ]);
  expect(answer.headers.get('x-error-code')).toBe(code);
  expect(answer.body.error).toMatchObject({
    code,
    message: answer.body.message,
    numeric_code: expect.any(Number),
  });
}

/** A request with one valid event, in which some text is replaced. */
function bodyWith(replace: (text: string) => string): string {
  const { envelope } = agent.event();
  const text = JSON.stringify({ agentId: agent.agentId, events: [envelope] });
  const replaced = replace(text);
  expect(replaced).not.toBe(text);
  return replaced;
}
const withMember = (name: string, json: string | undefined) => {
  const envelope: Json = agent.event().envelope;
  delete envelope[name];
  const members = JSON.stringify(envelope).slice(1);
  return `{"agentId":"${agent.agentId}","events":[{${json === undefined ? '' : `"${name}":${json},`}${members}]}`;
};

describe('bodies that are no JSON', () => {
  test.each([
    ['empty', ''],
    ['blank', ' \n'],
    ['cut off', '{"agentId":"'],
    ['a trailing comma', '{"agentId":"x",}'],
    ['text behind it', '{} x'],
    ['NaN', '{"agentId":NaN}'],
    ['single quotes', "{'agentId':1}"],
    ['a byte order mark', '\ufeff{}'],
    ['a control character in a string', '{"agentId":"\n"}'],
    ['a leading zero', '{"agentId":01}'],
    ['a bad escape', '{"agentId":"\\x"}'],
    ['HTML', '<html></html>'],
  ])('%s', async (_, body) => {
    for (const path of [VES, LEGACY])
      expectRefusal(await post(body, path), 400, 'INVALID_REQUEST_BODY', /body is not valid JSON/);
    expectRefusal(await post(body, '/api/v1/agents/keys'), 400, 'INVALID_REQUEST_BODY', /body is not JSON/);
  });

  test.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf5, 0x80, 0x80, 0x80]],
    ['cut off', [0xe2, 0x82]],
  ])('invalid UTF-8: %s', async (_, bytes) => {
    const [before, after] = bodyWith((text) => text.replace('"o-', '"§o-')).split('§') as [string, string];
    const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
    for (const path of [VES, LEGACY])
      expectRefusal(await post(body, path), 400, 'INVALID_REQUEST_BODY', 'The body is not valid UTF-8');
  });
});

describe('members of the wrong type', () => {
  test.each(['[]', '"x"', 'null', '1', 'true'])('the body is %s', async (body) => {
    expectRefusal(await post(body), 422, 'INVALID_REQUEST_SHAPE', /agentId and events/);
    expectRefusal(await post(body, LEGACY), 422, 'INVALID_REQUEST_SHAPE', /agent_id and events/);
  });

  test.each(['', 'null', '1', '"x"', '[]', '{}', `"${'0'.repeat(33)}"`])('agentId is %s', async (json) => {
    const member = json === '' ? '' : `"agentId":${json},"agent_id":${json},`;
    expectRefusal(await post(`{${member}"events":[]}`), 422, 'INVALID_REQUEST_SHAPE', /^agentId/);
    expectRefusal(await post(`{${member}"events":[]}`, LEGACY), 422, 'INVALID_REQUEST_SHAPE', /^agent_id/);
  });

  test.each(['', 'null', '1', '"x"', '{}', '{"length":1}'])('events is %s', async (json) => {
    const body = `{"agentId":"${agent.agentId}","agent_id":"${agent.agentId}"${json && `,"events":${json}`}}`;
    for (const path of [VES, LEGACY])
      expectRefusal(await post(body, path), 422, 'INVALID_REQUEST_SHAPE', /^events must be an array/);
  });

  test.each(['null', '1', '"x"', '[]', 'false'])('an event is %s', async (json) => {
    const body = `{"agentId":"${agent.agentId}","agent_id":"${agent.agentId}","events":[${json}]}`;
    for (const path of [VES, LEGACY])
      expectRefusal(
        await post(body, path),
        422,
        'INVALID_REQUEST_SHAPE',
        /^events\[0\]: event must be an object/,
      );
  });

  const BAD_UUIDS = [
    '"x"',
    '""',
    '"11111111-1111-1111-1111-11111111111g"',
    `"${'1'.repeat(33)}"`,
    '" 11111111-1111-1111-1111-111111111111"',
  ];
  const badHex = (bytes: number) => [
    '""',
    '"0x"',
    `"${'0'.repeat(bytes * 2 - 1)}"`,
    `"0x0x${'0'.repeat(bytes * 2)}"`,
    `"${'g'.repeat(bytes * 2)}"`,
    `"${'0'.repeat(bytes * 2 + 2)}"`,
  ];
  const NUMBERS = ['-1', '0.5', '4294967296', '1e999', '"1"'];
  const OTHERS = ['true', '[]', '{}'];
  const ABSENT = [undefined, 'null'];
  const STRING = [...ABSENT, ...OTHERS, '1'];
  const UUID = [...STRING, ...BAD_UUIDS];
  const values: Record<string, (string | undefined)[]> = {
    ves_version: [...ABSENT, ...OTHERS, ...NUMBERS],
    agent_key_id: [...ABSENT, ...OTHERS, ...NUMBERS],
    payload_kind: [...ABSENT, ...OTHERS, ...NUMBERS, '2'],
    event_id: UUID,
    tenant_id: UUID,
    store_id: UUID,
    source_agent_id: UUID,
    entity_type: STRING,
    entity_id: STRING,
    event_type: STRING,
    created_at: STRING,
    payload_plain_hash: [...STRING, ...badHex(32)],
    payload_cipher_hash: [...STRING, ...badHex(32)],
    agent_signature: [...STRING, ...badHex(64)],
    command_id: [...OTHERS, '1', ...BAD_UUIDS],
    base_version: [...OTHERS, '-1', '0.5', '"1"', '9007199254740992', '18446744073709551615', '1e999'],
    agent_signature_scheme: [...OTHERS, '0.5', '2147483648', '"1"'],
    agent_signature_bundle: [
      'true',
      '1',
      '[]',
      '"x"',
      '{"ed25519_signature":[256]}',
      '{"ml_dsa_65_signature":{}}',
    ],
    payload_encrypted: ['true', '1', '[]', '"x"', '{}'],
  };
  test.each(Object.keys(values))('%s', async (name) => {
    for (const json of values[name]!) {
      const answer: Answer<Json> = await post(withMember(name, json));
      expectRefusal(answer, 422, 'INVALID_REQUEST_SHAPE', new RegExp(`^events\\[0\\]: ${name}`));
      expect(answer.body.error.details.path).toMatch(`events[0].${name}`);
    }
  });

  const legacyValues: Record<string, (string | undefined)[]> = {
    event_id: UUID,
    tenant_id: UUID,
    store_id: UUID,
    source_agent: UUID,
    entity_type: STRING,
    entity_id: STRING,
    event_type: STRING,
    created_at: [...STRING, '"yesterday"', '"2026-02-30T00:00:00Z"'],
    payload_hash: [...STRING, ...badHex(32), `"0x${'0'.repeat(64)}"`],
    payload: [undefined],
    command_id: [...OTHERS, '1', ...BAD_UUIDS],
    envelope_version: [...OTHERS, '-1', '1.0', '1e0', '4294967296'],
    base_version: [...OTHERS, '-1', '1.0', '9223372036854775808'],
    signature: ['true', '"00"', '[256]', '[1.0]', '{}'],
  };
  test.each(Object.keys(legacyValues))('%s of the legacy stream', async (name) => {
    for (const json of legacyValues[name]!) {
      const event: Json = legacyEvent();
      delete event[name];
      const member = json === undefined ? '' : `"${name}":${json},`;
      const body = `{"agent_id":"${agent.agentId}","events":[{${member}${JSON.stringify(event).slice(1)}]}`;
      expectRefusal(
        await post(body, LEGACY),
        422,
        'INVALID_REQUEST_SHAPE',
        new RegExp(`^events\\[0\\]: ${name}`),
      );
    }
  });
});

const legacyEvent = (parts: object = {}) => ({
  event_id: uuidV7(),
  tenant_id: agent.tenantId,
  store_id: agent.storeId,
  entity_type: 'order',
  entity_id: 'o-1',
  event_type: 'order.changed',
  payload: {},
  payload_hash: createHash('sha256').update('{}').digest('hex'),
  created_at: '2026-01-31T12:00:00Z',
  source_agent: agent.agentId,
  ...parts,
});

describe('values outside what is accepted', () => {
  test.each<[string, string, RegExp]>([
    ['entity_type', '""', /1 to 128 bytes, got 0/],
    ['entity_type', `"${'é'.repeat(65)}"`, /1 to 128 bytes, got 130/],
    ['entity_id', `"${'x'.repeat(513)}"`, /1 to 512 bytes, got 513/],
    ['event_type', `"${'x'.repeat(257)}"`, /1 to 256 bytes, got 257/],
    ['created_at', `"${'1'.repeat(129)}"`, /1 to 128 bytes, got 129/],
    ['entity_id', '"a\\u0000"', /U\+0000/],
    ['event_type', '"\\ud800"', /lone surrogate/],
    ['entity_type', '"\\udc00\\ud800"', /lone surrogate/],
    ['payload', 'null', /required/],
  ])('%s is %s', async (name, json, message) => {
    const answer = await post(withMember(name, json));
    expectRefusal(
      answer,
      400,
      'INVALID_FIELD_VALUE',
      new RegExp(`^events\\[0\\]: ${name} .*${message.source}`),
    );
    if (name === 'payload' || name === 'created_at') return;
    const legacy = JSON.stringify({ agent_id: agent.agentId, events: [legacyEvent({ [name]: 'X' })] });
    const text = legacy.replace('"X"', () => json);
    expectRefusal(await post(text, LEGACY), 400, 'INVALID_FIELD_VALUE', message);
  });

  test('an empty batch', async () => {
    expectRefusal(await post({ agentId: agent.agentId, events: [] }), 400, 'INVALID_FIELD_VALUE', /^events/);
  });

  test('too many events', async () => {
    const events = Array.from({ length: EVENTS_MAX + 1 }, () => agent.event().envelope);
    expectRefusal(
      await post({ agentId: agent.agentId, events }),
      413,
      'PAYLOAD_TOO_LARGE',
      /20 events, this one holds 21/,
    );
    const legacy = { agent_id: agent.agentId, events: events.map(() => legacyEvent()) };
    expectRefusal(await post(legacy, LEGACY), 413, 'PAYLOAD_TOO_LARGE', /20 events/);
  });

  test('events of two streams', async () => {
    const other = agent.at({ storeId: randomUUID() });
    const answer = await push(service, agent, [agent.event(), other.event()]);
    expectRefusal(answer, 400, 'INVALID_FIELD_VALUE', /one tenant and store/);
  });

  test('events of another agent', async () => {
    const other = createAgent({ tenantId: agent.tenantId, storeId: agent.storeId });
    const answer = await push(service, agent, [agent.event(), other.event()]);
    expectRefusal(answer, 400, 'INVALID_FIELD_VALUE', /events\[1\]\.source_agent_id/);
    const legacy = { agent_id: randomUUID(), events: [legacyEvent()] };
    expectRefusal(await post(legacy, LEGACY), 400, 'INVALID_FIELD_VALUE', /events\[0\]\.source_agent /);
  });

  test('a payload over the limit', async () => {
    const answer = await push(service, agent, [agent.event({ payload: 'x'.repeat(BODY_BYTES_MAX / 2) })]);
    expectRefusal(answer, 413, 'PAYLOAD_TOO_LARGE', /events\[0\]: the payload/);
  });
});

describe('one bad event rejects only itself', () => {
  const L = 2n ** 252n + 27742317777372353535851937790883648493n;
  const littleEndian = (bytes: Uint8Array): bigint =>
    BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  const bytes32 = (value: bigint): Buffer =>
    Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
  const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest();

  const cases: [string, (agent: TestAgent) => Json, string, RegExp][] = [
    [
      'a forged signature',
      (a) => ({ ...a.event().envelope, agent_signature: '11'.repeat(64) }),
      'invalid_signature',
      /./,
    ],
    [
      'the signature of another event',
      (a) => ({ ...a.event().envelope, agent_signature: a.event().envelope.agent_signature }),
      'invalid_signature',
      /./,
    ],
    [
      'a signature with a non-canonical S',
      (a) => {
        const { envelope } = a.event();
        const signature = Buffer.from(envelope.agent_signature.slice(2), 'hex');
        const s = bytes32(littleEndian(signature.subarray(32)) + L);
        return {
          ...envelope,
          agent_signature: Buffer.concat([signature.subarray(0, 32), s]).toString('hex'),
        };
      },
      'invalid_signature',
      /./,
    ],
    [
      'a signature with an R of small order',
      (a) => {
        // Holds in the verification equation for everybody who has the secret key: R is the neutral element, S = h·a.
        const seed = createHash('sha256').update('small order').digest();
        const b = createAgent({ ...a, seed, keyId: 77 });
        const { envelope, signingHash } = b.event();
        const scalar = sha512(seed).subarray(0, 32);
        scalar[0]! &= 248;
        scalar[31] = (scalar[31]! & 127) | 64;
        const r = bytes32(1n);
        const h = littleEndian(sha512(r, b.publicKey, signingHash)) % L;
        const s = bytes32((h * littleEndian(scalar)) % L);
        return { ...envelope, agent_signature: Buffer.concat([r, s]).toString('hex') };
      },
      'invalid_signature',
      /./,
    ],
    [
      'a signature over the message of another version',
      (a) => ({ ...a.event({ vesVersion: 2 }).envelope, ves_version: 1 }),
      'invalid_signature',
      /./,
    ],
    [
      'the wrong payload hash',
      (a) => ({ ...a.event().envelope, payload_plain_hash: '00'.repeat(32) }),
      'invalid_payload_hash',
      /./,
    ],
    ['another payload', (a) => ({ ...a.event().envelope, payload: { n: 1.5 } }), 'invalid_payload_hash', /./],
    [
      'a cipher hash without ciphertext',
      (a) => ({ ...a.event().envelope, payload_cipher_hash: '01'.repeat(32) }),
      'schema_validation: payload_cipher_hash',
      /zero/,
    ],
    [
      'an unknown key',
      (a) => createAgent({ ...a, keyId: 2 }).event().envelope,
      'agent_key_invalid: Agent key not found',
      /./,
    ],
    [
      'no timestamp',
      (a) => a.event({ createdAt: '2026-13-01T00:00:00Z' }).envelope,
      'schema_validation: created_at',
      /RFC3339/,
    ],
    ['version 0', (a) => ({ ...a.event().envelope, ves_version: 0 }), 'unsupported_version', /got 0/],
    [
      'U+0000 in the payload',
      (a) => ({ ...a.event().envelope, payload: { deep: ['\0'] } }),
      'schema_validation: payload',
      /\/deep\/0 .*U\+0000/,
    ],
    [
      'U+0000 in a name',
      (a) => ({ ...a.event().envelope, payload: { 'a\0': 1 } }),
      'schema_validation: payload',
      /U\+0000/,
    ],
    [
      'a lone surrogate in the payload',
      (a) => ({ ...a.event().envelope, payload: '\ud800' }),
      'schema_validation: payload',
      /lone surrogate/,
    ],
    [
      'an event id that is taken',
      () => ({ ...agent.event().envelope, event_id: taken }),
      'duplicate_event_id',
      /already exists/,
    ],
  ];
  let taken = '';
  beforeAll(async () => {
    const stored = agent.event();
    taken = stored.envelope.event_id;
    await push(service, agent, [stored]);
    const seed = createHash('sha256').update('small order').digest();
    await registerAgent(service, { ...agent, seed, keyId: 77 });
  });

  test.each(cases)('%s', async (_, make, reason, message) => {
    const bad = make(agent);
    const { status, body } = await push(service, agent, [agent.event(), bad, agent.event()]);
    expect([status, body.eventsAccepted, body.sequenceStart, body.sequenceEnd]).toEqual([
      200,
      2,
      head + 1,
      head + 2,
    ]);
    expect(body.rejections).toMatchObject([
      { event_id: bad.event_id, eventId: bad.event_id, reason, message: expect.stringMatching(message) },
    ]);
    head += 2;
  });

  test('a revoked key', async () => {
    const second = await registerAgent(service, { ...agent, keyId: 3 });
    await revokeKey(service, second);
    const { body } = await push(service, agent, [agent.event(), second.event()]);
    expect(body).toMatchObject({
      eventsAccepted: 1,
      rejections: [{ reason: 'agent_key_invalid: Agent key has been revoked' }],
    });
    head += 1;
  });

  test('a number beyond double', async () => {
    const text = withMember('payload', '{"n":1e999}');
    const { body } = await post(text);
    expect(body).toMatchObject({ eventsAccepted: 0, rejections: [{ reason: 'schema_validation: payload' }] });
    expect(body.rejections[0].message).toMatch(/\/n is a number outside the range of a double/);
  });

  test('on the legacy stream', async () => {
    const bad = [
      legacyEvent({ payload: '\0' }),
      legacyEvent({ payload: { '\ud800': 1 } }),
      legacyEvent({ payload_hash: '00'.repeat(32) }),
    ];
    const { body } = await post(
      { agent_id: agent.agentId, events: [legacyEvent(), ...bad, legacyEvent()] },
      LEGACY,
    );
    expect(body.events_accepted).toBe(2);
    expect(body.rejections.map((each: Json) => each.reason)).toEqual([
      'SchemaValidation',
      'SchemaValidation',
      'InvalidPayloadHash',
    ]);
  });
});

describe('hostile shapes', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  /** An event whose hash and signature fit a payload that is sent as text. */
  const withPayload = (text: string, value: unknown) => {
    const { envelope } = agent.event({ payload: value });
    const body = JSON.stringify({ agentId: agent.agentId, events: [{ ...envelope, payload: 'P' }] });
    return body.replace('"payload":"P"', () => `"payload":${text}`);
  };

  test.each([10, 127, 128])('payloads nested %d deep are accepted', async (depth) => {
    for (const text of [nested(depth), nestedObjects(depth)]) {
      expect((await post(withPayload(text, JSON.parse(text)))).body.eventsAccepted).toBe(1);
      head++;
    }
    const legacy = JSON.stringify({
      agent_id: agent.agentId,
      events: [
        legacyEvent({ payload: 'P', payload_hash: createHash('sha256').update(nested(depth)).digest('hex') }),
      ],
    });
    expect((await post(legacy.replace('"P"', nested(depth)), LEGACY)).body.events_accepted).toBe(1);
  });

  test.each([129, 1000, 100_000])('payloads nested %d deep are rejected', async (depth) => {
    for (const text of [nested(depth), nestedObjects(depth)]) {
      const { status, body } = await post(withPayload(text, 1));
      expect([status, body.rejections?.[0]?.reason]).toEqual([200, 'schema_validation: payload']);
      expect(body.rejections[0].message).toMatch(/nests too deeply/);
      expect(body.rejections[0].message.length).toBeLessThan(400);
    }
    if (depth < 1000) return;
    const legacy = JSON.stringify({ agent_id: agent.agentId, events: [legacyEvent({ payload: 'P' })] });
    expectRefusal(
      await post(legacy.replace('"P"', nested(depth)), LEGACY),
      400,
      'INVALID_REQUEST_BODY',
      /nesting is too deep/,
    );
  });

  test.each([129, 100_000])('members nobody asked for may nest %d deep', async (depth) => {
    const body = JSON.stringify({
      agentId: agent.agentId,
      x: 'X',
      events: [{ ...agent.event().envelope, x: 'X' }],
    });
    expect((await post(body.replaceAll('"X"', nested(depth)))).body.eventsAccepted).toBe(1);
    head++;
    // No route falls over it.
    for (const path of ['/api/v1/agents/keys', `/api/v1/agents/${agent.agentId}/api-keys`]) {
      for (const text of [nested(depth), nestedObjects(depth)]) {
        const { status } = await post(`{"x":${text}}`, path);
        expect([400, 413, 422]).toContain(status);
      }
    }
  });

  test('of duplicate members the last counts', async () => {
    const text = bodyWith((body) =>
      body
        .replace('{"agentId"', '{"agentId":7,"events":"x","agentId"')
        .replace('"entity_id"', '"entity_id":null,"entity_id"'),
    );
    expect((await post(text)).body.eventsAccepted).toBe(1);
    head++;
    const wrong = bodyWith((body) => body.replace('"payload_kind"', '"entity_id":"other","payload_kind"'));
    expect((await post(wrong)).body.rejections[0].reason).toBe('invalid_signature');
  });

  test('names of the language are ordinary names', async () => {
    const { envelope } = agent.event();
    const inner = JSON.stringify({ agentId: agent.agentId, events: [envelope] });
    expectRefusal(await post(`{"__proto__":${inner}}`), 422, 'INVALID_REQUEST_SHAPE', /^agentId/);
    const event = `{"__proto__":${JSON.stringify(envelope)}}`;
    expectRefusal(
      await post(`{"agentId":"${agent.agentId}","events":[${event}]}`),
      422,
      'INVALID_REQUEST_SHAPE',
      /ves_version/,
    );
    const more = JSON.stringify(envelope).replace(
      '{',
      '{"__proto__":{"ves_version":9},"constructor":{"prototype":{"x":1}},"toJSON":1,',
    );
    expect((await post(`{"agentId":"${agent.agentId}","events":[${more}]}`)).body.eventsAccepted).toBe(1);
    head++;
    expectRefusal(
      await post('{"__proto__":{"tenantId":"x"}}', '/api/v1/agents/keys'),
      422,
      'INVALID_REQUEST_SHAPE',
      /tenantId/,
    );
    // Nothing of it stuck.
    expect((await push(service, agent, [agent.event()])).body.eventsAccepted).toBe(1);
    head++;
  });

  test('many members and long names', async () => {
    const members = Array.from({ length: 20_000 }, (_, i) => `"k${i}":${i}`).join(',');
    const text = `{${members},"${'n'.repeat(100_000)}":0}`;
    expect((await post(withPayload(text, JSON.parse(text)))).body.eventsAccepted).toBe(1);
    head++;
  });
});

describe('credentials', () => {
  test.each<[string, Record<string, string>, string]>([
    ['none', {}, 'AUTH_REQUIRED'],
    ['an unknown key', { authorization: 'ApiKey ss_unknown' }, 'INVALID_API_KEY'],
    ['a key that is not ours', { 'x-api-key': 'sk_live_1' }, 'INVALID_API_KEY'],
    ['a token', { authorization: 'Bearer a.b.c' }, 'INVALID_TOKEN'],
    ['an endless key', { 'x-api-key': `ss_${'x'.repeat(5000)}` }, 'INVALID_API_KEY'],
  ])('%s', async (_, headers, code) => {
    const body = { agentId: agent.agentId, events: [agent.event().envelope] };
    const answer = await call(service, 'POST', VES, { body, key: null, headers });
    expectRefusal(answer, 401, code, /./);
  });
});

describe('the transfer of the body', () => {
  const headers = () => ({ authorization: `ApiKey ${service.adminKey}`, 'content-type': 'application/json' });
  const good = () =>
    Buffer.from(JSON.stringify({ agentId: agent.agentId, events: [agent.event().envelope] }));
  const codeOf = (text: string) => JSON.parse(text).code;

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', ''])(
    'content type "%s" is refused',
    async (type) => {
      const connection = openConnection(service.port);
      const { authorization } = headers();
      connection.write(
        formatRequest(
          'POST',
          VES,
          type === '' ? { authorization } : { authorization, 'content-type': type },
          good(),
        ),
      );
      const { status, text } = await connection.answer();
      expect([status, codeOf(text)]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
      connection.destroy();
    },
  );

  test('a charset is fine', async () => {
    expect(
      (await post(good(), VES, { 'content-type': 'application/json; charset=utf-8' })).body.eventsAccepted,
    ).toBe(1);
    head++;
  });

  test('compressed bodies are refused', async () => {
    const answer = await post(gzipSync(good()), VES, { 'content-encoding': 'gzip' });
    expectRefusal(answer, 415, 'UNSUPPORTED_MEDIA_TYPE', /Content-Encoding/);
  });

  test('a body announced too large is refused before it is sent', async () => {
    const connection = openConnection(service.port);
    connection.write(formatRequest('POST', VES, headers(), Buffer.from('{'), BODY_BYTES_MAX + 1));
    const { status, text } = await connection.answer();
    expect([status, codeOf(text)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(text).toContain(String(BODY_BYTES_MAX));
  });

  test('a body in chunks is refused when it has become too large', async () => {
    const connection = openConnection(service.port);
    connection.write(
      formatRequest('POST', VES, { ...headers(), 'transfer-encoding': 'chunked' }, Buffer.alloc(0), null),
    );
    // No more than is needed: what the service leaves unread when it closes may cost the client the answer.
    for (let sent = 0; sent <= BODY_BYTES_MAX; sent += 0x4000)
      connection.write(`4000\r\n${' '.repeat(0x4000)}\r\n`);
    const { status, text } = await connection.answer();
    expect([status, codeOf(text)]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    connection.destroy();
  });

  test('a body in chunks of every size is read whole', async () => {
    const connection = openConnection(service.port);
    connection.write(
      formatRequest('POST', VES, { ...headers(), 'transfer-encoding': 'chunked' }, Buffer.alloc(0), null),
    );
    const body = good();
    for (let at = 0, size = 1; at < body.length; at += size, size = (size * 3) % 101) {
      const part = body.subarray(at, at + size);
      connection.write(
        Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
      );
      await new Promise(setImmediate);
    }
    connection.write('0\r\n\r\n');
    const { status, text } = await connection.answer();
    expect([status, JSON.parse(text).eventsAccepted]).toEqual([200, 1]);
    connection.destroy();
    head++;
  });

  test('a body that does not arrive is given up after BODY_TIMEOUT_SECS', async () => {
    const body = good();
    const startedAt = performance.now();
    const connections = ['', body.subarray(0, 100)].map((part) => {
      const connection = openConnection(service.port);
      connection.write(formatRequest('POST', VES, headers(), Buffer.from(part), body.length));
      return connection;
    });
    for (const connection of connections) {
      const { status, text } = await connection.answer();
      expect([status, codeOf(text)]).toEqual([408, 'REQUEST_TIMEOUT']);
      connection.destroy();
    }
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  test('clients that leave in the middle of a body leave nothing behind', async () => {
    const body = good();
    for (let i = 0; i < 50; i++) {
      const connection = openConnection(service.port);
      connection.write(
        formatRequest('POST', VES, headers(), body.subarray(0, (i * body.length) / 50), body.length),
      );
      await new Promise((resolve) => connection.socket.once('connect', resolve));
      if (i % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      if (i % 3 === 0) connection.socket.resetAndDestroy();
      else connection.destroy();
    }
    await expect.poll(openRequests, { timeout: 3000 }).toBe(0);
  });

  test('clients that leave before the answer have their events stored, once', async () => {
    const events = Array.from({ length: 20 }, () => agent.event());
    for (const { envelope } of events) {
      const connection = openConnection(service.port);
      connection.write(
        formatRequest(
          'POST',
          VES,
          headers(),
          Buffer.from(JSON.stringify({ agentId: agent.agentId, events: [envelope] })),
        ),
      );
      await new Promise((resolve) => connection.socket.once('connect', resolve));
      await new Promise((resolve) => setTimeout(resolve, 1));
      connection.destroy();
    }
    const { body } = await push(service, agent, events);
    expect(body.receipts!.length).toBe(20);
    head += 20;
    expect(body.headSequence).toBe(head);
  });

  async function openRequests(): Promise<number> {
    const { text } = await call(service, 'GET', '/metrics');
    const requests = [...text.matchAll(/^\w*inflight_requests\w* (\d+)/gm)].map((match) => Number(match[1]));
    expect(requests.length).toBeGreaterThan(0);
    return Math.max(...requests);
  }
});
