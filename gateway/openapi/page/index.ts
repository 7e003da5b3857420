import type { OpenApiDocument } from '../openapi-types.js';
import { escapeHtml, paragraphs, phrase } from './html.js';
import { renderOperation } from './operation.js';
import { schemaBlock } from './schema.js';
import { PAGE_SCRIPT } from './script.js';
import { PAGE_STYLE } from './style.js';

export { PAGE_SCRIPT } from './script.js';
export { PAGE_STYLE } from './style.js';

const anchorOf = (tag: string): string => `tag-${tag.toLowerCase().replaceAll(' ', '-')}`;

/** The document as a page to read: one HTML text that needs no other file. Without scripts only the search is missing. */
export function renderPage(document: OpenApiDocument): string {
  const { info, tags, components } = document;
  const links = tags.map(({ name }) => `<a href="#${anchorOf(name)}">${escapeHtml(name)}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(info.title)}: HTTP interface</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<h1>${escapeHtml(info.title)}</h1>
<p>HTTP interface, version ${escapeHtml(info.version)} · <a href="/openapi.json">openapi.json</a> · <a href="/docs/errors">errors</a></p>
${paragraphs(info.description)}
<div class="search" role="search" hidden>
<input id="search" type="search" placeholder="Search operations (press /)" aria-label="Search operations" autocomplete="off">
<p id="found" role="status"></p>
</div>
<nav aria-label="Groups">${links.join('\n')}
<a href="#credentials">Credentials</a>
<a href="#schemas">Schemas</a></nav>
<main>
${tags.map((tag) => renderTag(tag, document)).join('\n')}
<section>
<h2 id="credentials">Credentials</h2>
<p>One of these:</p>
<ul>${Object.values(components.securitySchemes)
    .map(
      ({ name = 'authorization: Bearer', description }) =>
        `<li><code>${escapeHtml(name)}</code> ${phrase(description)}</li>`,
    )
    .join('\n')}</ul>
</section>
<section>
<h2 id="schemas">Schemas</h2>
${Object.entries(components.schemas)
  .map(
    ([name, schema]) =>
      `<h3 id="schema-${escapeHtml(name)}">${escapeHtml(name)}</h3>\n${schemaBlock(schema, components.schemas)}`,
  )
  .join('\n')}
</section>
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function renderTag(tag: { name: string; description: string }, document: OpenApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.tags[0] === tag.name)
      .map(([method, operation]) => renderOperation(document, method, path, operation)),
  );
  return `<section class="tag">
<h2 id="${anchorOf(tag.name)}">${escapeHtml(tag.name)}</h2>
<p>${phrase(tag.description)}</p>
${operations.join('\n')}
</section>`;
}
