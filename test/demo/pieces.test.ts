import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createAgentKey } from '../../cli/demo/agent-key.js';
import { createBoard } from '../../cli/demo/board.js';
import { createShop } from '../../cli/demo/commerce.js';
import { forge } from '../../cli/demo/forgeries.js';
import { addProgress, createTally, percentile } from '../../cli/demo/tally.js';
import {
  canonicalize,
  checkVesEnvelope,
  equalBytes,
  eventSigningHash,
  FIXED,
  parseVesEnvelope,
  payloadPlainHash,
  verifyStrict,
} from '../../engine/protocol/index.js';
import { createRandom } from '../../loadtest/event-source.js';
import { sha256 } from './support.js';

describe('the shop', () => {
  const events = Array.from({ length: 2000 }, createShop('a1-s1', createRandom(3)));

  test('tells of orders, stock, customers and returns', () => {
    expect(new Set(events.map((event) => event.entityType))).toEqual(
      new Set(['order', 'inventory', 'customer', 'return']),
    );
  });

  test('counts the versions of its stock without a gap, stale ones aside', () => {
    const versions = new Map<string, number>();
    for (const { entityId, baseVersion, stale } of events) {
      if (baseVersion === undefined || stale) continue;
      expect(baseVersion).toBe(versions.get(entityId) ?? 0);
      versions.set(entityId, baseVersion + 1);
    }
    expect(versions.size).toBeGreaterThan(3);
    expect(events.filter((event) => event.stale).length).toBeGreaterThan(5);
  });

  test('uses a command id once', () => {
    const commands = events.map((event) => event.commandId).filter((id) => id !== undefined);
    expect(new Set(commands).size).toBe(commands.length);
  });
});

test('every kind of forgery breaks exactly what it claims to break', () => {
  const key = createAgentKey();
  for (let n = 0; n < 5; n++) {
    const draft = {
      eventId: randomUUID(),
      tenantId: randomUUID(),
      storeId: randomUUID(),
      agentId: randomUUID(),
      keyId: 1,
      entityType: 'order',
      entityId: 'o-1',
      eventType: 'order.placed',
      createdAt: new Date().toISOString(),
      payload: { amount: '1.00' },
    };
    const forgery = forge(n, draft, key, sha256);
    const parsed = parseVesEnvelope(forgery.envelope);
    if (!parsed.ok) throw new Error(parsed.message);
    const { envelope } = parsed;
    expect(checkVesEnvelope(envelope)).toBeUndefined();
    const hashHolds = equalBytes(
      payloadPlainHash(canonicalize(envelope.payload)),
      envelope.fixed.subarray(FIXED.payloadPlainHash, FIXED.payloadPlainHash + 32),
    );
    const signature = envelope.fixed.subarray(FIXED.agentSignature, FIXED.agentSignature + 64);
    const signatureHolds = verifyStrict(signature, eventSigningHash(envelope), key.publicKey);
    expect([forgery.kind, hashHolds, signatureHolds, envelope.agentKeyId]).toEqual([
      forgery.kind,
      forgery.refusedAs !== 'invalid_payload_hash',
      forgery.refusedAs !== 'invalid_signature',
      forgery.refusedAs === 'agent_key_invalid' ? 2 : 1,
    ]);
  }
});

describe('the board', () => {
  const progress = {
    type: 'progress' as const,
    accepted: 500,
    replayed: 3,
    refused: 2,
    retries: 1,
    latenciesMs: [4, 5, 6],
    heads: { s: 500 },
  };

  test('redraws one table on a terminal', () => {
    const tally = createTally();
    let text = '';
    let now = 0;
    const out = { isTTY: true, write: (piece: string) => (text += piece) };
    const board = createBoard(tally, new Map([['s', 'web-shop']]), out, () => now);
    board.show('sending');
    now = 1000;
    addProgress(tally, progress);
    board.show('sending');
    expect(text).toContain('500 events   500/s');
    expect(text).toContain('\x1b[7A'); // seven rows up again
    expect(text).toMatch(/web-shop +head 500/);
  });

  test('prints a line now and then elsewhere', () => {
    const tally = createTally();
    const lines: string[] = [];
    let now = 0;
    const out = { write: (piece: string) => lines.push(piece) };
    const board = createBoard(tally, new Map([['s', 'web-shop']]), out, () => now);
    for (; now <= 4000; now += 100) board.show('sending');
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain('\x1b');
  });
});

test('percentiles are the nearest ranks', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([50, 99, 100].map((percent) => percentile(values, percent))).toEqual([50, 99, 100]);
  expect(percentile([], 50)).toBe(0);
});
