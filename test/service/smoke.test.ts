import { expect, test } from 'vitest';
import { push, registerAgent, checkReceipt, sequencerKeys, readStream } from '../support/agents.js';
import { startTestService } from '../support/service.js';
test('smoke', async () => {
  const s = await startTestService();
  console.log(s.url, s.residentBytes() / 1e6);
  const a = await registerAgent(s);
  const e = a.event();
  const r = await push(s, a, [e]);
  console.log(r.text);
  expect(checkReceipt(r.body.receipts![0]!, e, await sequencerKeys(s))).toBe('ok');
  console.log(await readStream(s, a));
  expect(await s.stop()).toBe(0);
  console.log(s.logs());
});
