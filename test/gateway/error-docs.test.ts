import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_REGISTRY } from '../../engine/errors/index.js';
import { startTestGateway, type TestGateway } from './support.js';

let g: TestGateway;
beforeAll(async () => {
  g = await startTestGateway();
});
afterAll(() => g.close());

test('the page that every error points to describes every code under its anchor', async () => {
  const failed = await g.call('GET', '/nothing/here', { key: null });
  const [path, code] = (failed.body.error.doc_url as string).split('#');
  const page = await g.call('GET', path!, { key: null });
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.text).toContain(`<h2 id="${code}">`);
  for (const each of Object.keys(ERROR_REGISTRY)) {
    expect(page.text.split(`id="${each}"`).length, each).toBe(2);
    expect(page.text).toContain(`href="#${each}"`);
  }
  expect(page.text).toContain('Send <code>Authorization: ApiKey &lt;key&gt;</code>');
  expect(page.text).not.toContain('`');
});

test('the page runs nothing, loads nothing and cannot be framed', async () => {
  const page = await g.call('GET', '/docs/errors', { key: null });
  expect(page.text).not.toMatch(/<script|<link|<img|src=|url\(|https?:|\son[a-z]+=|style="/i);
  const style = /<style>([\s\S]*)<\/style>/.exec(page.text)![1]!;
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = String(page.headers['content-security-policy']).split('; ');
  expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", "frame-ancestors 'none'"]));
  expect(policy).toContain(`style-src 'sha256-${hash}'`);
  expect(page.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cache-control': 'public, max-age=3600',
  });
  const head = await g.call('HEAD', '/docs/errors', { key: null });
  expect([head.status, head.text]).toEqual([200, '']);
});
