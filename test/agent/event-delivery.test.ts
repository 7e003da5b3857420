import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createDelivery } from '../../agent/event-delivery.js';
import type { Ended } from '../../engine/wire/index.js';

const PAUSED: Ended = { id: 1, code: 'OVERLOADED', message: 'later', retryAfterSecs: 0, cursor: [] };

function open() {
  const sent: Uint8Array[] = [];
  const delivery = createDelivery({
    id: 1,
    window: undefined,
    line: () => ({ up: true, send: (frame) => sent.push(frame), close() {} }),
    request: () => [new Uint8Array(1)],
    onTaken() {},
    onStopped() {},
  });
  return { delivery, sent };
}

test('after a pause a subscription is asked for again, once', async () => {
  const { delivery, sent } = open();
  delivery.up();
  delivery.onEnded(PAUSED);
  await sleep(200);
  expect(sent.length).toBe(2);
});

test('a connection that comes up during the pause is not asked twice: that would end it', async () => {
  const { delivery, sent } = open();
  delivery.up();
  delivery.onEnded(PAUSED);
  delivery.up();
  await sleep(200);
  expect(sent.length).toBe(2);
});

test('a subscription that is closed during the pause stays closed', async () => {
  const { delivery, sent } = open();
  delivery.onEnded(PAUSED);
  delivery.close();
  await sleep(200);
  expect(sent.length).toBe(1); // that it is over
});
