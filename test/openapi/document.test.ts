import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERROR_REGISTRY, type ErrorCode } from '../../engine/errors/index.js';
import { buildDocument, responseOf } from '../../gateway/openapi/index.js';
import { describedRoutes, part, resolve, validators, within } from './support.js';

const { routes, document } = await describedRoutes();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path,
    method,
    operation,
    pointer: `/paths/${part(path)}/${method}`,
  })),
);

describe('the description of the interface', () => {
  test('has every route of the table, and nothing else', () => {
    const described = operations.map(({ name }) =>
      name.replace(/\{resource\}$/, '*').replace(/\{([a-z_]+)\}/g, ':$1'),
    );
    expect(described.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  test('does not come about while a route is not described, or a description has no route', () => {
    const options = { version: '', blocks: new Map() };
    expect(() => buildDocument(routes.slice(1), options)).toThrow(/do not exist/);
    const stranger = { method: 'GET', path: '/stranger', scope: 'public' } as const;
    expect(() => buildDocument([...routes, stranger], options)).toThrow(/stranger/);
  });

  test('is OpenAPI 3.1 as far as it goes', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    const tags = document.tags.map(({ name }) => name);
    for (const { operation, name } of operations) {
      expect(Object.keys(operation.responses).length, name).toBeGreaterThan(1);
      for (const [status, given] of Object.entries(operation.responses)) {
        const response = responseOf(document, given);
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(response.description, name).toBeTruthy();
      }
      for (const tag of operation.tags) expect(tags).toContain(tag);
      for (const way of operation.security.flatMap((each) => Object.keys(each)))
        expect(Object.keys(document.components.securitySchemes)).toContain(way);
    }
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[\w.-]+$/);
  });

  test('names every operation once', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('has references that lead somewhere', () => {
    for (const [place, value] of within(document)) {
      if (typeof value.$ref !== 'string') continue;
      expect(value.$ref, place).toMatch(/^#\/components\//);
      expect(resolve(document, value.$ref), `${place}: ${value.$ref}`).toBeDefined();
    }
  });

  test.each(operations)('$name declares its parameters once', ({ path, operation }) => {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters.filter((each) => each.in === 'path');
    expect(declared.map(({ name }) => name)).toEqual(inPath);
    expect(declared.every(({ required }) => required)).toBe(true);
    const all = operation.parameters.map(({ in: place, name }) => `${place} ${name}`);
    expect(new Set(all).size).toBe(all.length);
  });

  test('says who may call what, as the route table does', () => {
    for (const { operation, name } of operations) {
      const key = name.replace(/\{resource\}$/, '*').replace(/\{([a-z_]+)\}/g, ':$1');
      const { scope } = routes.find(({ method, path }) => `${method} ${path}` === key)!;
      const needs = operation.security.flatMap((each) => Object.values(each).flat());
      expect(operation.security.length === 0, name).toBe(scope === 'public');
      expect([...new Set(needs)], name).toEqual(['read', 'write', 'admin'].includes(scope) ? [scope] : []);
    }
  });

  test('lists error codes under their own status, with an example of each', () => {
    for (const { operation, name } of operations)
      for (const [status, response] of Object.entries(operation.responses))
        for (const code of responseOf(document, response)['x-error-codes'] ?? []) {
          expect(ERROR_REGISTRY[code as ErrorCode].http, `${name}: ${code}`).toBe(Number(status));
          expect(document.components.examples).toHaveProperty(code);
        }
  });
});

describe('examples', () => {
  const validate = validators(document, { strict: true });
  const examples = [...within(document)]
    .filter(([place, value]) => 'example' in value && place.startsWith('/paths/'))
    .map(([place, value]) => ({ place, example: value.example }));

  test.each(examples)('$place', ({ place, example }) => {
    const check = validate(`${place}/schema`);
    expect(check(example), JSON.stringify(check.errors)).toBe(true);
  });

  test('are there for every body of JSON that is asked for or answered', () => {
    const missing = operations.flatMap(({ name, operation }) => {
      const media = [
        operation.requestBody?.content['application/json'],
        ...Object.values(operation.responses).map(
          (each) => responseOf(document, each).content?.['application/json'],
        ),
      ];
      return media.some((each) => each !== undefined && !('example' in each) && !('examples' in each))
        ? [name]
        : [];
    });
    expect(missing).toEqual([]);
  });

  test('of errors have the shape of errors', () => {
    const check = validate('/components/schemas/Error');
    for (const [code, { value }] of Object.entries(
      document.components.examples as Record<string, { value: unknown }>,
    ))
      expect(check(value), code).toBe(true);
  });
});

test('every schema compiles', () => {
  const validate = validators(document, { strict: false });
  for (const [place, value] of within(document))
    if (place.endsWith('/schema') && !place.includes('/example')) {
      expect(value).toBeTypeOf('object');
      expect(() => validate(place), place).not.toThrow();
    }
});

test('docs/openapi.json is current (npm run docs)', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const { version } = JSON.parse(read('package.json'));
  expect(JSON.parse(read('docs/openapi.json'))).toEqual(
    JSON.parse(JSON.stringify({ ...document, info: { ...document.info, version } })),
  );
});
