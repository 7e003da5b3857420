import { z } from 'zod';

/** A JSON Schema (2020-12), as far as this folder looks into one. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly [keyword: string]: unknown;
}

const ROOT = '#/components/schemas/';
/** Begins the names of schemas that stand where they are used. */
const INLINE = 'inline ';

export interface SchemaBook {
  /** What stands for a schema in the document: a reference if it has a name, otherwise the schema itself. */
  of(schema: z.ZodType): JsonSchema;
  /** The same with a reference followed. */
  resolved(schema: z.ZodType): JsonSchema;
  /** The document's schemas by name. */
  readonly named: Readonly<Record<string, JsonSchema>>;
}

/**
 * Converts zod schemas all together, so that those with a name are referred to wherever they are used. Schemas of inputs are shown
 * as what is sent, not as what it is parsed into.
 */
export function createSchemaBook(
  named: Readonly<Record<string, z.ZodType>>,
  others: Iterable<z.ZodType>,
): SchemaBook {
  const registry = z.registry<{ id: string }>();
  const names = new Map<z.ZodType, string>();
  for (const [id, schema] of Object.entries(named)) names.set(schema, id);
  for (const schema of others) if (!names.has(schema)) names.set(schema, `${INLINE}${names.size}`);
  for (const [schema, id] of names) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => ROOT + id });
  const converted = new Map<string, JsonSchema>();
  for (const [id, { $schema: _, $id: __, ...schema }] of Object.entries(schemas))
    converted.set(id, schema as JsonSchema);

  const inlined = (schema: JsonSchema): JsonSchema => inlineAll(schema, converted) as JsonSchema;
  const nameOf = (schema: z.ZodType): string => {
    const name = names.get(schema);
    if (name === undefined) throw new Error('a schema is missing in the book');
    return name;
  };
  return {
    of: (schema) => {
      const name = nameOf(schema);
      return name.startsWith(INLINE) ? inlined(converted.get(name)!) : { $ref: ROOT + name };
    },
    resolved: (schema) => inlined(converted.get(nameOf(schema))!),
    named: Object.fromEntries(
      [...converted].filter(([id]) => !id.startsWith(INLINE)).map(([id, schema]) => [id, inlined(schema)]),
    ),
  };
}

/** Puts schemas without a name in the place of references to them. */
function inlineAll(value: unknown, converted: ReadonlyMap<string, JsonSchema>): unknown {
  if (Array.isArray(value)) return value.map((each) => inlineAll(each, converted));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as JsonSchema;
  if ($ref?.startsWith(ROOT + INLINE)) {
    const { $ref: _, ...beside } = value as JsonSchema;
    return {
      ...(inlineAll(converted.get($ref.slice(ROOT.length)), converted) as object),
      ...beside,
    };
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inlineAll(each, converted)]));
}
