/** Bytes: the hand-written reader and writers against the generated code. */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ServiceError } from '../../engine/errors/index.js';
import { encodeBase64Url, parseVesEnvelope, receiptHash } from '../../engine/protocol/index.js';
import { COPY_HEADER, encodeVesRow } from '../../engine/store/copy-row.js';
import { createTupleReader } from '../../engine/store/copy-tuples.js';
import { VES_EVENTS } from '../../engine/store/ves-columns.js';
import { createProtoEncoder } from '../../engine/subscriptions/encode-proto.js';
import { createSink } from '../../engine/subscriptions/encoder.js';
import { createWireReader, v2, WireError } from '../../engine/wire-proto/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { createLegacyProtoReader, createVesProtoReader } from '../../workers/prepare-proto.js';
import { createAgent } from '../support/agents.js';
import { envelopeMessage, pushMessage, timestampOf } from './messages.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIMITS = { batchEventsMax: 1000, payloadBytesMax: 1 << 20 };
const arrivalOf = (body: Buffer) => ({
  slot: 0,
  body,
  scope: { tenant: null, stores: [], agent: null },
  deadlineMs: 0,
  receipts: 0,
  codec: 'proto' as const,
});
/** The instant 2000-01-01, from which PostgreSQL counts. */
const PG_EPOCH_MICROS = 946_684_800_000_000n;

const ENCRYPTED = {
  enc_version: 1,
  aead: 'AES-256-GCM',
  nonce_b64u: encodeBase64Url(randomBytes(12)),
  ciphertext_b64u: encodeBase64Url(randomBytes(200)),
  tag_b64u: encodeBase64Url(randomBytes(16)),
  hpke: { mode: 'base', kem: 'X25519-HKDF-SHA256', kdf: 'HKDF-SHA256', aead: 'AES-256-GCM' },
  recipients: [1, 7].map((recipient_kid) => ({
    recipient_kid,
    enc_b64u: encodeBase64Url(randomBytes(32)),
    ct_b64u: encodeBase64Url(randomBytes(48)),
  })),
};

/** Encodes an event as it would be read from the table. */
function encodeStored(json: object, sequence: number, micros: bigint) {
  const read = parseVesEnvelope(json);
  if (!read.ok) throw new Error(read.message);
  const { envelope } = read;
  const signingHash = randomBytes(32);
  const stored = envelope.payloadKind === 0 ? envelope.payload : envelope.payloadEncrypted!.json;
  const payload = Buffer.from(JSON.stringify(stored));
  const row = Buffer.alloc(8192 + payload.length);
  const encoded = { end: 0, proof: 0, entity: 0 };
  encodeVesRow(row, 0, { envelope, payload, entityKey: Buffer.alloc(8), signingHash }, encoded);
  row.writeBigInt64BE(BigInt(sequence), 6);
  row.writeBigInt64BE(micros - PG_EPOCH_MICROS, 18);
  const sink = createSink();
  const encode = createProtoEncoder(sha256Into);
  const feed = createTupleReader(VES_EVENTS.columnCount, (tuple) => encode(tuple, sink));
  feed(Buffer.concat([COPY_HEADER, row.subarray(0, encoded.end), Buffer.from('ffff', 'hex')]));
  return { bytes: sink.bytes.subarray(0, sink.length), envelope, signingHash, payload };
}

const agent = createAgent();
const texts = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text));

describe('the encoder of stored events', () => {
  test('writes what the generated code writes', () => {
    const instants = fc.constantFrom(
      '2026-01-31T12:00:00Z',
      '2026-01-31T12:00:00.123456+00:00',
      '1969-12-31T23:59:59.5-01:30',
      '0001-03-01T00:00:00Z',
      '2024-02-29T23:59:59.999999+14:00',
      '9999-12-31T23:59:59Z',
      '1970-01-01T00:00:00Z',
    );
    fc.assert(
      fc.property(
        texts,
        texts,
        instants,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
        fc.boolean(),
        fc.boolean(),
        (entityType, entityId, createdAt, sequence, baseVersion, hasCommand, encrypted) => {
          const { envelope: json } = agent.event({
            entityType,
            entityId,
            createdAt,
            payload: { entityId },
            ...(baseVersion === null ? {} : { baseVersion }),
            ...(hasCommand ? { commandId: '0199c0de-5f0a-7000-8000-0000000000aa' } : {}),
          });
          const { payload: _, ...rest } = json;
          const given = encrypted
            ? {
                ...rest,
                payload_kind: 1,
                payload_encrypted: ENCRYPTED,
                payload_cipher_hash: json.payload_plain_hash,
              }
            : json;
          const micros = 1_700_000_000_123_456n;
          const { bytes, envelope, signingHash, payload } = encodeStored(given, sequence, micros);
          const message = fromBinary(v2.SequencedEventSchema, bytes);
          // Not a byte differs from what the generated code makes of it.
          expect(Buffer.from(toBinary(v2.SequencedEventSchema, message)).equals(bytes)).toBe(true);
          expect(message.sequenceNumber).toBe(BigInt(sequence));
          expect(message.sequencedAt).toMatchObject({ seconds: 1_700_000_000n, nanos: 123_456_000 });
          const hash = receiptHash(envelope, BigInt(sequence), signingHash);
          expect(Buffer.from(message.receiptHash).equals(hash)).toBe(true);
          const back = message.envelope!;
          expect(back).toMatchObject({
            eventId: json.event_id,
            commandId: json.command_id ?? '',
            entityType,
            entityId,
            sourceAgent: agent.agentId,
            vesVersion: 2,
            agentKeyId: 1,
            createdAtText: createdAt,
            baseVersion: BigInt(baseVersion ?? 0),
            baseVersionSet: baseVersion !== null,
          });
          expect(back.createdAt).toMatchObject({
            seconds: timestampOf(createdAt).seconds,
            nanos: timestampOf(createdAt).nanos,
          });
          if (!encrypted) expect(Buffer.from(back.payload).equals(payload)).toBe(true);
          else {
            const { nonce, recipients, hpke } = back.payloadEncrypted!;
            expect(encodeBase64Url(nonce)).toBe(ENCRYPTED.nonce_b64u);
            expect(recipients.map((each) => each.recipientKid)).toEqual([1, 7]);
            expect(hpke).toMatchObject(ENCRYPTED.hpke);
          }
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('the reader of pushes', () => {
  test('reads an encrypted payload into the form that is stored, and computes its hash for either text', () => {
    const message = envelopeMessage(agent.event({ createdAt: '2026-01-31T12:00:00Z' }), 'instant');
    const { bytes } = encodeStored(
      { ...agent.event().envelope, payload: undefined, payload_kind: 1, payload_encrypted: ENCRYPTED },
      1,
      0n,
    );
    Object.assign(message, {
      payload: new Uint8Array(0),
      payloadKind: v2.PayloadKind.ENCRYPTED,
      payloadEncrypted: fromBinary(v2.SequencedEventSchema, bytes).envelope!.payloadEncrypted,
    });
    const body = Buffer.from(toBinary(v2.PushRequestSchema, pushMessage(agent, [message])));
    const request = createVesProtoReader(LIMITS)(arrivalOf(body));
    expect(request.proto!.malformed).toEqual([]);
    const { envelope } = request.events[0]!;
    expect(envelope.payloadEncrypted!.json).toEqual(ENCRYPTED);
    expect(envelope.createdAt).toBe('2026-01-31T12:00:00+00:00');
    const other = request.proto!.otherCreatedAt[0]!;
    expect(other.createdAt).toBe('2026-01-31T12:00:00Z');
    expect(Buffer.from(envelope.fixed.subarray(112, 144)).equals(other.cipherHash!)).toBe(false);
  });

  test('never does more than refuse: changed, cut and random bytes', () => {
    const events = Array.from({ length: 4 }, () => envelopeMessage(agent.event()));
    const good = Buffer.from(toBinary(v2.PushRequestSchema, pushMessage(agent, events, 'r')));
    const readers = [createVesProtoReader(LIMITS), createLegacyProtoReader(LIMITS)];
    const random = seeded('pushes');
    let refused = 0;
    let hurt = 0;
    for (let round = 0; round < 20_000; round++) {
      let body = Buffer.from(good);
      const kind = random(4);
      if (kind === 0) body = body.subarray(0, random(body.length + 1));
      else if (kind === 1) body = Buffer.from(Array.from({ length: random(200) }, () => random(256)));
      else for (let i = 0; i <= random(4); i++) body[random(body.length)] = random(256);
      for (const read of readers) {
        try {
          hurt += read(arrivalOf(body)).proto!.malformed.length;
        } catch (error) {
          if (!(error instanceof ServiceError)) throw error;
          expect(['INTERNAL_ERROR', 'DATABASE_ERROR']).not.toContain(error.code);
          refused++;
        }
      }
    }
    expect(Math.min(refused, hurt)).toBeGreaterThan(100);
  });

  test('the wire reader agrees with the generated code on what is a message', () => {
    const random = seeded('wire');
    const good = Buffer.from(toBinary(v2.EventEnvelopeSchema, envelopeMessage(agent.event())));
    let both = 0;
    for (let round = 0; round < 20_000; round++) {
      const body = Buffer.from(good);
      for (let i = 0; i <= random(2); i++) body[random(body.length)] = random(256);
      const wire = createWireReader();
      let readable = true;
      try {
        wire.open(body, 0, body.length);
        while (wire.next() !== 0) wire.skip();
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
        readable = false;
      }
      let decoded = true;
      try {
        fromBinary(v2.EventEnvelopeSchema, body);
      } catch {
        decoded = false;
      }
      // The generated code also looks into fields and knows groups; what it takes is a message at least.
      if (decoded && !readable) expect(hasGroup(body)).toBe(true);
      if (decoded && readable) both++;
    }
    expect(both).toBeGreaterThan(1000);
  });
});

test('the generated code is what the .proto files say', () => {
  const directory = mkdtempSync(join(tmpdir(), 'proto-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-proto.mjs', directory], {
      cwd: ROOT,
    });
    expect(status, String(stderr)).toBe(0);
    const committed = join(ROOT, 'engine/wire-proto/generated');
    const files = readdirSync(committed, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    expect(files).toHaveLength(5);
    for (const file of files)
      expect(readFileSync(join(directory, file), 'utf8')).toBe(readFileSync(join(committed, file), 'utf8'));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Whether a byte could be the tag of a group, which proto3 has no use for. */
const hasGroup = (bytes: Buffer): boolean => bytes.some((byte) => (byte & 7) === 3 || (byte & 7) === 4);

/** Numbers below `limit`, the same ones in every run. */
function seeded(seed: string): (limit: number) => number {
  let pool = Buffer.alloc(0) as Buffer;
  let round = 0;
  let at = 0;
  return (limit) => {
    if (at + 4 > pool.length) {
      pool = createHash('shake256', { outputLength: 4096 }).update(`${seed}/${round++}`).digest();
      at = 0;
    }
    at += 4;
    return pool.readUInt32LE(at - 4) % limit;
  };
}
