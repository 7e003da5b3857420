// Writes the documentation that is derived from code: docs/errors.md and docs/configuration.md. Needs `npm run build`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { renderConfigDocs } from '../dist/engine/config/document.js';
import { renderErrorDocs } from '../dist/engine/errors/document.js';

const DOCUMENTS = { 'errors.md': renderErrorDocs, 'configuration.md': renderConfigDocs };

const docs = new URL('../docs/', import.meta.url);
mkdirSync(docs, { recursive: true });
for (const [name, render] of Object.entries(DOCUMENTS)) {
  writeFileSync(new URL(name, docs), render());
  console.log(`docs/${name}`);
}
