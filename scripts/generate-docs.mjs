// Writes the documentation that is derived from code: docs/errors.md, docs/configuration.md and docs/openapi.json. Needs
// `npm run build`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { renderConfigDocs } from '../dist/engine/config/document.js';
import { loadConfig } from '../dist/engine/config/index.js';
import { renderErrorDocs } from '../dist/engine/errors/document.js';
import { buildDocument, readBlocks } from '../dist/gateway/openapi/index.js';
import { routeTable } from '../dist/gateway/routes/index.js';

const docs = new URL('../docs/', import.meta.url);

/** The interface with the default settings. The routes are only looked at: nothing stands behind them. */
function renderOpenApi() {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const nothing = {};
  const config = loadConfig({});
  const identity = { id: '', keyVersion: 0, keys: [] };
  const transparency = { logs: nothing, checkpoints: nothing, notary: nothing, witnessing: nothing };
  const routes = routeTable({ config, identity, transparency, version, auditor: nothing });
  const blocks = readBlocks(readFileSync(new URL('http.md', docs), 'utf8'));
  return `${JSON.stringify(buildDocument(routes, { version, blocks }), null, 2)}\n`;
}

const DOCUMENTS = {
  'errors.md': renderErrorDocs,
  'configuration.md': renderConfigDocs,
  'openapi.json': renderOpenApi,
};

mkdirSync(docs, { recursive: true });
for (const [name, render] of Object.entries(DOCUMENTS)) {
  writeFileSync(new URL(name, docs), render());
  console.log(`docs/${name}`);
}
