import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { backoffMs } from '../../agent/backoff.js';
import { createSequencerClient, RequestFailed, type RetryNotice } from '../../agent/client.js';
import type { VesEnvelopeJson } from '../../engine/protocol/index.js';

type Handler = (body: string, request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A real server that answers the n-th request with the n-th handler; the last one stays. */
async function serve(...handlers: Handler[]): Promise<{ url: string; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      bodies.push(body);
      handlers[Math.min(bodies.length, handlers.length) - 1]!(body, request, response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, bodies };
}

const answer =
  (status: number, body: object, headers: Record<string, string> = {}): Handler =>
  (_body, _request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };

const event = (id: string) => ({ event_id: id, payload: { text: '– é' } }) as unknown as VesEnvelopeJson;
const receipt = (id: string, sequenceNumber: number) => ({ eventId: id, sequenceNumber });
const accepted = (...ids: string[]) => ({
  headSequence: ids.length,
  receipts: ids.map((id, i) => receipt(id, i + 1)),
});
const backoff = { firstMs: 5, maxMs: 20, random: () => 0.5 };

describe('pushing', () => {
  test('sends the same bytes again after answers that leave the outcome open', async () => {
    const { url, bodies } = await serve(
      (_body, request) => void request.socket.destroy(),
      answer(504, { code: 'TIMEOUT', message: 'unknown' }),
      answer(503, { code: 'OVERLOADED', message: 'full' }),
      answer(200, accepted('a', 'b')),
    );
    const notices: RetryNotice[] = [];
    const client = createSequencerClient({ url, backoff, onRetry: (notice) => notices.push(notice) });
    const result = await client.push('agent', [event('a'), event('b')]);
    expect([...result.receipts.keys()]).toEqual(['a', 'b']);
    expect(bodies).toHaveLength(4);
    expect(new Set(bodies).size).toBe(1);
    expect(notices.map((notice) => notice.attempt)).toEqual([1, 2, 3]);
  });

  test('asks again only for the events without a verdict', async () => {
    const { url, bodies } = await serve(
      answer(200, {
        headSequence: 1,
        receipts: [receipt('a', 1)],
        rejections: [
          { eventId: 'b', reason: 'outcome_unknown', message: '' },
          { eventId: 'c', reason: 'invalid_signature', message: '' },
        ],
      }),
      answer(200, { headSequence: 2, receipts: [receipt('b', 2)] }),
    );
    const result = await createSequencerClient({ url, backoff }).push('agent', ['a', 'b', 'c'].map(event));
    expect(result.receipts.get('b')?.sequenceNumber).toBe(2);
    expect(result.rejections.map((rejection) => rejection.eventId)).toEqual(['c']);
    expect(result.headSequence).toBe(2);
    expect(JSON.parse(bodies[1]!).events).toEqual([event('b')]);
  });

  test('gives up at once on a refusal that repeating cannot change', async () => {
    const { url, bodies } = await serve(answer(403, { code: 'INSUFFICIENT_PERMISSIONS', message: 'no' }));
    const pushed = createSequencerClient({ url, backoff }).push('agent', [event('a')]);
    await expect(pushed).rejects.toMatchObject({ status: 403, code: 'INSUFFICIENT_PERMISSIONS' });
    expect(bodies).toHaveLength(1);
  });

  test('gives up on a service that stays away when its time is over', async () => {
    const { url } = await serve(answer(200, {}));
    servers.at(-1)!.close();
    servers.at(-1)!.closeAllConnections();
    const client = createSequencerClient({ url, backoff, giveUpAfterMs: 60 });
    const failure = await client.push('agent', [event('a')]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestFailed);
    expect((failure as RequestFailed).status).toBe(0);
    expect((failure as RequestFailed).message).toContain('ECONNREFUSED');
  });

  test('waits as long as the service asks', async () => {
    const { url } = await serve(
      answer(429, { code: 'RATE_LIMIT_EXCEEDED', message: 'slow down' }, { 'retry-after': '0.1' }),
      answer(200, accepted('a')),
    );
    const waits: number[] = [];
    const client = createSequencerClient({ url, backoff, onRetry: ({ waitMs }) => waits.push(waitMs) });
    await client.push('agent', [event('a')]);
    expect(waits).toEqual([125]);
  });
});

test('an event that is not stored is no error when one asks whether it is', async () => {
  const { url } = await serve(answer(404, { code: 'EVENT_NOT_FOUND', message: 'none' }));
  expect(await createSequencerClient({ url }).findEvent('t', 'e')).toBeUndefined();
});

describe('backoff', () => {
  const options = { firstMs: 100, maxMs: 1000, random: () => 0.999 };
  test('grows to its bound, at random below it', () => {
    expect([1, 2, 3, 4, 5, 50].map((attempt) => Math.round(backoffMs(attempt, undefined, options)))).toEqual([
      100, 200, 400, 799, 999, 999,
    ]);
    expect(backoffMs(5, undefined, { ...options, random: () => 0 })).toBe(0);
  });
  test('never waits less than the service asked for', () => {
    expect(backoffMs(1, 3, { ...options, random: () => 0 })).toBe(3000);
    expect(backoffMs(1, 3, options)).toBeLessThan(4500);
  });
});
