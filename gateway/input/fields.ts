import { z } from 'zod';
import { decodeHex, formatMicros, formatUuid, parseInstant, parseUuid } from '../../engine/protocol/index.js';

/**
 * Types of single values in queries and bodies. The message of every issue completes "NAME must be …"; what the message says is
 * in the metadata too, as JSON Schema, for the interface's description.
 */
const accepting = <Value>(
  accepts: string,
  parse: (text: string) => Value | undefined,
  meta: Record<string, unknown>,
) =>
  z
    .string({ error: accepts })
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: accepts });
      return z.NEVER;
    })
    .meta(meta);

/** A UUID in any accepted form; answers it lower-case and hyphenated. */
export const uuid = () =>
  accepting(
    'a UUID',
    (text) => {
      const bytes = parseUuid(text);
      return bytes && formatUuid(bytes);
    },
    { format: 'uuid' },
  );

/** Decimal digits in a query, as `bigint`. */
export const wholeNumber = (max: number, min = 0) =>
  accepting(
    `a whole number from ${min} to ${max}`,
    (text) => {
      if (!/^[0-9]{1,16}$/.test(text)) return undefined;
      const value = BigInt(text);
      return value >= BigInt(min) && value <= BigInt(max) ? value : undefined;
    },
    { type: 'integer', minimum: min, maximum: max },
  );

/** A JSON number without fraction. */
export const integer = (min: number, max: number) => {
  const accepts = `a whole number from ${min} to ${max}`;
  return z
    .number({ error: accepts })
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, { error: accepts })
    .meta({ type: 'integer', minimum: min, maximum: max });
};

/** Exactly this many bytes as hexadecimal text, `0x` optional. */
export const hexBytes = (length: number) =>
  accepting(`${length} bytes as hexadecimal text`, (text) => decodeHex(text, length), {
    pattern: `^(0x)?[0-9a-fA-F]{${2 * length}}$`,
  });

const EARLIEST = 0n;
const LATEST = parseInstant('9999-12-31T23:59:59.999999Z')!;

/** An RFC 3339 timestamp from 1970 to 9999; answers it in UTC with microseconds at most. */
export const instant = () =>
  accepting(
    'an RFC 3339 timestamp such as 2026-01-31T12:00:00Z',
    (text) => {
      const micros = parseInstant(text);
      return micros !== undefined && micros >= EARLIEST && micros <= LATEST
        ? formatMicros(micros)
        : undefined;
    },
    { format: 'date-time' },
  );

/** true or false. */
export const flag = () => z.boolean({ error: 'true or false' });

/** A list of at most `max` UUIDs. */
export const uuidList = (max: number) =>
  z
    .array(uuid(), { error: `a list of at most ${max} UUIDs` })
    .max(max, { error: `a list of at most ${max} UUIDs` });
