import { createHash } from 'node:crypto';
import { ERROR_DOCS_PATH } from '../../engine/errors/index.js';
import { answering } from '../http/exchange.js';
import type { Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { ERROR_PAGE_STYLE, renderErrorPage } from '../render/error-page.js';

/** `/docs/errors`: where the `doc_url` of every error points; public. */
export const errorDocsRoutes = (): Route[] => {
  const style = createHash('sha256').update(ERROR_PAGE_STYLE).digest('base64');
  const page: Reply = {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    cacheControl: 'public, max-age=3600',
    headers: [
      [
        'content-security-policy',
        `default-src 'none'; style-src 'sha256-${style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      ],
      ['cross-origin-resource-policy', 'same-origin'],
    ],
    body: renderErrorPage(),
  };
  return [{ method: 'GET', path: ERROR_DOCS_PATH, scope: 'public', handler: answering(() => page) }];
};
