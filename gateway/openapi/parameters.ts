/** Parameters of operations: names, types and what they mean where it is the same everywhere. */
import { z } from 'zod';
import { groupName } from '../input/consumer-group-input.js';
import { uuid, wholeNumber } from '../input/fields.js';

/** Path parameters by name; the types that handlers parse them with. */
export const PATH_PARAMETERS: Readonly<Record<string, z.ZodType>> = {
  tenant_id: uuid(),
  store_id: uuid(),
  agent_id: uuid(),
  event_id: uuid(),
  batch_id: uuid(),
  sequence_number: wholeNumber(Number.MAX_SAFE_INTEGER),
  name: groupName(),
  entity_type: z.string().meta({ minLength: 1, description: '1 to 128 bytes, percent-encoded' }),
  entity_id: z.string().meta({ minLength: 1, description: '1 to 512 bytes, percent-encoded' }),
};

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  tenant_id: 'The tenant',
  store_id: 'The store',
  agent_id: 'The agent',
  event_id: 'The event',
  batch_id: 'The commitment',
  key_id: "The key's number",
  key_prefix: '`keyHashPrefix` of the key, or more of its hash',
  name: 'The group',
  sequence_number: "The event's number",
  command_id: 'The command whose event is asked for',
  limit: 'Most that one answer holds',
  cursor: 'Where the page before ended',
  after: 'Only what stands behind this number',
  size: "Tree size; unset: the stream's head",
  receipt: 'Which receipts the answer carries',
  live: '`false`: the answer ends at the head',
  format: 'One JSON text, or one record a line',
};

/** In place of the same name's usual meaning. */
const OPTIONAL_TENANT = 'The tenant; unset: the one of the credentials, which the operator’s have not';

export const descriptionOf = (name: string, required: boolean): string | undefined =>
  name === 'tenant_id' && !required ? OPTIONAL_TENANT : DESCRIPTIONS[name];

/** Name of the parameter that stands for the `*` at a path's end. */
export const TAIL = 'resource';

/** The path as OpenAPI writes it: `/a/:b/*` is `/a/{b}/{resource}`. */
export const templateOf = (path: string): string =>
  path.replace(/:([a-z_]+)/g, '{$1}').replace(/\*$/, `{${TAIL}}`);

/** Names of a path's parameters, in its order. */
export const pathNames = (path: string): string[] =>
  [...templateOf(path).matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name!);
