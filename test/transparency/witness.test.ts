import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatVerifierKey, parseVerifierKey } from '../../engine/log/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { parseWitnessPolicy } from '../../engine/transparency/witness-policy.js';
import type { WitnessingOptions } from '../../engine/transparency/witnessing.js';
import { pause, until } from '../store/support.js';
import { type FilledStream, fillStream, growStream, tamper } from './log-support.js';
import {
  NOTARY,
  NOTARY_ORIGIN,
  notaryKey,
  opened,
  openNotaryDatabase,
  signerOf,
  startNotary,
} from './notary-support.js';
import { type Lie, startWitness, type TestWitness } from './witness-server.js';

let database: Awaited<ReturnType<typeof openNotaryDatabase>>;
let sql: Sql;
let stream: FilledStream;
let closers: (() => Promise<unknown>)[];
beforeEach(async () => {
  database = await openNotaryDatabase();
  sql = database.connect();
  stream = await fillStream(sql, 3);
  closers = [];
});
afterEach(async () => {
  await Promise.all(closers.map((close) => close()));
  await database.close();
});

const LOG = { origin: NOTARY_ORIGIN, publicKey: signerOf().publicKey };

async function witnesses(count: number): Promise<TestWitness[]> {
  const started = await Promise.all(
    Array.from({ length: count }, (_, i) => startWitness(`witness.example/w${i + 1}`, [LOG])),
  );
  closers.push(...started.map(({ close }) => close));
  return started;
}

/** A process with the witnesses in its configuration; `tick` is what its background loop does again and again. */
function start(asked: readonly TestWitness[], quorum: number, witnessing: WitnessingOptions = {}) {
  const notary = startNotary(sql, { policy: parseWitnessPolicy(asked, quorum), witnessing });
  closers.unshift(() => notary.witnessing.stop());
  return {
    ...notary,
    async tick() {
      await notary.turn();
      await notary.askWitnesses();
    },
    witnessed: () => notary.notary.published.witnessed(),
  };
}

const grow = (events = 1) => growStream(sql, stream, events);
const keys = (...all: TestWitness[]) => [notaryKey(), ...all.map(({ vkey }) => parseVerifierKey(vkey)!)];
const oldSizes = ({ requests }: TestWitness) => requests.map((body) => Number(/^old (\d+)\n/.exec(body)![1]));
const cosignatures = () => sql`select tree_size from notary_cosignatures order by tree_size`;

describe('a witness', () => {
  test('cosigns each checkpoint with a proof from the one before', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick, witnessed, witnessing, lines } = start([witness], 1);
    for (let round = 1; round <= 6; round++) {
      await tick();
      const checkpoint = (await witnessed())!;
      expect(checkpoint).toMatchObject({ size: round, cosignedBy: [witness.vkey] });
      const { verifiedBy, cosignatures: signed } = opened(checkpoint.note, keys(witness));
      expect(verifiedBy.map(({ name }) => name)).toEqual([NOTARY_ORIGIN, witness.name]);
      expect(Math.abs(signed[0]!.timestamp - Date.now() / 1000)).toBeLessThan(60);
      await grow();
    }
    expect(oldSizes(witness)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(witnessing.status()).toEqual([
      { vkey: witness.vkey, cosignedSize: 6, failures: 0, problem: undefined, alarm: false },
    ]);
    expect(lines).toEqual([]);
  });

  test('is not asked again for what it has cosigned', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick } = start([witness], 1);
    for (let round = 0; round < 3; round++) await tick();
    expect(witness.requests).toHaveLength(1);
  });

  test('is sent the log signature only, however many cosignatures there are', async () => {
    const [first, second] = (await witnesses(2)) as [TestWitness, TestWitness];
    await start([first], 1).tick();
    await start([first, second], 2).tick();
    expect(second.requests[0]!.match(/^— .*$/gm)).toHaveLength(1);
  });

  test('that remembers more than we do corrects us, and is continued from there', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick, witnessed, lines } = start([witness], 1);
    await tick();
    await sql`delete from witness_states`;
    await grow();
    await tick();
    expect(oldSizes(witness)).toEqual([0, 0, 1]);
    expect((await witnessed())!.size).toBe(2);
    expect(lines).toEqual([]);
  });

  test('that has forgotten what it cosigned is started again', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick, witnessed } = start([witness], 1);
    await tick();
    witness.latest.clear();
    await grow();
    await tick();
    expect(oldSizes(witness)).toEqual([0, 1, 0]);
    expect((await witnessed())!.size).toBe(2);
  });

  test('whose cosignature got lost on the way gives it again', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick, witnessed } = start([witness], 1);
    await tick();
    await tamper(sql, (tx) => tx`delete from notary_cosignatures`);
    expect(await start([witness], 1).witnessed()).toBeUndefined();
    await start([witness], 1).tick();
    expect(oldSizes(witness)).toEqual([0, 1]);
    expect((await witnessed())!.size).toBe(1);
  });

  test('is remembered across restarts', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    await start([witness], 1).tick();
    await grow();
    const { tick, witnessed } = start([witness], 1);
    expect((await witnessed())!.size).toBe(1);
    await tick();
    expect(oldSizes(witness)).toEqual([0, 1]);
    expect((await witnessed())!.size).toBe(2);
  });

  test('is asked by two processes without harm', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const processes = [start([witness], 1), start([witness], 1)];
    for (let round = 0; round < 5; round++) {
      await grow();
      await Promise.all(processes.map(({ tick }) => tick()));
      await Promise.all(processes.map(({ tick }) => tick()));
    }
    await pause(10);
    await processes[0]!.tick();
    expect((await processes[1]!.witnessed())!.size).toBe(5);
    expect(processes.flatMap(({ lines }) => lines.filter(({ level }) => level === 'error'))).toEqual([]);
  });
});

describe('another history', () => {
  test('a witness that has seen more than our log holds raises the alarm: we were rolled back', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const { tick, witnessed, witnessing, lines } = start([witness], 1);
    await tick();
    witness.latest.set(NOTARY_ORIGIN, { size: 7, root: Buffer.alloc(32).toString('base64') });
    await grow();
    await tick();
    expect(lines).toEqual([
      {
        level: 'error',
        message: 'a witness has seen another history of the notary log',
        details: expect.objectContaining({
          witness: witness.name,
          problem: 'it has cosigned size 7, and our log has 2',
        }),
      },
    ]);
    expect(witnessing.status()[0]).toMatchObject({ alarm: true, cosignedSize: 1, failures: 1 });
    expect((await witnessed())!.size).toBe(1);
  });

  test('so does one that has another root at our size', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.latest.set(NOTARY_ORIGIN, { size: 1, root: Buffer.alloc(32).toString('base64') });
    const { tick, lines } = start([witness], 1);
    await tick();
    expect(oldSizes(witness)).toEqual([0, 1]);
    expect(lines).toMatchObject([
      { level: 'error', details: { problem: 'it has cosigned another root at size 1' } },
    ]);
  });

  test('and one to whose root no proof leads', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.latest.set(NOTARY_ORIGIN, { size: 1, root: Buffer.alloc(32).toString('base64') });
    const { turn, tick, lines } = start([witness], 1);
    await turn();
    await grow();
    await tick();
    expect(lines[0]).toMatchObject({
      level: 'error',
      details: { problem: 'the witness refuses the consistency proof (422)' },
    });
    expect(await cosignatures()).toEqual([]);
  });
});

describe('a witness that misbehaves is not believed', () => {
  const other = generateKeyPairSync('ed25519').privateKey;
  const bodyOf = (request: string) => {
    const note = request.slice(request.indexOf('\n\n') + 2);
    return note.slice(0, note.lastIndexOf('\n\n') + 1);
  };
  const answering =
    (make: (witness: TestWitness, body: string) => string) =>
    (witness: TestWitness): Lie =>
    ({ body }) => ({ status: 200, text: make(witness, bodyOf(body)) });
  const status =
    (code: number, text = '', type = 'text/plain', headers = {}) =>
    (): Lie =>
    () => ({ status: code, text, type, headers });
  const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow;

  test.each<[string, (witness: TestWitness) => Lie, RegExp]>([
    ['signs with another key', answering((w, body) => w.cosign(body, other)), /signature is wrong/],
    ['signs another text', answering((w, body) => w.cosign(`${body}x\n`)), /signature is wrong/],
    [
      'signs well and badly',
      answering((w, body) => w.cosign(body) + w.cosign(body, other)),
      /signature is wrong/,
    ],
    [
      'signs under another name',
      answering((w, body) => w.cosign(body).replace('w1', 'w9')),
      /no signature of the witness/,
    ],
    [
      'signs in the future',
      answering((w, body) => w.cosign(body, undefined, seconds(3600))),
      /in the future/,
    ],
    [
      'signs before the checkpoint was made',
      answering((w, body) => w.cosign(body, undefined, seconds(-3600))),
      /before the checkpoint/,
    ],
    ['says nothing', answering(() => ''), /not a sequence of signature lines/],
    ['chats', answering((w, body) => `hello\n${w.cosign(body)}`), /not a sequence of signature lines/],
    ['adds a text', answering((w, body) => `\n${w.cosign(body)}`), /not a sequence of signature lines/],
    [
      'leaves the newline out',
      answering((w, body) => w.cosign(body).trim()),
      /not a sequence of signature lines/,
    ],
    ['talks without end', answering(() => '— x AAAAAAAA\n'.repeat(10_000)), /longer than 65536 bytes/],
    ['refuses the log', status(404), /does not know this log/],
    ['refuses the key', status(403), /does not trust the key/],
    ['breaks', status(500), /status 500/],
    ['finds the request bad', status(400), /status 400/],
    ['creates', status(201), /status 201/],
    ['sends us elsewhere', status(307, '', 'text/plain', { location: 'http://127.0.0.1:1/' }), /redirects/],
    ['conflicts without a type', status(409, '7\n'), /without saying its size/],
    ['conflicts without a size', status(409, '007\n', 'text/x.tlog.size'), /without saying its size/],
    [
      'conflicts with an absurd size',
      status(409, '99999999999999999999\n', 'text/x.tlog.size'),
      /without saying its size/,
    ],
    ['contradicts itself', status(409, '0\n', 'text/x.tlog.size'), /names this very size/],
  ])('%s', async (_, lie, problem) => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.lie = lie(witness);
    const { tick, witnessed, witnessing, lines } = start([witness], 1);
    await tick();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'warn', message: 'a witness did not cosign' });
    expect(lines[0]!.details.problem).toMatch(problem);
    expect(witnessing.status()[0]).toMatchObject({ failures: 1, cosignedSize: 0 });
    expect(await cosignatures()).toEqual([]);
    expect(await witnessed()).toBeUndefined();
    // It is asked again, and believed when it answers as it should.
    witness.lie = undefined;
    witness.latest.clear();
    await pause(10);
    await tick();
    expect((await witnessed())!.size).toBe(1);
  });

  test('never answers: given up after the time allowed', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.lie = () => undefined;
    const { tick, lines } = start([witness], 1, { timeoutMs: 100 });
    await tick();
    expect(lines[0]!.details.problem).toBe('no answer within 100 ms');
  });

  test('answers a little and stops: given up as well', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.lie = ({ response }) => {
      response.writeHead(200);
      response.write('— ');
      return undefined;
    };
    const { tick, lines } = start([witness], 1, { timeoutMs: 200 });
    await tick();
    expect(lines[0]!.details.problem).toBe('no answer within 200 ms');
  });

  test('is not there', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    await witness.close();
    const { tick, lines } = start([witness], 1);
    await tick();
    expect(lines[0]!.details.problem).toBe('ECONNREFUSED');
  });

  test('speaks no HTTP', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    const server = createServer().on('connection', (socket) => socket.end('SSH-2.0-x\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { tick, lines } = start([{ ...witness, url }], 1);
    await tick();
    expect(lines[0]!.message).toBe('a witness did not cosign');
  });

  test('a cosignature that was changed in the database does not count', async () => {
    const all = await witnesses(2);
    await start(all, 2).tick();
    await tamper(
      sql,
      (tx) => tx`update notary_cosignatures
        set signature_line = overlay(signature_line placing '0000' from length(signature_line) - 20)
        where witness_name = ${all[0]!.name}`,
    );
    expect(await start(all, 2).witnessed()).toBeUndefined();
    expect((await start(all, 1).witnessed())!.cosignedBy).toEqual([all[1]!.vkey]);
  });
});

describe('a quorum', () => {
  test('of 2 is reached with one of 3 witnesses down', async () => {
    const all = (await witnesses(3)) as [TestWitness, TestWitness, TestWitness];
    await all[1].close();
    const { tick, witnessed, lines } = start(all, 2);
    for (let round = 1; round <= 4; round++) {
      await tick();
      const checkpoint = (await witnessed())!;
      expect(checkpoint.size).toBe(round);
      expect(checkpoint.cosignedBy).toEqual([all[0].vkey, all[2].vkey]);
      expect(opened(checkpoint.note, keys(...all)).verifiedBy).toHaveLength(3);
      await grow();
    }
    expect(lines.every(({ level }) => level === 'warn')).toBe(true);
  });

  test('that is missing leaves the last witnessed checkpoint standing', async () => {
    const all = await witnesses(3);
    const { tick, witnessed, notary } = start(all, 2);
    await tick();
    await Promise.all(all.slice(1).map(({ close }) => close()));
    for (let round = 0; round < 3; round++) {
      await grow();
      await tick();
    }
    expect((await witnessed())!.size).toBe(1);
    expect((await notary.published.latest())!.size).toBe(4);
    const proof = await notary.proveStream(stream.log);
    expect(proof).toMatchObject({ size: 3, notarySize: 1 });
    expect(proof.cosignedBy).toHaveLength(3);
    await expect(notary.proveStream(stream.log, 4)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
  });

  test('that is missing for ever so long does not hide the last witnessed checkpoint', async () => {
    const all = await witnesses(3);
    const { tick, witnessed } = start(all, 2);
    await tick();
    await sql`insert into notary_cosignatures (origin, tree_size, witness_name, key_id, signature_line, cosigned_at, row_check)
      select origin, i, witness_name, key_id, signature_line, cosigned_at, 0
      from notary_cosignatures, generate_series(2, 5000) i where witness_name = ${all[0]!.name}`;
    expect((await witnessed())!.size).toBe(1);
    expect((await start(all, 3).witnessed())!.size).toBe(1);
  });

  test('of 0 takes every checkpoint, and the cosignatures that come', async () => {
    const all = await witnesses(2);
    const { turn, askWitnesses, witnessed } = start(all, 0);
    await turn();
    expect(await witnessed()).toMatchObject({ size: 1, cosignedBy: [] });
    await askWitnesses();
    expect((await witnessed())!.cosignedBy).toHaveLength(2);
  });

  test('is not reached by a witness that nobody configured', async () => {
    const all = (await witnesses(2)) as [TestWitness, TestWitness];
    await start(all, 1).tick();
    expect((await start([all[0]], 1).witnessed())!.cosignedBy).toEqual([all[0].vkey]);
    const [third] = (await witnesses(1)) as [TestWitness];
    expect(await start([{ ...third, name: 'else' }], 1).witnessed()).toBeUndefined();
  });

  test('comes together under one checkpoint though the log moves on and the witnesses are slow', async () => {
    const all = (await witnesses(2)) as [TestWitness, TestWitness];
    const slow: Lie = ({ honest, response }) => {
      const { status, text, type = 'text/plain' } = honest();
      setTimeout(
        () => response.writeHead(status, { 'content-type': type }).end(text),
        40 + Math.random() * 60,
      );
      return undefined;
    };
    for (const witness of all) witness.lie = slow;
    const { turn, witnessing, witnessed } = start(all, 2);
    const sizes = new Set<number>();
    for (let round = 0; round < 40; round++) {
      await turn();
      await witnessing.advance();
      await grow();
      await pause(10);
      sizes.add((await witnessed())?.size ?? 0);
    }
    expect(sizes.size).toBeGreaterThan(3);
  });

  test('does not wait for a witness that hangs', async () => {
    const all = (await witnesses(3)) as [TestWitness, TestWitness, TestWitness];
    all[0].lie = () => undefined;
    const { turn, witnessing, witnessed } = start(all, 2);
    for (let round = 1; round <= 5; round++) {
      await turn();
      await witnessing.advance();
      await until('quorum', async () => (await witnessed())?.size === round);
      await grow();
    }
    expect(all[0].requests).toHaveLength(1);
    const stopping = performance.now();
    await witnessing.stop();
    expect(performance.now() - stopping).toBeLessThan(1000);
  });

  test('pauses grow while a witness is down, and end with its return', async () => {
    const [witness] = (await witnesses(1)) as [TestWitness];
    witness.lie = () => ({ status: 503, text: '' });
    let time = Date.now();
    const now = () => time;
    const { tick, askWitnesses, lines, witnessed } = start([witness], 1, {
      pauseFirstMs: 1000,
      pauseMaxMs: 8000,
      now,
    });
    await tick();
    const pauses: number[] = [];
    for (let failures = 1; failures < 7; failures++) {
      const { pauseMs } = lines.at(-1)!.details as { pauseMs: number };
      pauses.push(pauseMs);
      time += pauseMs - 10;
      await askWitnesses();
      expect(witness.requests).toHaveLength(failures);
      time += 20;
      await askWitnesses();
      expect(witness.requests).toHaveLength(failures + 1);
    }
    for (const [i, most] of [1000, 2000, 4000, 8000, 8000].entries()) {
      expect(pauses[i]).toBeLessThanOrEqual(most);
      expect(pauses[i]).toBeGreaterThanOrEqual(most / 2);
    }
    witness.lie = undefined;
    time += 8000;
    await askWitnesses();
    expect((await witnessed())!.size).toBe(1);
  });
});

describe('the configuration', () => {
  const { publicKey } = signerOf(5);
  const vkey = formatVerifierKey('witness.example', 4, publicKey);
  const url = 'https://witness.example/prefix/';
  const invalid = { code: 'CONFIGURATION_INVALID' };

  test('names keys, addresses and a quorum', () => {
    const { witnesses: read, quorum } = parseWitnessPolicy([{ vkey, url }], 1);
    expect(read[0]).toMatchObject({ vkey, address: 'https://witness.example/prefix/add-checkpoint' });
    expect(quorum).toBe(1);
    expect(parseWitnessPolicy([], 3)).toEqual({ witnesses: [], quorum: 0 });
  });

  test.each([
    ['a key of another type', [{ vkey: formatVerifierKey('w', 1, publicKey), url }], 1],
    ['a key that is none', [{ vkey: 'w', url }], 1],
    ['a key of small order', [{ vkey: formatVerifierKey('w', 4, new Uint8Array(32)), url }], 1],
    [
      'one key twice',
      [
        { vkey, url },
        { vkey: formatVerifierKey('other', 4, publicKey), url },
      ],
      1,
    ],
    ['a quorum that cannot be reached', [{ vkey, url }], 2],
    ['a quorum below none', [{ vkey, url }], -1],
    ['a file', [{ vkey, url: 'file:///etc/passwd' }], 1],
    ['credentials', [{ vkey, url: 'https://me:secret@witness.example/' }], 1],
    ['a query', [{ vkey, url: 'https://witness.example/?a=b' }], 1],
    ['no address', [{ vkey, url: 'witness' }], 1],
  ])('refuses %s', (_, settings, quorum) => {
    expect(() => parseWitnessPolicy(settings, quorum)).toThrow(expect.objectContaining(invalid));
  });
});

test('the head of the notary log is never behind what witnesses have cosigned', async () => {
  const [witness] = (await witnesses(1)) as [TestWitness];
  const { tick, logs } = start([witness], 1);
  for (let round = 0; round < 3; round++) {
    await tick();
    await grow();
  }
  expect(witness.latest.get(NOTARY_ORIGIN)!.size).toBe((await logs.head(NOTARY)).size);
});
