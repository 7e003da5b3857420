import { camelized } from '../input/parse.js';
import type { Operation } from './operation.js';

/** What is sent to a route and what it answers, where an example is known. */
export interface Examples {
  readonly request?: unknown;
  readonly answer?: unknown;
}

/** The JSON blocks of docs/http.md by the route in their heading. */
export function readBlocks(markdown: string): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  const headings = [...markdown.matchAll(/^#{1,6} (?:`((?:GET|POST|PUT|DELETE) \S+)`)?.*$/gm)];
  headings.forEach(({ 1: route, index }, i) => {
    if (route === undefined) return;
    const section = markdown.slice(index, headings[i + 1]?.index);
    const blocks = [...section.matchAll(/^```json\n([\s\S]*?)^```/gm)];
    found.set(
      route,
      blocks.map(([, text]) => JSON.parse(text!)),
    );
  });
  return found;
}

/**
 * The examples of an operation: its own, otherwise those of its blocks.
 *
 * @param isTolerant whether names in the request's body may be written in two ways; shown in the one that the schema has
 */
export function examplesOf(operation: Operation, blocks: readonly unknown[], isTolerant: boolean): Examples {
  const roles = operation.blocks ?? (operation.body === undefined ? ['answer'] : ['request', 'answer']);
  const shown = (role: 'request' | 'answer') => blocks[(roles as readonly string[]).indexOf(role)];
  const request = operation.requestExample ?? shown('request');
  const answer = operation.answerExample ?? shown('answer');
  return {
    ...(request === undefined
      ? {}
      : { request: isTolerant && typeof request === 'object' ? camelized(request as object) : request }),
    ...(answer === undefined ? {} : { answer }),
  };
}
