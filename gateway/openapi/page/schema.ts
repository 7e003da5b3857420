import type { JsonSchema } from '../json-schema.js';
import { escapeHtml, phrase } from './html.js';

/** Objects inside objects that are shown; the document's schemas nest less. */
const DEPTH_MAX = 12;

const nameIn = ($ref: string): string => $ref.slice($ref.lastIndexOf('/') + 1);

const link = ($ref: string): string => {
  const name = nameIn($ref);
  return `<a href="#schema-${name}">${escapeHtml(name)}</a>`;
};

/** What a value is, in a few words of HTML. */
export function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return link(schema.$ref);
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `<code>${escapeHtml(JSON.stringify(schema.const))}</code>`;
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `<code>${escapeHtml(String(value))}</code>`).join(', ');
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}`;
  return escapeHtml([schema.format ?? schema.type ?? 'any JSON', ...limitsOf(schema)].join(', '));
}

function limitsOf({ minimum, maximum, pattern, description, type }: JsonSchema): string[] {
  if (type === 'string') return pattern === undefined || description !== undefined ? [] : [pattern];
  // A number that has no other end than that of exact integers has none to speak of.
  const end = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum !== undefined && end !== undefined) return [`${minimum} to ${end}`];
  if (minimum !== undefined && minimum > 0) return [`at least ${minimum}`];
  return [];
}

/** The members of objects in a schema as nested lists; empty where there are none. */
export function membersOf(schema: JsonSchema, depth = 0): string {
  if (depth > DEPTH_MAX || schema.$ref !== undefined) return '';
  if (schema.anyOf !== undefined)
    return schema.anyOf
      .map((each) => membersOf(each, depth + 1))
      .filter(Boolean)
      .join('<p class="or">or</p>');
  if (schema.items !== undefined) return membersOf(schema.items, depth + 1);
  if (schema.properties === undefined) return '';
  const members = Object.entries(schema.properties).map(
    ([name, member]) =>
      `<li><code>${escapeHtml(name)}</code> <span class="type">${typeOf(member)}</span>` +
      `${schema.required?.includes(name) ? '' : ' <span class="optional">optional</span>'}` +
      `${member.description === undefined ? '' : ` <span class="text">${phrase(member.description)}</span>`}` +
      `${membersOf(member, depth + 1)}</li>`,
  );
  return `<ul class="members">${members.join('\n')}</ul>`;
}

/** A schema in full; one with a name with what stands under that name. */
export function schemaBlock(schema: JsonSchema, named: Readonly<Record<string, JsonSchema>>): string {
  const whole = schema.$ref === undefined ? schema : named[nameIn(schema.$ref)]!;
  const members = membersOf(whole);
  const about = whole.description === undefined ? '' : `<p>${phrase(whole.description)}</p>`;
  const type = schema.$ref !== undefined || members === '' ? `<p class="type">${typeOf(schema)}</p>` : '';
  return `${type}${about}${members}`;
}
