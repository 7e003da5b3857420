/** A new signing key: old receipts and checkpoints stay valid, repeated events get the very receipts they got first. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { formatVerifierKey, NOTE_ED25519, parseVerifierKey, verifyNote } from '../../engine/log/index.js';
import { call, checkReceipt, type Json, push, registerAgent, sequencerKeys } from '../support/agents.js';
import { startTestService } from '../support/service.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);
const cli = async (dataDir: string, ...args: string[]): Promise<Json> =>
  JSON.parse((await run(process.execPath, [MAIN, ...args], { env: { DATA_DIR: dataDir } })).stdout);

test('rotation keeps every old receipt and checkpoint valid', async () => {
  let service = await startTestService();
  const { dataDir } = service;
  const agent = await registerAgent(service);
  const events = [agent.event(), agent.event(), agent.event()];
  const { body: first } = await push(service, agent, events);
  const before = await sequencerKeys(service);
  expect([...before.keys()]).toEqual([0]);

  await service.stop();
  const rotated = await cli(dataDir, 'sequencer-key', 'rotate');
  expect(rotated.retired_public_key).toBe(Buffer.from(before.get(0)!).toString('hex'));
  const listed = await cli(dataDir, 'sequencer-key', 'list');
  expect(listed.keys).toEqual([
    { public_key: rotated.retired_public_key, signs: false },
    { public_key: rotated.public_key, signs: true },
  ]);
  for (const file of ['sequencer.key', 'sequencer-retired.keys'])
    expect(statSync(join(dataDir, file)).mode & 0o777).toBe(0o600);
  service = await service.restart();

  const { body: known } = await call(service, 'GET', '/.well-known/ves-sequencer');
  expect(known.current_key_version).toBe(1);
  expect(known.public_keys).toMatchObject([
    { key_version: 0, public_key: rotated.retired_public_key, valid_to: expect.stringMatching(/Z$/) },
    { key_version: 1, public_key: rotated.public_key },
  ]);
  expect(known.public_keys[1].valid_to).toBeUndefined();
  const keys = await sequencerKeys(service);

  // What was given before verifies with what is published now.
  first.receipts!.forEach((receipt, i) => {
    expect(receipt.sequencerKeyVersion).toBe(0);
    expect(checkReceipt(receipt, events[i]!, keys)).toBe('ok');
  });
  const [group] = (first as Json).groupReceipts;
  const origin = group.checkpoint.split('\n')[0];
  const vkey = (version: number) =>
    parseVerifierKey(formatVerifierKey(origin, NOTE_ED25519, keys.get(version)!))!;
  expect(verifyNote(group.checkpoint, [vkey(0), vkey(1)])).toMatchObject({
    verifiedBy: [{ publicKey: keys.get(0) }],
  });

  // The same events again: byte for byte the first receipts, from the workers and from the look-up.
  const { body: replayed } = await push(service, agent, events);
  expect(replayed.receipts).toEqual(first.receipts);
  const path = `/api/v1/ves/events/${events[1]!.envelope.event_id}?tenant_id=${agent.tenantId}`;
  expect((await call(service, 'GET', path)).body.receipt).toEqual(first.receipts![1]);

  // New events are signed with the new key.
  const fresh = agent.event();
  const { body: later } = await push(service, agent, [fresh]);
  expect(later.receipts![0]!.sequencerKeyVersion).toBe(1);
  expect(checkReceipt(later.receipts![0]!, fresh, keys)).toBe('ok');

  // A retired key that was destroyed: the present key vouches.
  await service.stop();
  rmSync(join(dataDir, 'sequencer-retired.keys'));
  service = await service.restart();
  const { body: vouched } = await push(service, agent, events);
  vouched.receipts!.forEach((receipt, i) => {
    expect(receipt.sequencerKeyVersion).toBe(1);
    expect(receipt.receiptHash).toBe(first.receipts![i]!.receiptHash);
    expect(checkReceipt(receipt, events[i]!, keys)).toBe('ok');
  });
  expect(
    (await call(service, 'GET', '/.well-known/ves-sequencer')).body.public_keys[0].valid_to,
  ).toBeDefined();
});

test('a rotation that is cut short changes nothing', async () => {
  const service = await startTestService();
  const { dataDir } = service;
  await service.stop();
  const key = readFileSync(join(dataDir, 'sequencer.key'), 'utf8');
  // The crash came after the present key was written to the retired ones.
  const { appendFileSync } = await import('node:fs');
  appendFileSync(join(dataDir, 'sequencer-retired.keys'), key);
  const again = await service.restart();
  const { body } = await call(again, 'GET', '/.well-known/ves-sequencer');
  expect(body.public_keys).toHaveLength(1);
  expect(body.public_keys[0].valid_to).toBeUndefined();
});

test('a key from the configuration is not rotated by the command', async () => {
  const service = await startTestService();
  await service.stop();
  const env = { DATA_DIR: service.dataDir, VES_SEQUENCER_SIGNING_KEY: '11'.repeat(32) };
  const failed = await run(process.execPath, [MAIN, 'sequencer-key', 'rotate'], { env }).catch(
    (error) => error,
  );
  expect(failed.stderr).toContain('VES_SEQUENCER_RETIRED_KEYS');
  expect(existsSync(join(service.dataDir, 'sequencer-retired.keys'))).toBe(false);
});
