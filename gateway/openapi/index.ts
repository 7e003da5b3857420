export { buildDocument } from './document.js';
export { readBlocks } from './examples.js';
export { type OpenApiDocument, responseOf } from './openapi-types.js';
export { PAGE_SCRIPT, PAGE_STYLE, renderPage } from './page/index.js';
