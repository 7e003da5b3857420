import {
  type MediaType,
  type OpenApiDocument,
  type OpenApiOperation,
  type OpenApiParameter,
  type OpenApiResponse,
  responseOf,
} from '../openapi-types.js';
import { escapeHtml, jsonBlock, paragraphs, phrase } from './html.js';
import { schemaBlock, typeOf } from './schema.js';

/** One operation, folded; what the search looks through is in `data-text`. */
export function renderOperation(
  document: OpenApiDocument,
  method: string,
  path: string,
  operation: OpenApiOperation,
): string {
  const { operationId, summary, description, parameters, requestBody, responses, tags } = operation;
  const words = [method, path, operationId, summary, ...tags, ...parameters.map(({ name }) => name)];
  const { schemas } = document.components;
  const all = Object.entries(responses).map(
    ([status, response]) => [status, responseOf(document, response)] as const,
  );
  const answers = all.filter(([, response]) => response['x-error-codes'] === undefined);
  const errors = all.filter(([, response]) => response['x-error-codes'] !== undefined);
  return `<details class="operation" id="${operationId}" data-text="${escapeHtml(words.join(' ').toLowerCase())}">
<summary><span class="method ${method}">${method.toUpperCase()}</span> <code class="path">${breakable(path)}</code> <span class="what">${escapeHtml(summary)}</span></summary>
<div class="body">
${paragraphs(description)}
${parameters.length === 0 ? '' : `<h4>Parameters</h4>${parameterList(parameters)}`}
${requestBody === undefined ? '' : `<h4>Body</h4>${mediaList(requestBody.content, schemas)}`}
${answers.map(([status, response]) => renderAnswer(status, response, schemas)).join('\n')}
<h4>Errors</h4>
<ul class="errors">${errors.map(([status, response]) => renderError(status, response)).join('\n')}</ul>
</div>
</details>`;
}

/** Long paths may break behind a slash. */
const breakable = (path: string): string => escapeHtml(path).replaceAll('/', '/<wbr>');

const parameterList = (parameters: readonly OpenApiParameter[]): string =>
  `<ul class="members">${parameters
    .map(
      ({ name, in: place, required, description, schema }) =>
        `<li><code>${escapeHtml(name)}</code> <span class="type">${typeOf(schema)}</span> ` +
        `<span class="optional">${place}${required ? '' : ', optional'}${defaultOf(schema.default)}</span>` +
        `${description === undefined ? '' : ` <span class="text">${phrase(description)}</span>`}</li>`,
    )
    .join('\n')}</ul>`;

const defaultOf = (value: unknown): string =>
  value === undefined || Array.isArray(value) ? '' : `, default ${escapeHtml(String(value))}`;

type Schemas = OpenApiDocument['components']['schemas'];

const renderAnswer = (
  status: string,
  { description, content = {} }: OpenApiResponse,
  schemas: Schemas,
): string => `<h4>Answer ${status}</h4><p>${phrase(description)}</p>${mediaList(content, schemas)}`;

const mediaList = (content: Readonly<Record<string, MediaType>>, schemas: Schemas): string =>
  Object.entries(content)
    .map(
      ([type, { schema, example }]) =>
        `<p class="media">${escapeHtml(type)}</p>${schemaBlock(schema, schemas)}` +
        `${example === undefined ? '' : `<details class="example"><summary>Example</summary>${jsonBlock(example)}</details>`}`,
    )
    .join('\n');

const renderError = (status: string, response: OpenApiResponse): string =>
  `<li><strong>${status}</strong> ${response['x-error-codes']!.map(
    (code) => `<a href="/docs/errors#${code}">${code}</a>`,
  ).join(', ')}</li>`;
