/** Ingest from the outside: what is accepted, replayed, refused and read back, on a running service. */
import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SignedEvent } from '../../agent/sign-event.js';
import {
  call as callAt,
  checkReceipt,
  createAgent,
  type Json,
  push as pushTo,
  readHead,
  readStream,
  registerAgent,
  registerKey,
  revokeKey,
  sequencerKeys,
  streamQuery,
  type TestAgent,
  uuidV7,
} from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { ENCRYPTED_ENVELOPE, ENCRYPTED_SEED } from './encrypted-vector.js';

let service: TestService;
let keys: Map<number, Uint8Array>;
beforeAll(async () => {
  service = await startTestService();
  keys = await sequencerKeys(service);
});

const call: (
  ...args: Parameters<typeof callAt> extends [unknown, ...infer Rest] ? Rest : never
) => Promise<Json> = (method, path, options) => callAt(service, method, path, options);
const push = (agent: TestAgent, events: Parameters<typeof pushTo>[2]) => pushTo(service, agent, events);
const newAgent = () => registerAgent(service);
/** The receipts of an answer, as the characters that came. */
const receiptText = (text: string) => /"receipts":(\[[^\]]*\])/.exec(text)?.[1];
const reasons = (body: Json): [string, string][] =>
  (body.rejections ?? []).map((each: Json) => [each.reason, each.message]);
/** The only rejection of an answer that accepted nothing. */
const rejection = (answer: { status: number; body: Json }) => {
  expect([answer.status, answer.body.eventsAccepted, answer.body.eventsRejected]).toEqual([200, 0, 1]);
  return reasons(answer.body)[0];
};

describe('accepted events', () => {
  test('get gap-free numbers and receipts that verify offline', async () => {
    const agent = await newAgent();
    const events = Array.from({ length: 300 }, () => agent.event());
    const first = await push(agent, events.slice(0, 100));
    expect(first.body).toMatchObject({
      eventsAccepted: 100,
      eventsRejected: 0,
      sequenceStart: 1,
      sequenceEnd: 100,
      headSequence: 100,
    });
    expect(first.body.rejections).toBeUndefined();
    const second = await push(agent, events.slice(100));
    expect(second.body).toMatchObject({ sequenceStart: 101, sequenceEnd: 300, headSequence: 300 });
    const receipts = [...first.body.receipts!, ...second.body.receipts!];
    expect(receipts.map((receipt) => receipt.sequenceNumber)).toEqual(events.map((_, i) => i + 1));
    for (const [i, receipt] of receipts.entries()) {
      if (i % 50 !== 0) continue; // the portable verifier is slow
      expect(checkReceipt(receipt, events[i]!, keys)).toBe('ok');
      expect(checkReceipt(receipt, events[(i + 1) % 300]!, keys)).toBe('wrong_event');
      expect(checkReceipt({ ...receipt, sequenceNumber: i + 2 }, events[i]!, keys)).toBe('hash_mismatch');
    }
    expect(receipts[0]).toMatchObject({ signatureAlg: 'ed25519', receiptSignatureScheme: 1 });
    expect(receipts[0]!.sequencedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?\+00:00$/);
  });

  test('ves_version 1 and 2 are accepted in one batch', async () => {
    const agent = await newAgent();
    const events = [agent.event({ vesVersion: 1 }), agent.event({ vesVersion: 2 })];
    const { body } = await push(agent, events);
    expect(body.eventsAccepted).toBe(2);
    for (const [i, event] of events.entries())
      expect(checkReceipt(body.receipts![i]!, event, keys)).toBe('ok');
    const other = agent.event();
    other.envelope.ves_version = 3;
    expect(rejection(await push(agent, [other]))).toEqual([
      'unsupported_version',
      'Expected VES version 1 or 2, got 3',
    ]);
  });

  test.each(['command_id', 'base_version'] as const)(
    'version 2 signs %s, version 1 does not',
    async (member) => {
      const agent = await newAgent();
      const change = (vesVersion: 1 | 2) => {
        const event = agent.event({
          vesVersion,
          commandId: randomUUID(),
          baseVersion: 0,
          entityId: randomUUID(),
        });
        if (member === 'command_id') event.envelope.command_id = randomUUID();
        else delete event.envelope.base_version;
        return event;
      };
      expect(rejection(await push(agent, [change(2)]))?.[0]).toBe('invalid_signature');
      expect((await push(agent, [change(1)])).body.eventsAccepted).toBe(1);
    },
  );

  test('every accepted spelling of ids and hex is the same event', async () => {
    const agent = await newAgent();
    const { envelope } = agent.event();
    const first = await push(agent, [envelope]);
    const again = await push(agent, [
      {
        ...envelope,
        event_id: envelope.event_id.toUpperCase(),
        tenant_id: envelope.tenant_id.replaceAll('-', ''),
        payload_plain_hash: envelope.payload_plain_hash.slice(2).toUpperCase(),
        agent_signature: envelope.agent_signature.slice(2),
      },
    ]);
    expect(receiptText(again.text)).toBe(receiptText(first.text));
  });
});

describe('the same event again', () => {
  test('answers the byte-identical first receipt, after a revocation and a restart too', async () => {
    const own = await startTestService();
    const agent = await registerAgent(own);
    const events = [agent.event(), agent.event({ vesVersion: 1 }), agent.event({ commandId: randomUUID() })];
    const first = await pushTo(own, agent, events);
    const expected = receiptText(first.text);
    expect(first.body.eventsAccepted).toBe(3);

    const expectReplay = async (at: TestService) => {
      const { body, text } = await pushTo(at, agent, events);
      expect(body).toMatchObject({
        eventsAccepted: 0,
        eventsRejected: 0,
        sequenceStart: null,
        sequenceEnd: null,
        headSequence: 3,
      });
      expect(receiptText(text)).toBe(expected);
      const stored = await callAt(
        at,
        'GET',
        `/api/v1/ves/events/${events[0]!.envelope.event_id}?tenant_id=${agent.tenantId}`,
      );
      expect(stored.text).toContain(`"receipt":${JSON.stringify(first.body.receipts![0])}`);
    };
    await expectReplay(own);
    await revokeKey(own, agent);
    await expectReplay(own);
    expect(await own.stop()).toBe(0);
    const restarted = await own.restart();
    expect(restarted.adminKey).toBe(own.adminKey);
    await expectReplay(restarted);
    expect(rejection(await pushTo(restarted, agent, [agent.event()]))).toEqual([
      'agent_key_invalid: Agent key has been revoked',
      'Agent key has been revoked',
    ]);
    await restarted.stop();
  });

  test('with other content is a conflict, whichever member differs', async () => {
    const agent = await newAgent();
    const original = agent.event({
      commandId: randomUUID(),
      vesVersion: 1,
      baseVersion: 0,
      entityId: randomUUID(),
    });
    expect((await push(agent, [original])).body.eventsAccepted).toBe(1);
    const { eventId, ...draft } = {
      eventId: original.envelope.event_id,
      createdAt: original.envelope.created_at,
      payload: original.envelope.payload,
      entityId: original.envelope.entity_id,
      commandId: original.envelope.command_id!,
      baseVersion: 0,
      vesVersion: 1 as const,
    };
    const { envelope } = original;
    const { command_id: _, ...withoutCommand } = envelope;
    const { base_version: __, ...withoutBase } = envelope;
    const others = [
      agent.event({ ...draft, eventId, payload: { n: -1 } }).envelope,
      agent.event({ ...draft, eventId, createdAt: '2026-01-01T00:00:00Z' }).envelope,
      agent.event({ ...draft, eventId, eventType: 'other' }).envelope,
      agent.event({ ...draft, eventId, vesVersion: 2 }).envelope,
      withoutCommand,
      withoutBase,
      { ...envelope, command_id: randomUUID() },
      { ...envelope, base_version: 1 },
      { ...envelope, payload: { n: 'another payload under the old hash' } },
      // The hash of this payload is never looked at, because the envelope breaks a rule before.
      {
        ...envelope,
        payload: { n: 'another payload' },
        payload_encrypted: ENCRYPTED_ENVELOPE.payload_encrypted,
      },
      { ...envelope, agent_signature: `0x${'11'.repeat(64)}` },
    ];
    for (const other of others) {
      expect(rejection(await push(agent, [other as typeof envelope]))).toEqual([
        'duplicate_event_id',
        'Event ID already exists with different contents',
      ]);
    }
    expect(await readHead(service, agent)).toBe(1);
  });

  test('in another store of the tenant is a conflict, in another tenant an event of its own', async () => {
    const agent = await newAgent();
    const eventId = uuidV7();
    expect((await push(agent, [agent.event({ eventId })])).body.eventsAccepted).toBe(1);
    const elsewhere = agent.at({ storeId: randomUUID() });
    expect(rejection(await push(elsewhere, [elsewhere.event({ eventId })]))).toEqual([
      'duplicate_event_id',
      'Event ID already exists',
    ]);
    const stranger = await newAgent();
    const { body } = await push(stranger, [stranger.event({ eventId })]);
    expect([body.eventsAccepted, body.sequenceStart]).toEqual([1, 1]);
  });

  test('sent many times at once is stored once', async () => {
    const agent = await newAgent();
    const event = agent.event();
    const answers = await Promise.all(Array.from({ length: 20 }, () => push(agent, [event])));
    expect(answers.filter(({ body }) => body.eventsAccepted === 1).length).toBe(1);
    expect(new Set(answers.map(({ text }) => receiptText(text))).size).toBe(1);
    expect(await readHead(service, agent)).toBe(1);
  });
});

describe('batches', () => {
  test('a bad event rejects only itself; replays are counted in neither number', async () => {
    const agent = await newAgent();
    const replayed = agent.event();
    await push(agent, [replayed]);
    const forged = agent.event();
    forged.envelope.agent_signature = `0x${'00'.repeat(64)}`;
    const wrongHash = agent.event();
    wrongHash.envelope.payload = { n: 'changed' };
    const wrongTime = agent.event({ createdAt: 'yesterday' });
    const wrongKey = createAgent({ ...agent, keyId: 9 }).event();
    const good = [agent.event(), agent.event(), agent.event()];
    const { body } = await push(agent, [
      good[0]!,
      forged,
      replayed,
      wrongHash,
      good[1]!,
      wrongTime,
      wrongKey,
      good[2]!,
    ]);
    expect(body).toMatchObject({
      eventsAccepted: 3,
      eventsRejected: 4,
      sequenceStart: 2,
      sequenceEnd: 4,
      headSequence: 4,
    });
    expect(body.rejections).toMatchObject([
      { event_id: forged.envelope.event_id, reason: 'invalid_signature' },
      { event_id: wrongHash.envelope.event_id, reason: 'invalid_payload_hash' },
      { event_id: wrongTime.envelope.event_id, reason: 'schema_validation: created_at' },
      { event_id: wrongKey.envelope.event_id, reason: 'agent_key_invalid: Agent key not found' },
    ]);
    expect(body.receipts!.map((each) => [each.eventId, each.sequenceNumber])).toEqual([
      [replayed.envelope.event_id, 1],
      ...good.map((event, i) => [event.envelope.event_id, i + 2]),
    ]);
  });

  test('an id or a command repeated within a batch is rejected the second time', async () => {
    const agent = await newAgent();
    const commandId = randomUUID();
    const one = agent.event({ commandId });
    const same = agent.event({ eventId: one.envelope.event_id });
    const other = agent.event({ commandId });
    const { body } = await push(agent, [one, same, one, other]);
    expect(body.eventsAccepted).toBe(1);
    expect(reasons(body)).toEqual([
      ['duplicate_event_id', `Event ${one.envelope.event_id} duplicated in batch`],
      ['duplicate_event_id', `Event ${one.envelope.event_id} duplicated in batch`],
      ['duplicate_command_id', `Command ${commandId} duplicated in batch`],
    ]);
  });

  test('a command is used once per store; a rejected event does not use it up', async () => {
    const agent = await newAgent();
    const commandId = randomUUID();
    const conflicting = agent.event({ commandId, baseVersion: 5, entityId: randomUUID() });
    expect(rejection(await push(agent, [conflicting]))?.[0]).toMatch(/^version_conflict/);
    const user = agent.event({ commandId });
    expect((await push(agent, [user])).body.eventsAccepted).toBe(1);
    expect(rejection(await push(agent, [agent.event({ commandId })]))).toEqual([
      'duplicate_command_id',
      `Command ${commandId} already processed`,
    ]);
    expect((await push(agent, [user])).body.receipts!.length).toBe(1);
    const elsewhere = agent.at({ storeId: randomUUID() });
    expect((await push(elsewhere, [elsewhere.event({ commandId })])).body.eventsAccepted).toBe(1);
  });

  test('base versions see the events before them in the batch, conflicts leave no gap', async () => {
    const agent = await newAgent();
    const entityId = randomUUID();
    const at = (baseVersion?: number) =>
      agent.event({ entityId, ...(baseVersion === undefined ? {} : { baseVersion }) });
    const { body } = await push(agent, [at(0), at(1), at(1), at(), at(3), at(9)]);
    expect([body.eventsAccepted, body.sequenceEnd]).toEqual([4, 4]);
    expect(reasons(body)).toEqual([
      ['version_conflict: expected 1, actual 2', 'Version conflict: expected 1, actual 2'],
      ['version_conflict: expected 9, actual 4', 'Version conflict: expected 9, actual 4'],
    ]);
    expect((await push(agent, [at(4)])).body.eventsAccepted).toBe(1);
  });

  test('of many who saw the same version one wins', async () => {
    const agent = await newAgent();
    const entityId = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => push(agent, [agent.event({ entityId, baseVersion: 0 })])),
    );
    expect(answers.map(({ body }) => body.eventsAccepted).sort()).toEqual([...Array(11).fill(0), 1]);
    expect(await readHead(service, agent)).toBe(1);
  });

  test('both streams share the versions of an entity', async () => {
    const agent = await newAgent();
    const entityId = randomUUID();
    const legacy = (base_version?: number) =>
      pushLegacy(agent, [legacyEvent(agent, '{}', { entity_id: entityId, base_version })]);
    expect((await push(agent, [agent.event({ entityId, baseVersion: 0 })])).body.eventsAccepted).toBe(1);
    expect((await legacy(0)).body.rejections[0].message).toBe('Version conflict: expected 0, actual 1');
    expect((await legacy(1)).body.events_accepted).toBe(1);
    expect((await legacy()).body.events_accepted).toBe(1);
    expect((await push(agent, [agent.event({ entityId, baseVersion: 3 })])).body.eventsAccepted).toBe(1);
  });
});

describe('encrypted events', () => {
  const agent = createAgent({
    tenantId: ENCRYPTED_ENVELOPE.tenant_id,
    storeId: ENCRYPTED_ENVELOPE.store_id,
    agentId: ENCRYPTED_ENVELOPE.source_agent_id,
    seed: ENCRYPTED_SEED,
  });
  beforeAll(() => registerKey(service, agent));
  type Encrypted = Json;
  const changed = (change: (envelope: Json, encrypted: Encrypted) => void) => {
    const copy = structuredClone(ENCRYPTED_ENVELOPE) as Json;
    change(copy, copy.payload_encrypted);
    return copy;
  };
  const nonsense = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64url');

  test.each<[string, (envelope: Json, encrypted: Encrypted) => void]>([
    [
      'schema_validation: payload_encrypted.enc_version',
      (_, e) => {
        e.enc_version = 0;
      },
    ],
    [
      'schema_validation: payload_encrypted.enc_version',
      (_, e) => {
        e.enc_version = 4;
      },
    ],
    [
      'schema_validation: payload_encrypted.aead',
      (_, e) => {
        e.aead = 'AES-128-GCM';
      },
    ],
    [
      'schema_validation: payload_encrypted.hpke.mode',
      (_, e) => {
        e.hpke.mode = 'psk';
      },
    ],
    [
      'schema_validation: payload_encrypted.hpke.kem',
      (_, e) => {
        e.hpke.kem = 'P-256';
      },
    ],
    [
      'schema_validation: payload_encrypted.hpke.kdf',
      (_, e) => {
        e.hpke.kdf = 'none';
      },
    ],
    [
      'schema_validation: payload_encrypted.hpke.aead',
      (_, e) => {
        e.hpke.aead = 'none';
      },
    ],
    [
      'schema_validation: payload_encrypted.nonce_b64u',
      (_, e) => {
        e.nonce_b64u = nonsense(11);
      },
    ],
    [
      'schema_validation: payload_encrypted.ciphertext_b64u',
      (_, e) => {
        e.ciphertext_b64u = '';
      },
    ],
    [
      'schema_validation: payload_encrypted.ciphertext_b64u',
      (_, e) => {
        e.ciphertext_b64u = '§';
      },
    ],
    [
      'schema_validation: payload_encrypted.tag_b64u',
      (_, e) => {
        e.tag_b64u = nonsense(17);
      },
    ],
    [
      'schema_validation: payload_encrypted.recipients',
      (_, e) => {
        e.recipients = [];
      },
    ],
    [
      'schema_validation: payload_encrypted.recipients',
      (_, e) => {
        e.recipients.push(e.recipients[0]);
      },
    ],
    [
      'schema_validation: payload_encrypted.recipients',
      (_, e) => {
        e.recipients.push({ ...e.recipients[0], recipient_kid: 0 });
      },
    ],
    [
      'schema_validation: payload_encrypted.recipients[0].enc_b64u',
      (_, e) => {
        e.recipients[0].enc_b64u = nonsense(31);
      },
    ],
    [
      'schema_validation: payload_encrypted.recipients[0].ct_b64u',
      (_, e) => {
        e.recipients[0].ct_b64u = nonsense(49);
      },
    ],
    [
      'schema_validation: payload',
      (v) => {
        v.payload = {};
      },
    ],
    [
      'schema_validation: created_at',
      (v) => {
        v.created_at = '2025-01-01';
      },
    ],
    [
      'invalid_cipher_hash',
      (_, e) => {
        e.ciphertext_b64u = nonsense(79);
      },
    ],
    [
      'invalid_cipher_hash',
      (_, e) => {
        e.tag_b64u = nonsense(16);
      },
    ],
    [
      'invalid_cipher_hash',
      (_, e) => {
        e.nonce_b64u = nonsense(12);
      },
    ],
    [
      'invalid_cipher_hash',
      (_, e) => {
        e.recipients[0].ct_b64u = nonsense(48);
      },
    ],
    [
      'invalid_cipher_hash',
      (_, e) => {
        e.recipients[0].recipient_kid = 2;
      },
    ],
    [
      'invalid_cipher_hash',
      (v) => {
        v.payload_cipher_hash = `0x${'00'.repeat(32)}`;
      },
    ],
    [
      'invalid_cipher_hash',
      (v) => {
        v.payload_plain_hash = `0x${'00'.repeat(32)}`;
      },
    ],
    [
      'invalid_cipher_hash',
      (v) => {
        v.entity_id = 'WIDGET-002';
      },
    ],
    [
      'invalid_cipher_hash',
      (v) => {
        v.event_id = randomUUID();
      },
    ],
    [
      'invalid_signature',
      (v) => {
        v.agent_signature = `0x00${v.agent_signature.slice(4)}`;
      },
    ],
  ])('%s', async (reason, change) => {
    expect(rejection(await push(agent, [changed(change)]))?.[0]).toBe(reason);
  });

  test('the worked example is accepted, read back as it was, and replayed', async () => {
    const first = await push(agent, [ENCRYPTED_ENVELOPE]);
    expect(first.body).toMatchObject({ eventsAccepted: 1, sequenceStart: 1 });
    expect((await push(agent, [ENCRYPTED_ENVELOPE])).body.receipts).toEqual(first.body.receipts);
    const { sequence_number, sequenced_at, ...stored } = (await readStream(service, agent))[0]!;
    expect(stored).toEqual(ENCRYPTED_ENVELOPE);
    // Members the protocol does not know are no part of the event.
    const more = changed((_, encrypted) => {
      encrypted.recipient_wraps = [];
    });
    expect((await push(agent, [more])).body.receipts).toEqual(first.body.receipts);
    expect(
      rejection(
        await push(agent, [
          changed((_, e) => {
            e.tag_b64u = nonsense(16);
          }),
        ]),
      ),
    ).toEqual(['duplicate_event_id', 'Event ID already exists with different contents']);
  });

  test('without its payload it is refused as a whole', async () => {
    const { payload_encrypted: _, ...bare } = ENCRYPTED_ENVELOPE;
    const { status, body } = await push(agent, [bare]);
    expect([status, body]).toMatchObject([400, { code: 'INVALID_FIELD_VALUE' }]);
    expect((body as Json).message).toContain('payload_encrypted');
  });
});

describe('signatures', () => {
  test.each([2, 3])('scheme %d is refused, because it cannot be verified', async (scheme) => {
    const agent = await newAgent();
    const { envelope } = agent.event();
    const [reason, message] = rejection(
      await push(agent, [
        {
          ...envelope,
          agent_signature_scheme: scheme,
          agent_signature_bundle: { ed25519_signature: [1], ml_dsa_65_signature: [2] },
        },
      ]),
    )!;
    expect(reason).toBe('invalid_signature');
    expect(message).toContain('Post-quantum');
  });

  test('schemes 0, 1 and unknown numbers mean Ed25519', async () => {
    const agent = await newAgent();
    const events = [0, 1, 99].map((agent_signature_scheme) => ({
      ...agent.event().envelope,
      agent_signature_scheme,
    }));
    expect((await push(agent, events)).body.eventsAccepted).toBe(3);
  });

  test.each([3, 5])('keys of algorithm %d cannot be registered', async (keyAlgorithm) => {
    const { tenantId, agentId, publicKey } = createAgent();
    const body = {
      tenantId,
      agentId,
      keyId: 1,
      publicKey: Buffer.from(publicKey).toString('hex'),
      keyAlgorithm,
    };
    expect((await call('POST', '/api/v1/agents/keys', { body })).status).toBe(400);
  });
});

describe('what is read back', () => {
  const payloads = [
    '{"a":1.0,"b":1e21,"c":-0,"d":9007199254740993,"e":1E-7,"f":0.1e1,"g":123456789012345678901234567890,"h":5e-324}',
    '{"\u20ac":"é\\u0001\\u001f\\"\\\\/","\\ud83d\\ude00":"😀","z":"\u2028\u2029\ufeff\uffff","":""}',
    '[[],{},[null],false,true,"",0]',
    '"text"',
    '1.50',
    'true',
    '{"b":1,"a":2,"b":3}',
    '{"__proto__":{"x":1},"constructor":1,"toString":null,"10":1,"9":2}',
  ];

  test.each(payloads)('payload %s', async (text) => {
    const agent = await newAgent();
    // The agent signs what it parsed, the service gets the text: equal values have equal hashes.
    const event = agent.event({
      payload: JSON.parse(text),
      entityType: 'ünïcode/💡',
      entityId: '../?#%00 "\\',
      createdAt: '2026-01-31t12:00:00.123456789+05:30',
    });
    const { envelope } = event;
    const body = JSON.stringify({ agentId: agent.agentId, events: [{ ...envelope, payload: 'PAYLOAD' }] });
    const answer = await call('POST', '/api/v1/ves/events/ingest', {
      body: body.replace('"PAYLOAD"', () => text),
    });
    expect(answer.body.rejections).toBeUndefined();
    expect(answer.body.eventsAccepted).toBe(1);

    const stored = {
      ...JSON.parse(JSON.stringify(envelope)), // RFC 8785 knows no negative zero
      sequence_number: 1,
      sequenced_at: answer.body.receipts[0].sequencedAt.replace('+00:00', 'Z'),
    };
    const query = streamQuery(agent);
    const page = await call('GET', `/api/v1/ves/events?${query}&from=1&limit=10`);
    expect(page.body).toEqual({
      events: [{ envelope: stored }],
      count: 1,
      next_sequence: 2,
      head_sequence: 1,
      has_more: false,
    });
    const found = await call('GET', `/api/v1/ves/events/${envelope.event_id}?tenant_id=${agent.tenantId}`);
    expect(found.body).toEqual({
      status: 'sequenced',
      sequence_number: 1,
      envelope: stored,
      receipt: answer.body.receipts[0],
    });
    const entity = `${encodeURIComponent(envelope.entity_type)}/${encodeURIComponent(envelope.entity_id)}`;
    const history = await call('GET', `/api/v1/ves/entities/${entity}?${query}`);
    expect(history.body).toMatchObject({
      events: [{ envelope: stored }],
      count: 1,
      total: 1,
      current_version: 1,
      has_more: false,
    });
    // The same characters on every way.
    const characters = /\{"ves_version".*?"payload_plain_hash"/s.exec(page.text)![0];
    expect(found.text).toContain(characters);
    expect(history.text).toContain(characters);
    // What came back hashes to what was signed: it can be sent again.
    const { sequence_number, sequenced_at, ...again } = page.body.events[0].envelope;
    expect((await push(agent, [again])).body.receipts).toEqual(answer.body.receipts);
  });

  test('by command id and by head; unknown ones are 404', async () => {
    const agent = await newAgent();
    const commandId = randomUUID();
    const event = agent.event({ commandId, baseVersion: 0, entityId: randomUUID() });
    const { body } = await push(agent, [agent.event(), event]);
    const query = streamQuery(agent);
    const found = await call('GET', `/api/v1/ves/events?${query}&command_id=${commandId}`);
    expect(found.body).toMatchObject({ sequence_number: 2, receipt: body.receipts![1] });
    expect(found.body.envelope).toMatchObject({ command_id: commandId, base_version: 0 });
    expect((await call('GET', `/api/v1/ves/events?${query}&command_id=${randomUUID()}`)).body.code).toBe(
      'EVENT_NOT_FOUND',
    );
    expect((await call('GET', `/api/v1/ves/events/${randomUUID()}?tenant_id=${agent.tenantId}`)).status).toBe(
      404,
    );
    expect((await call('GET', `/api/v1/ves/head?${query}`)).body).toEqual({ head_sequence: 2 });
    expect(await readHead(service, { tenantId: randomUUID(), storeId: randomUUID() })).toBe(0);
  });

  test('pages meet without gap or repetition', async () => {
    const agent = await newAgent();
    const entityId = randomUUID();
    const events = Array.from({ length: 25 }, () => agent.event({ entityId }));
    await push(agent, events);
    const query = streamQuery(agent);
    const ids: string[] = [];
    for (let from = 0, more = true; more; ) {
      const { body } = await call('GET', `/api/v1/ves/events?${query}&from=${from}&limit=7`);
      ids.push(...body.events.map((each: Json) => each.envelope.event_id));
      [from, more] = [body.next_sequence, body.has_more];
    }
    expect(ids).toEqual(events.map(({ envelope }) => envelope.event_id));
    const history = await call('GET', `/api/v1/ves/entities/order/${entityId}?${query}&from=20&limit=10`);
    expect(history.body.events.map((each: Json) => each.envelope.sequence_number)).toEqual([
      21, 22, 23, 24, 25,
    ]);
    expect([history.body.total, history.body.has_more]).toEqual([25, false]);
  });

  test('a payload at the limit is stored, one byte more is refused', async () => {
    const agent = await newAgent();
    const limit = 1024 * 1024;
    const fits = agent.event({ payload: { t: 'é'.repeat((limit - 8) / 2) } });
    expect(Buffer.byteLength(JSON.stringify(fits.envelope.payload))).toBe(limit);
    expect((await push(agent, [fits])).body.eventsAccepted).toBe(1);
    expect((await readStream(service, agent))[0]!.payload).toEqual(fits.envelope.payload);
    const tooLarge = await push(agent, [agent.event({ payload: { t: `${'é'.repeat((limit - 8) / 2)}a` } })]);
    expect([tooLarge.status, tooLarge.body]).toMatchObject([
      413,
      {
        code: 'PAYLOAD_TOO_LARGE',
        error: { details: { path: 'events[0].payload', bytes: limit + 1, bytes_max: limit } },
      },
    ]);
    const nine = Array.from({ length: 9 }, () => agent.event({ payload: 'x'.repeat(limit - 2) }));
    expect((await push(agent, nine)).body.eventsAccepted).toBe(9);
    expect((await push(agent, [...nine, agent.event({ payload: 'x'.repeat(limit - 2) })])).status).toBe(413);
    expect(await readHead(service, agent)).toBe(10);
  });
});

function legacyEvent(agent: TestAgent, payload: string, parts: object = {}, canonical = payload): string {
  const event = {
    event_id: uuidV7(),
    tenant_id: agent.tenantId,
    store_id: agent.storeId,
    entity_type: 'order',
    entity_id: 'o-1',
    event_type: 'order.changed',
    payload: 'PAYLOAD',
    payload_hash: createHash('sha256').update(canonical).digest('hex'),
    created_at: '2026-01-31T12:00:00.5+02:00',
    source_agent: agent.agentId,
    ...parts,
  };
  return JSON.stringify(event).replace('"PAYLOAD"', () => payload);
}

const pushLegacy = (agent: TestAgent, events: readonly string[]): Promise<Json> =>
  call('POST', '/api/v1/events/ingest', {
    body: `{"agent_id":"${agent.agentId}","events":[${events.join(',')}]}`,
  });

describe('the legacy stream', () => {
  test('keeps number tokens apart: 1.0 is not 1', async () => {
    const agent = createAgent();
    const one = legacyEvent(agent, '{"n":1}');
    const float = legacyEvent(agent, '{"n":1.0}');
    const mixed = legacyEvent(agent, '{"n":1.0}', {}, '{"n":1}');
    const big = legacyEvent(
      agent,
      '{ "b" : 18446744073709551615, "a":9007199254740993 , "c":1e20}',
      {},
      '{"a":9007199254740993,"b":18446744073709551615,"c":1e20}',
    );
    const { body } = await pushLegacy(agent, [one, float, mixed, big]);
    expect(body).toMatchObject({
      events_accepted: 3,
      events_rejected: 1,
      assigned_sequence_start: 1,
      assigned_sequence_end: 3,
      head_sequence: 3,
    });
    expect(reasons(body)).toEqual([['InvalidPayloadHash', 'Payload hash does not match payload']]);
    const page = await call('GET', `/api/v1/events?${streamQuery(agent)}`);
    expect(page.text).toContain('"payload":{"n":1},');
    expect(page.text).toContain('"payload":{"n":1.0},');
    expect(page.text).toContain('"payload":{"a":9007199254740993,"b":18446744073709551615,"c":1e20},');
    expect(page.body.events[0].envelope).toMatchObject({
      created_at: '2026-01-31T10:00:00.500Z',
      sequence_number: 1,
    });
    expect((await call('GET', `/api/v1/head?${streamQuery(agent)}`)).body).toEqual({ head_sequence: 3 });
    const history = await call('GET', `/api/v1/entities/order/o-1?${streamQuery(agent)}&from=1&limit=1`);
    expect(history.body).toMatchObject({ count: 1, total: 3, has_more: true });
  });

  test('answers repetitions as duplicates; its numbers are its own', async () => {
    const agent = await newAgent();
    const event = legacyEvent(agent, 'null', { command_id: randomUUID(), signature: [1, 2, 255] });
    expect((await push(agent, [agent.event()])).body.sequenceStart).toBe(1);
    expect((await pushLegacy(agent, [event, event])).body.events_accepted).toBe(1);
    const again = await pushLegacy(agent, [event]);
    expect(reasons(again.body)).toEqual([
      ['DuplicateEventId', `Event ${JSON.parse(event).event_id} already exists`],
    ]);
    const command = legacyEvent(agent, 'null', { command_id: JSON.parse(event).command_id });
    expect(reasons((await pushLegacy(agent, [command])).body)[0]![0]).toBe('DuplicateCommandId');
    const { body } = await call('GET', `/api/v1/events?${streamQuery(agent)}`);
    expect(body.events.length).toBe(1);
    expect(body.events[0].envelope).toMatchObject({
      payload: null,
      signature: [1, 2, 255],
      sequence_number: 1,
    });
  });

  test('an empty list is answered with zeros', async () => {
    const { status, body } = await pushLegacy(createAgent(), []);
    expect([status, body]).toMatchObject([
      200,
      { events_accepted: 0, assigned_sequence_start: null, head_sequence: 0 },
    ]);
  });
});

describe('agents', () => {
  test('a key can be used as soon as it is registered, also when it was missed before', async () => {
    const agent = createAgent();
    expect(rejection(await push(agent, [agent.event()]))?.[0]).toBe('agent_key_invalid: Agent key not found');
    await registerKey(service, agent);
    expect((await push(agent, [agent.event()])).body.eventsAccepted).toBe(1);
    for (let i = 0; i < 10; i++) {
      const next = await newAgent();
      expect((await push(next, [next.event()])).body.eventsAccepted).toBe(1);
    }
  });

  test('a key of another agent or tenant does not help', async () => {
    const agent = await newAgent();
    const impostor = createAgent({ ...agent });
    expect(rejection(await push(impostor, [impostor.event()]))?.[0]).toBe('invalid_signature');
    const elsewhere = agent.at({ tenantId: randomUUID() });
    expect(rejection(await push(elsewhere, [elsewhere.event()]))?.[0]).toBe(
      'agent_key_invalid: Agent key not found',
    );
  });

  test('validity is that of the moment of sequencing', async () => {
    const times: [Json, string][] = [
      [{ validFrom: '2099-01-01T00:00:00Z' }, 'Agent key is not yet valid'],
      [{ validTo: '2020-01-01T00:00:00Z' }, 'Agent key has expired'],
    ];
    for (const [validity, message] of times) {
      const agent = createAgent();
      const body = {
        ...validity,
        tenantId: agent.tenantId,
        agentId: agent.agentId,
        keyId: 1,
        publicKey: Buffer.from(agent.publicKey).toString('hex'),
      };
      expect((await call('POST', '/api/v1/agents/keys', { body })).status).toBe(200);
      expect(rejection(await push(agent, [agent.event()]))).toEqual([
        `agent_key_invalid: ${message}`,
        message,
      ]);
    }
  });

  test('a revocation is honoured within a second, by another process too', async () => {
    const second = await service.restart();
    const agent = await newAgent();
    const both = [service, second];
    for (const each of both) expect((await pushTo(each, agent, [agent.event()])).body.eventsAccepted).toBe(1);
    await revokeKey(service, agent);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    for (const each of both)
      expect(rejection(await pushTo(each, agent, [agent.event()]))?.[0]).toBe(
        'agent_key_invalid: Agent key has been revoked',
      );
    expect(await readHead(second, agent)).toBe(2);
    await second.stop();
  });
});

describe('API keys', () => {
  const apiKey = async (agent: TestAgent, wish: object): Promise<string> => {
    const body = { tenantId: agent.tenantId, ...wish };
    const answer = await call('POST', `/api/v1/agents/${agent.agentId}/api-keys`, { body });
    expect(answer.status, answer.text).toBe(200);
    return answer.body.apiKey;
  };
  const pushWith = (key: string, agent: TestAgent, events: SignedEvent[]): Promise<Json> =>
    pushTo(service, agent, events, { key });

  test('write only within their tenant, stores and agent', async () => {
    const agent = await newAgent();
    const key = await apiKey(agent, { storeIds: [agent.storeId] });
    expect((await pushWith(key, agent, [agent.event()])).body.eventsAccepted).toBe(1);
    const elsewhere = agent.at({ storeId: randomUUID() });
    expect((await pushWith(key, elsewhere, [elsewhere.event()])).body.message).toBe('Store access denied');
    const stranger = await registerAgent(service, { agentId: agent.agentId });
    expect((await pushWith(key, stranger, [stranger.event()])).body.message).toBe('Tenant access denied');
    const colleague = await registerAgent(service, { tenantId: agent.tenantId, storeId: agent.storeId });
    expect((await pushWith(key, colleague, [colleague.event()])).body.message).toBe('Agent mismatch');
    for (const other of [elsewhere, stranger]) {
      const { status } = await call('GET', `/api/v1/ves/events?${streamQuery(other)}`, { key });
      expect(status).toBe(403);
    }
    // What it cannot reach does not exist for it.
    const hidden = elsewhere.event();
    await push(elsewhere, [hidden]);
    const lookup = await call(
      'GET',
      `/api/v1/ves/events/${hidden.envelope.event_id}?tenant_id=${agent.tenantId}`,
      { key },
    );
    expect(lookup.status).toBe(404);
    expect((await call('GET', `/api/v1/ves/events?${streamQuery(agent)}`, { key })).body.count).toBe(1);
  });

  test('without write permission nothing is written', async () => {
    const agent = await newAgent();
    const key = await apiKey(agent, { readOnly: true });
    const { status, body } = await pushWith(key, agent, [agent.event()]);
    expect([status, body.code, body.message]).toEqual([
      403,
      'INSUFFICIENT_PERMISSIONS',
      'Write permission required',
    ]);
  });

  test('once revoked they are refused within a second', async () => {
    const agent = await newAgent();
    const key = await apiKey(agent, {});
    expect((await pushWith(key, agent, [agent.event()])).status).toBe(200);
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 16);
    const path = `/api/v1/agents/${agent.agentId}/api-keys/${hash}?tenant_id=${agent.tenantId}`;
    expect((await call('DELETE', path)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await pushWith(key, agent, [agent.event()])).body.code).toBe('INVALID_API_KEY');
  });
});
