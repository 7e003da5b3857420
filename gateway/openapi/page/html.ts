const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);

/** Code spans and links of CommonMark; links lead into this server or to anchors only. */
const inline = (text: string): string =>
  escapeHtml(text)
    .replace(/`([^`]*)`/g, '<code>$1</code>')
    .replace(/\[([^\]]*)\]\(((?:\/|#)[^)\s]*)\)/g, '<a href="$2">$1</a>');

/** Paragraphs of CommonMark, as far as the document uses it. */
export const paragraphs = (markdown: string): string =>
  markdown
    .split('\n\n')
    .map((text) => `<p>${inline(text)}</p>`)
    .join('\n');

/** A text within a line. */
export const phrase = (markdown: string | undefined): string =>
  markdown === undefined ? '' : inline(markdown);

export const jsonBlock = (value: unknown): string =>
  `<pre tabindex="0"><code>${escapeHtml(JSON.stringify(value, null, 2))}</code></pre>`;
