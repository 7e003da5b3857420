import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from './run.js';
import { bytesOf } from './support.js';
import {
  agent,
  BASE,
  checkpointOf,
  consistencyOf,
  coseConsistencyOf,
  coseInclusionOf,
  directory,
  events,
  hexOf,
  ingestReply,
  notary,
  notaryProofOf,
  replyOf,
  sequencer,
  stranger,
  stream,
  tlogProofOf,
  vesProofOf,
  vkeyOf,
  wellKnown,
  witnesses,
} from './world.js';

const folder = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file and returns its path. */
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, bytesOf(content));
  return path;
}

const files = {
  reply: file('reply.json', replyOf(2)),
  ingest: file('ingest.json', ingestReply()),
  proof: file('2.tlog-proof', tlogProofOf(2)),
  notaryProof: file('notary.tlog-proof', notaryProofOf(5)),
  cose: file('2.cose', coseInclusionOf(2)),
  coseConsistency: file('2-5.cose', coseConsistencyOf(2, 5)),
  checkpoint: file('5.checkpoint', checkpointOf(5)),
  older: file('2.checkpoint', checkpointOf(2)),
  consistency: file('2-5.json', {
    from: 2,
    to: 5,
    hashes: consistencyOf(2, 5).map((hash) => Buffer.from(hash).toString('hex')),
  }),
  witnessed: file('notary.checkpoint', checkpointOf(5, { log: notary, cosignedBy: witnesses.slice(1) })),
  vesProof: file('3.json', vesProofOf(3)),
  event: file('event.json', events[1]!.envelope),
  keys: file('keys.json', wellKnown),
  directory: file('directory.json', directory()),
};

const KEY = ['--public-key', hexOf(sequencer)];

describe('verify', () => {
  test('prints a line per step, what it does not prove, and the verdict', async () => {
    const { code, out } = await run(
      files.reply,
      '--keys',
      files.keys,
      '--agent-key',
      hexOf(agent),
      '--origin',
      BASE,
    );
    expect(code).toBe(0);
    expect(out.replaceAll(folder, '')).toMatchInlineSnapshot(`
      "/reply.json: event with receipt
        ✓ the payload has the hash that was signed
        ✓ the agent's key has signed the event
        ✓ the receipt names this event
        ✓ the receipt hash follows from the event and its number (it binds event, stream and number 2)
        ✓ the sequencer's key has signed the receipt (version 0 of the sequencer's key)
        ✓ the reply gives the event the number of its receipt (number 2)
        ✓ the checkpoint is of the expected origin (log.example/ves/64527dd3-a654-4410-9327-e58a1492ce77/91def158-819a-4461-b5c9-7759750ad157)
        ✓ the log has signed the checkpoint (size 5, root 8f599cf41f21ba6c60de34a7a22cf4b6d7713b2ea2442f21b664a617f150a207, by version 0 of the sequencer's key)
        ✓ size and root beside the checkpoint are its own
        ✓ the log is that of the event's stream
        ✓ the leaf index is the sequence number less one
        ✓ the leaf is the event's log entry
        ✓ the entry stands in the checkpoint's tree (leaf 1 of 5)
        What this does not prove:
        - that the agent's key was valid when it signed: only the bare key was given
        - that what the event says is true: only that it was said
        - that this is the event you mean: compare its id, or give your own copy (--event)
        - when it was sequenced and by which instance: the signature does not cover sequencedAt and sequencerId
        - that nobody was shown another event under this number: compare checkpoints, best those that witnesses cosigned
        - that everybody is shown the same log: no witness was asked for (--witness), so the sequencer alone vouches for it

      Verdict: valid
      "
    `);
  });

  test.each<[string, string[]]>([
    [
      'an ingest reply with its events',
      [files.ingest, ...[3, 4, 5].flatMap((n) => ['--event', file(`e${n}.json`, events[n - 1]!.envelope)])],
    ],
    ['a proof file with its event', [files.proof, '--event', files.event]],
    ['a COSE receipt with its event', [files.cose, '--event', files.event]],
    [
      'a COSE receipt between two roots',
      [
        files.coseConsistency,
        ...[2, 5].flatMap((n) => ['--root', Buffer.from(stream.roots(0, n)).toString('hex')]),
      ],
    ],
    ['a COSE receipt between two checkpoints', [files.coseConsistency, files.older, files.checkpoint]],
    ['a consistency proof between two checkpoints', [files.consistency, files.checkpoint, files.older]],
    [
      'a checkpoint that witnesses cosigned',
      [files.witnessed, ...witnesses.flatMap((each) => ['--witness', vkeyOf(each)]), '--quorum', '2'],
    ],
    ['a proof in a commitment', [files.vesProof]],
    ['a directory of keys', [files.directory]],
    ['an event without receipt, with its agent', [files.event, '--agent-key', hexOf(agent)]],
    ['an event under a directory of keys', [files.reply, '--agent-keys', files.directory]],
    [
      'an event, its proof, and the notary’s proof of its checkpoint',
      [files.reply, files.proof, files.notaryProof, '--event', files.event],
    ],
  ])('finds valid: %s', async (_, argv) => {
    const { code, out, error } = await run(...argv, ...KEY);
    expect([code, error]).toEqual([0, '']);
    expect(out).not.toContain('✗');
  });

  test('exits 1 when something does not hold, whatever else does', async () => {
    const forged = file('forged.json', {
      ...replyOf(2),
      receipt: { ...replyOf(2).receipt, sequenceNumber: 3 },
    });
    const { code, out } = await run(files.proof, forged, ...KEY);
    expect(code).toBe(1);
    expect(out).toContain('✗ the receipt hash follows from the event and its number');
    expect(out).toContain('Everything together: NOT VALID');
  });

  test('exits 2 without a key, saying so', async () => {
    const { code, out } = await run(files.checkpoint);
    expect(code).toBe(2);
    expect(out).toContain('? no key of the sequencer was given');
    expect(out).toContain('Verdict: could not be judged');
  });

  test('exits 2 when a file is unreadable, too large or no evidence, and still judges the others', async () => {
    const large = file('large', Buffer.alloc(16_000_001, 0x20));
    const { code, out } = await run(
      join(folder, 'absent'),
      large,
      files.keys,
      folder,
      files.checkpoint,
      ...KEY,
    );
    expect(code).toBe(2);
    for (const text of [
      'ENOENT',
      'larger than 16 MB',
      '--keys',
      'EISDIR',
      '✓ the log has signed the checkpoint',
    ])
      expect(out).toContain(text);
  });

  test('exits 1 with a key of somebody else', async () => {
    expect((await run(files.reply, '--public-key', hexOf(stranger))).code).toBe(1);
  });

  test('prints a report for programs', async () => {
    const { code, out } = await run(files.proof, files.reply, '--json', ...KEY);
    expect(code).toBe(0);
    const outcome = JSON.parse(out);
    expect(outcome).toMatchObject({
      verdict: 'valid',
      notes: [],
      reports: [
        { source: files.proof, kind: 'proof file of an entry', verdict: 'valid', missing: [] },
        { source: files.reply, kind: 'event with receipt', verdict: 'valid' },
      ],
    });
    expect(outcome.reports[0].steps[0]).toMatchObject({
      what: 'the log has signed the checkpoint',
      ok: true,
    });
    expect(outcome.reports[1].doesNotProve.length).toBeGreaterThan(2);
  });

  test('does not use a directory that the sequencer did not sign', async () => {
    const forged = file('forged-directory.json', directory({ publicKey: `0x${hexOf(stranger)}` }, 9));
    const { code, out } = await run(files.reply, '--agent-keys', forged, ...KEY);
    expect(code).toBe(1);
    expect(out).toContain('✗ the sequencer has signed it');
    expect(out).toContain('that the agent signed the event: no key of the agent was given');
  });

  test('keeps the evidence from steering the terminal', async () => {
    const event = {
      ...replyOf(2),
      receipt: { ...replyOf(2).receipt, sequencerKeyVersion: '\u001b[2J\u202e7' },
    };
    const { out } = await run(file('hostile.json', event), '--keys', files.keys);
    expect(out).toContain('version \\u{1b}[2J\\u{202e}7');
    expect(out).not.toMatch(/[\u202e]|\p{Cc}(?<!\n)/u);
  });

  test.each<[string[], string]>([
    [['--public-key', 'zz'], '--public-key takes'],
    [['--public-key', '00'.repeat(32)], '--public-key takes'],
    [['--agent-key', 'zz'], '--agent-key takes'],
    [['--root', 'zz'], '--root takes'],
    [['--witness', 'zz'], '--witness takes'],
    [['--witness', 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'], '--witness takes'],
    [[0, 0].flatMap((i) => ['--witness', vkeyOf(witnesses[i]!)]), 'names a key twice'],
    [['--quorum', '1'], '--quorum takes'],
    [['--witness', vkeyOf(witnesses[0]!), '--quorum', '2'], '--quorum takes'],
    [['--witness', vkeyOf(witnesses[0]!), '--quorum', '0'], '--quorum takes'],
    [['--origin', 'log.example/'], '--origin takes'],
    [['--keys', 'absent.json'], '--keys absent.json: It cannot be read'],
    [['--keys', files.event], 'no list "public_keys"'],
    [['--agent-keys', files.proof], 'It is not JSON'],
    [['--event', files.proof], '--event'],
    [['--no-such-option'], 'unknown option'],
  ])('exits 2 and says what is wrong with %j', async (argv, reason) => {
    const { code, out, error } = await run(files.checkpoint, ...argv);
    expect([code, out]).toEqual([2, '']);
    expect(error).toContain(reason);
  });

  test('explains itself', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toContain('Exit code: 0 everything holds');
    expect((await run()).code).toBe(2); // no evidence
  });
});

describe('verify with URLs', () => {
  let server: Server;
  let base: string;
  const asked: string[] = [];
  beforeAll(async () => {
    const replies: Record<string, unknown> = {
      '/event': replyOf(2),
      '/keys': wellKnown,
      '/directory': directory(),
      '/large': Buffer.alloc(16_000_001, 0x20),
    };
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization ?? 'without key'}`);
      if (request.url === '/moved') return response.writeHead(302, { location: '/event' }).end();
      if (request.url === '/denied') return response.writeHead(401).end();
      const reply = replies[request.url!];
      if (reply === undefined) return response.writeHead(404).end();
      response.end(bytesOf(reply));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test('fetches what is a URL, and says that keys from the same host prove little', async () => {
    const { code, out } = await run(`${base}/event`, '--keys', `${base}/keys`);
    expect(code).toBe(0);
    expect(out).toContain('like the evidence: trust in them was not established independently');
    expect(out).toContain('unencrypted connection');
  });

  test('believes keys from another place as far as that is believed', async () => {
    const { out } = await run(files.reply, '--keys', `${base}/keys`);
    expect(out).toContain('they are believed as far as that host is');
  });

  test('shows the API key to the servers of evidence and of agents’ keys only', async () => {
    asked.length = 0;
    const { code } = await run(
      `${base}/event`,
      ...['--agent-keys', `${base}/directory`, '--keys', `${base}/keys`, '--api-key', 'ss_secret'],
    );
    expect(code).toBe(0);
    expect(asked.sort()).toEqual([
      '/directory ApiKey ss_secret',
      '/event ApiKey ss_secret',
      '/keys without key',
    ]);
  });

  test('keeps the API key from a second server and from open networks', async () => {
    asked.length = 0;
    const two = await run(`${base}/event`, base.replace('127.0.0.1', 'localhost'), '--api-key', 'ss_secret');
    expect([two.code, two.error]).toEqual([2, expect.stringContaining('more than one server')]);
    const open = await run('http://log.example/event', '--api-key', 'ss_secret');
    expect([open.code, open.error]).toEqual([2, expect.stringContaining('log.example unencrypted')]);
    expect(asked).toEqual([]);
  });

  test('does not follow redirects, take errors for evidence, or read without end', async () => {
    const { code, out } = await run(
      `${base}/moved`,
      `${base}/absent`,
      `${base}/large`,
      `${base}/denied`,
      'http://127.0.0.1:1/',
    );
    expect(code).toBe(2);
    for (const text of [
      'unexpected redirect',
      'answered 404\n',
      'answered 401: give credentials that may read it (--api-key)',
      'larger than 16 MB',
      '127.0.0.1:1 did not answer',
    ])
      expect(out).toContain(text);
  });

  test('asks nobody when nothing is a URL', async () => {
    asked.length = 0;
    await run(files.reply, files.proof, '--event', files.event, '--agent-keys', files.directory, ...KEY);
    expect(asked).toEqual([]);
  });
});
