/** The OpenAPI 3.1 document of the HTTP interface, put together from the route table and what is known of each route. */
import type { z } from 'zod';
import type { ErrorCode } from '../../engine/errors/index.js';
import { type AccessRow, accessTable } from '../auth/access-table.js';
import type { Route } from '../http/router.js';
import { errorExample, errorsOf } from './error-answers.js';
import { createErrorResponses } from './error-responses.js';
import { type Examples, examplesOf } from './examples.js';
import { HEADERS, header } from './headers.js';
import { createSchemaBook, type JsonSchema, type SchemaBook } from './json-schema.js';
import type {
  MediaType,
  OpenApiDocument,
  OpenApiOperation,
  OpenApiParameter,
  OpenApiResponse,
} from './openapi-types.js';
import { type Answer, type Content, type Operation, TAGS } from './operation.js';
import { ConsumerGroup, Cursor } from './operations/consumers.js';
import { OPERATIONS } from './operations/index.js';
import { descriptionOf, PATH_PARAMETERS, pathNames, templateOf } from './parameters.js';
import { accessText, SECURITY_SCHEMES, securityOf } from './security.js';
import { ErrorBody, GroupReceipt, Head, Receipt, SignedEvent, VesEnvelope } from './shapes.js';

type DocumentedRoute = Pick<Route, 'method' | 'path' | 'scope' | 'body' | 'essential'>;

/** Schemas with a name, besides those of request bodies. */
const NAMED = {
  VesEnvelope,
  SignedEvent,
  Receipt,
  GroupReceipt,
  ConsumerGroup,
  Cursor,
  Head,
  Error: ErrorBody,
};

const DESCRIPTION =
  'A verifiable event sequencer: signed events in, one gap-free order per stream, durable, provable offline.\n\n' +
  'JSON over HTTP/1.1. Ids and hexadecimal values are accepted in upper and lower case, ids also without hyphens. Members of request bodies ' +
  'other than those of the two ingest routes may be written in camelCase or snake_case; `null` is the same as leaving one out. Unknown ' +
  'query parameters and body members are ignored. `HEAD` is answered wherever `GET` is.\n\n' +
  'Every failing answer has one shape and a code that never changes its meaning: [all codes](/docs/errors).';

/**
 * The document.
 *
 * @param blocks JSON blocks by route, which examples are taken from
 * @throws Error for a route that is not described, and for a description without a route
 */
export function buildDocument(
  routes: readonly DocumentedRoute[],
  options: { readonly version: string; readonly blocks: ReadonlyMap<string, readonly unknown[]> },
): OpenApiDocument {
  const described = describe(routes);
  const book = createSchemaBook({ ...NAMED, ...bodiesOf(described) }, schemasOf(described));
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  const used = new Set<ErrorCode>();
  const failures = createErrorResponses();
  for (const { name, route, operation, access } of described) {
    const examples = examplesOf(operation, options.blocks.get(name) ?? [], route.body === 'small');
    const errors = errorsOf(route, operation, access);
    for (const code of [...errors.values()].flat()) used.add(code);
    const template = templateOf(route.path);
    paths[template] ??= {};
    paths[template][route.method.toLowerCase()] = {
      operationId: operation.id,
      tags: [operation.tag],
      summary: operation.summary,
      description: [operation.description, accessText(access)].filter(Boolean).join('\n\n'),
      parameters: [...pathParameters(route.path, operation, book), ...otherParameters(operation, book)],
      ...requestBody(operation, examples, book),
      responses: {
        ...Object.fromEntries(
          operation.answers.map((answer) => [answer.status, toResponse(answer, examples, book)]),
        ),
        ...Object.fromEntries([...errors].map(([status, codes]) => [status, failures.of(status, codes)])),
      },
      security: securityOf(route.scope),
      'x-access': {
        permission: access.permission,
        compares: access.compares,
        ...(access.check === undefined ? {} : { check: access.check }),
      },
    };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'StateSet Sequencer',
      version: options.version,
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: book.named,
      responses: failures.responses,
      headers: HEADERS,
      examples: Object.fromEntries(
        [...used].sort().map((code) => [code, { summary: code, value: errorExample(code) }]),
      ),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

interface Described {
  readonly name: string;
  readonly route: DocumentedRoute;
  readonly operation: Operation;
  readonly access: AccessRow;
}

function describe(routes: readonly DocumentedRoute[]): Described[] {
  const access = new Map(accessTable(routes).map((row) => [row.name, row]));
  const left = new Set(Object.keys(OPERATIONS));
  const described = routes.map((route) => {
    const name = `${route.method} ${route.path}`;
    const operation = OPERATIONS[name];
    if (operation === undefined) throw new Error(`${name} is not described`);
    left.delete(name);
    return { name, route, operation, access: access.get(name)! };
  });
  if (left.size > 0) throw new Error(`descriptions of routes that do not exist: ${[...left].join(', ')}`);
  return described;
}

const bodiesOf = (described: readonly Described[]): Record<string, z.ZodType> =>
  Object.fromEntries(
    described.flatMap(({ operation: { id, body, bodyName = `${id}Request` } }) =>
      body === undefined ? [] : [[bodyName, body]],
    ),
  );

const schemaIn = (content: Content): z.ZodType[] => ('schema' in content ? [content.schema] : []);

const schemasOf = (described: readonly Described[]): z.ZodType[] => [
  ...Object.values(PATH_PARAMETERS),
  ...described.flatMap(({ operation }) => [
    ...Object.values(operation.path ?? {}),
    ...(operation.query === undefined ? [] : [operation.query]),
    ...operation.answers.flatMap((answer) => answer.content.flatMap(schemaIn)),
  ]),
];

function pathParameters(path: string, operation: Operation, book: SchemaBook): OpenApiParameter[] {
  return pathNames(path).map((name) => {
    const schema = operation.path?.[name] ?? PATH_PARAMETERS[name];
    if (schema === undefined) throw new Error(`the parameter ${name} of ${path} is not described`);
    return parameter('path', name, true, book.of(schema));
  });
}

function otherParameters({ query, headers = {} }: Operation, book: SchemaBook): OpenApiParameter[] {
  const { properties = {}, required = [] } = query === undefined ? {} : book.resolved(query);
  return [
    ...Object.entries(properties).map(([name, schema]) =>
      parameter('query', name, required.includes(name), schema),
    ),
    ...Object.entries(headers).map(([name, description]) =>
      parameter('header', name, false, { type: 'string', description }),
    ),
  ];
}

function parameter(
  place: OpenApiParameter['in'],
  name: string,
  required: boolean,
  { description, ...schema }: JsonSchema,
): OpenApiParameter {
  const text = description ?? descriptionOf(name, required);
  return {
    name,
    in: place,
    required,
    ...(text === undefined ? {} : { description: text }),
    ...(schema.type === 'array' ? { style: 'form', explode: true } : {}),
    schema,
  };
}

const requestBody = ({ body }: Operation, { request }: Examples, book: SchemaBook) =>
  body === undefined
    ? {}
    : {
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: book.of(body),
              ...(request === undefined ? {} : { example: request }),
            },
          },
        },
      };

function toResponse(
  { description, content, headers = {} }: Answer,
  { answer }: Examples,
  book: SchemaBook,
): OpenApiResponse {
  const media = (each: Content): MediaType => {
    if (!('schema' in each))
      return {
        schema: each.binary
          ? { description: each.description, contentMediaType: each.type }
          : { type: 'string', description: each.description },
      };
    return {
      schema: book.of(each.schema),
      ...(each.type === 'application/json' && answer !== undefined ? { example: answer } : {}),
    };
  };
  return {
    description,
    headers: {
      'x-request-id': header('RequestId'),
      ...Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [
          name,
          { description: text, schema: { type: 'string' } },
        ]),
      ),
    },
    ...(content.length === 0
      ? {}
      : { content: Object.fromEntries(content.map((each) => [each.type, media(each)])) }),
  };
}
