import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFrameWriter, decodeClientFrame, FRAME } from '../../engine/wire/index.js';
import { type Manifest, writePreparedFiles } from '../../loadtest/prepared-files.js';
import { call } from '../support/agents.js';
import { type Loaded, startLoaded } from './support.js';

const K6 = fileURLToPath(new URL('../../loadtest/k6', import.meta.url));
// biome-ignore lint/suspicious/noExplicitAny: k6's scripts are plain JavaScript
const library = (name: string): Promise<any> => import(join(K6, 'lib', name));

const directory = mkdtempSync(join(tmpdir(), 'prepared-'));
const read = (path: string) => readFileSync(path, 'utf8');
let manifest: Manifest;

beforeAll(() => {
  manifest = writePreparedFiles({
    ...{ directory, seed: 'files', streams: 2, agents: 3, requests: 9, batch: 4 },
    ...{ payloadBytes: 300, entities: 10 },
  });
});

describe('prepared files', () => {
  let loaded: Loaded;
  beforeAll(async () => {
    loaded = await startLoaded();
  });
  afterAll(() => loaded?.sql.end({ timeout: 1 }));

  test('are accepted by the service, every event of them', async () => {
    const { service } = loaded;
    const { keyBodies, registerKeys } = await library('auth.js');
    const { linesOf, loadManifest } = await library('prepared.js');
    expect(loadManifest(read, directory)).toEqual(manifest);
    for (const body of keyBodies(manifest))
      expect((await call(service, 'POST', '/api/v1/agents/keys', { body })).status).toBe(200);
    const lines: string[] = linesOf(read(join(directory, 'ingest.ndjson')));
    expect(lines).toHaveLength(9);
    for (const body of lines) {
      const { status, body: answer } = await call(service, 'POST', '/api/v1/ves/events/ingest', { body });
      expect([status, answer.eventsAccepted, answer.eventsRejected]).toEqual([200, 4, 0]);
    }
    // The library registers keys with whatever posts, and says when it cannot.
    const sent: string[] = [];
    const http = { post: (_: string, body: string) => ({ status: sent.push(body) === 3 ? 403 : 200 }) };
    expect(() => registerKeys(http, { url: '', adminKey: 'k' }, manifest)).toThrow('403');
    expect(sent).toEqual(keyBodies(manifest));
    expect(() => registerKeys(http, { url: '', adminKey: '' }, manifest)).toThrow('ADMIN_API_KEY');
  });
});

describe('the k6 scripts', () => {
  test('are valid modules', () => {
    const scripts = readdirSync(K6).filter((name) => name.endsWith('.js'));
    expect(scripts.sort()).toEqual([
      'commitments.js',
      'ingest.js',
      'queries.js',
      'streams.js',
      'ves_endpoints.js',
    ]);
    for (const script of scripts) execFileSync(process.execPath, ['--check', join(K6, script)]);
  });

  test('import what the libraries export', async () => {
    for (const script of readdirSync(K6).filter((name) => name.endsWith('.js')))
      for (const [, names, file] of read(join(K6, script)).matchAll(
        /import \{([^}]+)\} from '\.\/lib\/(.+)'/g,
      ))
        for (const name of names!.split(',').map((each) => each.trim()))
          expect(await library(file!), `${script}: ${file}`).toHaveProperty(name);
  });

  test('have thresholds and stages for every profile', async () => {
    const { PROFILES, readConfig, optionsFor } = await library('config.js');
    expect(PROFILES).toEqual(['smoke', 'sustained', 'stress']);
    for (const profile of PROFILES) {
      const options = optionsFor(profile, 0.5, { extra: ['count>1'] });
      expect(options.scenarios[profile].stages.length).toBeGreaterThan(0);
      expect(options.thresholds.http_req_failed[0]).toMatch(/^rate<0\.\d+$/);
      expect(options.thresholds.extra).toEqual(['count>1']);
    }
    expect(readConfig({ BASE_URL: 'http://a/', ADMIN_API_KEY: 'k' })).toMatchObject({
      profile: 'smoke',
      url: 'http://a',
      apiKey: 'k',
    });
    expect(() => readConfig({ PROFILE: 'huge' })).toThrow('sustained');
  });

  test('send each prepared request once', async () => {
    const { loadRequests, requestFor, streamQuery } = await library('prepared.js');
    const requests = loadRequests(read, SharedArrayStandIn, directory);
    expect(requestFor(requests, 8)).toBe(requests[8]);
    expect(requestFor(requests, 9)).toBeUndefined();
    expect(streamQuery(manifest, 3)).toBe(`tenant_id=${manifest.tenantId}&store_id=${manifest.storeIds[1]}`);
  });

  test('speak the frames of the binary WebSocket', async () => {
    const { FRAME: names, bytesOf, readFrame } = await library('frames.js');
    for (const [name, type] of Object.entries(names)) expect(type).toBe(FRAME[name as keyof typeof FRAME]);
    const { webSocket, storeIds } = manifest;
    const decode = (hex: string) => decodeClientFrame(new Uint8Array(bytesOf(hex)));
    expect(decode(webSocket.hello)).toMatchObject({ type: FRAME.hello, versionMin: 1 });
    expect(webSocket.subscribe.map(decode)).toMatchObject(
      storeIds.map((storeId) => ({ type: FRAME.subscribe, storeId, after: 0, credits: webSocket.credits })),
    );
    expect(decode(webSocket.grantHalf)).toMatchObject({ type: FRAME.ack, credits: webSocket.credits / 2 });
    for (const numbers of [
      [1, 2, 3],
      [200, 300, 70_000],
      [2 ** 33, 2 ** 33 + 5, 2 ** 40],
    ]) {
      const [first, last, head] = numbers as [number, number, number];
      const frame = createFrameWriter().array(6).uint(FRAME.events).uint(1).uint(first).uint(last).uint(head);
      expect(readFrame(frame.array(0).done().buffer)).toEqual({
        type: FRAME.events,
        id: 1,
        first,
        last,
        head,
      });
    }
    expect(readFrame(createFrameWriter().array(2).uint(FRAME.caughtUp).uint(1).done().buffer)).toEqual({
      type: FRAME.caughtUp,
      id: 1,
    });
  });
});

/** What k6's SharedArray is to a script. */
// biome-ignore lint/complexity/useArrowFunction: it is called with `new`
const SharedArrayStandIn = function (_: string, make: () => string[]) {
  return make();
};
