import { describe, expect, test } from 'vitest';
import {
  outcome as code,
  collectNeeds,
  createCommitter,
  type GroupReport,
  type GroupStore,
  type StoreFailure,
  type Submission,
} from '../../engine/sequencer/index.js';
import {
  codes,
  envelope,
  LIMITS,
  NOW_MICROS,
  planGroup,
  sequences,
  snapshot,
  submission,
} from './support.js';

const failure = (outcome: StoreFailure['outcome']) => Object.assign(new Error(outcome), { outcome });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A committer over a store whose every call waits for the test's word. */
const start = () => {
  const calls: { name: string; settle(result?: unknown): void; fail(error: Error): void }[] = [];
  const call = <T>(name: string) =>
    new Promise<T>((resolve, reject) => {
      calls.push({ name, settle: (result) => resolve(result as T), fail: reject });
    });
  const store: GroupStore = {
    open: () => call('open'),
    write: () => call('write'),
    release: () => call('release'),
    reset: () => call('reset'),
  };
  const replies: Submission[] = [];
  const reports: GroupReport['result'][] = [];
  const committer = createCommitter({
    store,
    clock: { nowMs: () => 1000, nowMicros: () => NOW_MICROS },
    rules: { collectNeeds, planGroup },
    limits: { ...LIMITS, queueEventsMax: 2 },
    sleep: (ms) => call(`sleep ${ms}`),
    reply: (each) => replies.push(each),
    observe: ({ result }) => reports.push(result),
  });
  /** The one call in progress; a second one would be an overlap. */
  const next = async (name: string) => {
    await turn();
    expect(calls.map((each) => each.name)).toEqual([name]);
    return calls.shift()!;
  };
  const opened = (of: Submission[], head = 0) => ({ fenced: false, snapshot: snapshot(of, { head }) });
  return { committer, next, replies, reports, opened };
};

const one = (name: number) => submission([envelope(name)]);

describe('a committer', () => {
  test('performs one call at a time and answers after the commit', async () => {
    const { committer, next, replies, reports, opened } = start();
    const [a, b] = [one(1), one(2)];
    committer.submit(a);
    committer.submit(b);
    expect(committer.queuedEvents).toBe(1);
    (await next('open')).settle(opened([a]));
    const write = await next('write');
    expect(replies).toEqual([]);
    write.settle();
    (await next('open')).settle(opened([b], 1));
    expect(replies).toEqual([a]);
    (await next('write')).settle();
    await turn();
    expect([replies, [a, b].flatMap(sequences)]).toEqual([
      [a, b],
      [1, 2],
    ]);
    expect(reports).toEqual(['committed', 'committed']);
  });

  test('refuses beyond the queue at once, also while a transaction hangs', async () => {
    const { committer, next, replies } = start();
    const requests = [one(1), one(2), one(3), one(4)];
    for (const request of requests) committer.submit(request);
    await next('open');
    expect(replies).toEqual([requests[3]]);
    expect(codes(requests[3]!)).toEqual([code.QUEUE_FULL]);
  });

  test('resets and pauses after a failure, then goes on', async () => {
    const { committer, next, reports, replies, opened } = start();
    const a = one(1);
    committer.submit(a);
    (await next('open')).fail(failure('unavailable'));
    (await next('reset')).settle();
    (await next('sleep 10')).settle();
    (await next('open')).settle({ fenced: true });
    (await next('open')).settle(opened([a]));
    (await next('write')).fail(failure('lost'));
    (await next('reset')).settle();
    (await next('sleep 20')).settle();
    (await next('open')).settle(opened([a]));
    (await next('write')).fail(failure('refused'));
    (await next('open')).settle(opened([a]));
    (await next('write')).settle();
    await turn();
    expect(replies).toEqual([a]);
    expect(reports).toEqual(['unavailable', 'fenced', 'lost', 'refused', 'committed']);
  });

  test('reads an error without a class as a lost commit', async () => {
    const { committer, next, reports, opened } = start();
    const a = one(1);
    committer.submit(a);
    (await next('open')).settle(opened([a]));
    (await next('write')).fail(new Error('something else'));
    (await next('reset')).settle();
    expect(reports).toEqual(['lost']);
  });

  test('gives a connection back after a plan without a write, and throws it away when that fails', async () => {
    const { committer, next, replies, opened } = start();
    const a = submission([{ envelope: envelope(1), verdict: code.VERDICT_BASE }]);
    committer.submit(a);
    (await next('open')).settle(opened([a]));
    (await next('release')).fail(new Error('broken'));
    (await next('reset')).settle();
    await turn();
    expect(replies).toEqual([a]);
  });

  test('closes when the last group is decided', async () => {
    const { committer, next, replies, opened } = start();
    const a = one(1);
    committer.submit(a);
    let closed = false;
    const closing = committer.close().then(() => {
      closed = true;
    });
    (await next('open')).settle(opened([a]));
    const write = await next('write');
    expect(closed).toBe(false);
    write.settle();
    await closing;
    expect(replies).toEqual([a]);
  });
});
