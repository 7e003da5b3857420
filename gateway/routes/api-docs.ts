import { createHash } from 'node:crypto';
import { answering } from '../http/exchange.js';
import type { Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import {
  buildDocument,
  type OpenApiDocument,
  PAGE_SCRIPT,
  PAGE_STYLE,
  readBlocks,
  renderPage,
} from '../openapi/index.js';

export interface ApiDocsDeps {
  readonly version: string;
  /** Text of docs/http.md, whose JSON blocks are the examples. Unset: few examples. */
  readonly httpGuide?: (() => string) | undefined;
}

const CACHE = 'public, max-age=300';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64');

/**
 * `/openapi.json` and `/docs`, the same to read; public. Both are made when they are first asked for, out of the route table with
 * these two in it.
 */
export function apiDocsRoutes(others: readonly Route[], deps: ApiDocsDeps): Route[] {
  let made: OpenApiDocument | undefined;
  const document = (): OpenApiDocument => {
    made ??= buildDocument([...others, ...routes], {
      version: deps.version,
      blocks: readBlocks(deps.httpGuide?.() ?? ''),
    });
    return made;
  };
  const once = (make: () => Reply) => {
    let reply: Reply | undefined;
    return answering(() => {
      reply ??= make();
      return reply;
    });
  };
  const routes: Route[] = [
    {
      method: 'GET',
      path: '/openapi.json',
      scope: 'public',
      handler: once(() => ({ status: 200, cacheControl: CACHE, body: JSON.stringify(document()) })),
    },
    {
      method: 'GET',
      path: '/docs',
      scope: 'public',
      handler: once(() => ({
        status: 200,
        contentType: 'text/html; charset=utf-8',
        cacheControl: CACHE,
        headers: [
          [
            'content-security-policy',
            `default-src 'none'; style-src 'sha256-${sha256(PAGE_STYLE)}'; script-src 'sha256-${sha256(PAGE_SCRIPT)}'; ` +
              "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
          ],
          ['cross-origin-resource-policy', 'same-origin'],
        ],
        body: renderPage(document()),
      })),
    },
  ];
  return routes;
}
