import { ERROR_REGISTRY, type ErrorDefinition } from '../../engine/errors/index.js';

/** The page's own style; the content security policy allows exactly this text. */
export const ERROR_PAGE_STYLE =
  'body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}' +
  'h2{margin:2rem 0 0;font-size:1.05rem;font-family:ui-monospace,monospace;overflow-wrap:anywhere}' +
  'h2:target{background:#ffef9e}p{margin:.3rem 0}code{background:#f2f2f2;padding:0 .2em}' +
  '.facts{color:#5a5a5a;font-size:.9rem}nav a{display:inline-block;margin-right:.8em;font-size:.9rem}' +
  '@media (prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}a{color:#8ab4ff}code{background:#2a2a2a}' +
  '.facts{color:#a0a0a0}h2:target{background:#554a00}}';

/** Every error code, each under the anchor that `doc_url` in error bodies points to; HTML without scripts or other files. */
export function renderErrorPage(): string {
  const codes = Object.entries<ErrorDefinition>(ERROR_REGISTRY);
  const links = codes.map(([code]) => `<a href="#${code}">${code}</a>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Errors - StateSet Sequencer</title>
<style>${ERROR_PAGE_STYLE}</style>
</head>
<body>
<h1>Errors</h1>
<p>Every failing answer has the code in <code>error.code</code> and in the header <code>x-error-code</code>. Branch on the
code: it never changes its meaning; messages may. "Retry" says whether the same request, sent again unchanged, may succeed.</p>
<nav>
${links}
</nav>
${codes.map(([code, definition]) => renderCode(code, definition)).join('\n')}
</body>
</html>
`;
}

function renderCode(
  code: string,
  { numeric, http, retryable, retryAfterSeconds, title, help }: ErrorDefinition,
) {
  const wait =
    retryAfterSeconds === undefined ? '' : `, after ${retryAfterSeconds} s unless the answer says otherwise`;
  const facts =
    numeric >= 10_000 ? 'in the log only' : `HTTP ${http} · retry: ${retryable ? `yes${wait}` : 'no'}`;
  return `<h2 id="${code}">${code}</h2>
<p><strong>${toHtml(title)}.</strong> ${toHtml(help)}</p>
<p class="facts">numeric code ${numeric} · ${facts}</p>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes a text of the registry; what stands between backquotes becomes code. */
const toHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => ENTITIES[character]!).replace(/`([^`]*)`/g, '<code>$1</code>');
