import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CheckOptions, checkRun, type ReadStream } from '../../loadtest/correctness.js';
import type { Population } from '../../loadtest/event-source.js';
import { databaseReader, httpReader } from '../../loadtest/read-stream.js';
import { type Loaded, registerPopulation, type ShortRun, shortRun, startLoaded } from './support.js';

let loaded: Loaded;
let population: Population;
let run: ShortRun;

beforeAll(async () => {
  loaded = await startLoaded();
  population = await registerPopulation(loaded, 'http');
  run = await shortRun(loaded, population, 'http');
});
afterAll(() => loaded?.sql.end({ timeout: 1 }));

const optionsOf = (readStream: ReadStream): CheckOptions => ({
  ...{ tenantId: population.tenantId, storeIds: population.storeIds, client: loaded.client, readStream },
  acknowledgements: [run.result.acknowledgements!],
  ...{ uncertainEvents: 0, samples: run.samples },
});

describe('a run over HTTP', () => {
  test('gets all events acknowledged, with their numbers', () => {
    expect(run.result).toMatchObject({ acknowledgedEvents: 200, failures: 0, errors: {}, ranOut: true });
    // Measuring ends when the requests run out: the last answers are not in it.
    expect(run.result.latency.count).toBeGreaterThan(30);
    const { firsts, counts } = run.result.acknowledgements!;
    expect(Math.min(...firsts)).toBe(1);
    expect([...counts].every((count) => count === 5)).toBe(true);
  });

  test('in open loop sends what is due, and no more', async () => {
    const others = await registerPopulation(loaded, 'open');
    const plan = { ratePerSec: 40, measureMs: 500, requests: 100 };
    const { result } = await shortRun(loaded, others, 'http', plan);
    expect(result.failures).toBe(0);
    expect(result.acknowledgedRequests).toBeGreaterThanOrEqual(19);
    expect(result.acknowledgedRequests).toBeLessThanOrEqual(21);
  });

  test('counts refusals by code', async () => {
    const strangers = { ...population, agents: population.agents.map((agent) => ({ ...agent })) };
    const wrongKey = { ...loaded, service: { ...loaded.service, adminKey: 'ss_wrong' } };
    const { result } = await shortRun(wrongKey, strangers, 'http', { requests: 6 });
    expect(result).toMatchObject({ acknowledgedEvents: 0, failures: 6 });
    expect(Object.keys(result.errors)).toEqual([expect.stringMatching(/^401 [A-Z_]+$/)]);
  });
});

describe('the check after a run', () => {
  test('finds nothing wrong with what the service did, from the database and over HTTP', async () => {
    for (const reader of [
      databaseReader(loaded.sql, population.tenantId),
      httpReader(loaded.client, population.tenantId),
    ]) {
      const report = await checkRun(optionsOf(reader));
      expect(report).toMatchObject({ ok: true, faults: [], events_stored: 200, events_acknowledged: 200 });
      expect(report.receipts_verified).toBeGreaterThan(10);
    }
  });

  test('finds an event in place of another, one that is there twice, and a gap', async () => {
    const honest = databaseReader(loaded.sql, population.tenantId);
    const tampered = (change: (page: { sequence: number; id: Uint8Array }[]) => void): ReadStream =>
      async function* (storeId) {
        for await (const page of honest(storeId)) {
          const copy = [...page];
          if (storeId === population.storeIds[0]) change(copy);
          yield copy;
        }
      };
    const faultsOf = async (change: Parameters<typeof tampered>[0]) =>
      (await checkRun(optionsOf(tampered(change)))).faults.join('\n');
    const swapped = await faultsOf((page) => {
      [page[2]!.id, page[3]!.id] = [page[3]!.id, page[2]!.id];
    });
    expect(swapped).toMatch(/L3: event \S+ was acknowledged as 3 and is stored as 4/);
    const doubled = await faultsOf((page) => {
      page.push({ sequence: page.length + 1, id: page[0]!.id });
    });
    expect(doubled).toMatch(/L2: event \S+ is in stream \S+ twice/);
    const gap = await faultsOf((page) => {
      for (const event of page.slice(5)) event.sequence++;
    });
    expect(gap).toMatch(/L1: in stream \S+ 7 follows on 5/);
  });

  test('finds a receipt that is about something else', async () => {
    const samples = run.samples.map((sample) => ({
      ...sample,
      hashes: sample.hashes.slice().fill(1, 0, 32),
    }));
    const options = { ...optionsOf(databaseReader(loaded.sql, population.tenantId)), samples };
    expect((await checkRun(options)).faults.join('\n')).toMatch(/L4: the receipt of event/);
  });

  // Last: it damages the database.
  test('finds an acknowledged event that the database lost', async () => {
    const [tenant, store] = [population.tenantId, population.storeIds[1]!];
    await loaded.sql.begin(async (sql) => {
      await sql`set local session_replication_role = replica`; // past the trigger that forbids it
      await sql`delete from ves_events where tenant_id = ${tenant} and store_id = ${store} and sequence_number = 4`;
    });
    const report = await checkRun({ ...optionsOf(databaseReader(loaded.sql, tenant)), samples: [] });
    expect(report.ok).toBe(false);
    expect(report.faults.join('\n')).toMatch(/L1: in stream \S+ 5 follows on 3/);
    expect(report.faults.join('\n')).toMatch(/L3: event \S+, acknowledged as 4, is not stored/);
    expect(report.faults.join('\n')).toMatch(/200 events were acknowledged.*199 are stored/);
  });
});
