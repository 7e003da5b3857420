import { isIP } from 'node:net';
import { z } from 'zod';

/** Parsers from the text of an environment variable to a typed value. Empty texts never get here (they mean unset). */

const TRUE = new Set(['1', 'true', 'on', 'yes']);
const FALSE = new Set(['0', 'false', 'off', 'no']);
const SIZE = /^(\d{1,15})\s*(k|m|g)?i?b?$/i;
const SIZE_UNITS: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

/** A parser that answers `undefined` for what it does not accept. What it does accept is told by the setting. */
const parsed = <T>(parse: (text: string) => T | undefined) =>
  z.string().transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: 'not accepted' });
    return z.NEVER;
  });

const inRange = (value: number, min: number, max: number): number | undefined =>
  Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;

/** 1/true/on/yes and 0/false/off/no, any case. */
export const flag = () =>
  parsed((text) => {
    const word = text.toLowerCase();
    return TRUE.has(word) ? true : FALSE.has(word) ? false : undefined;
  });

/** A whole decimal number within bounds, both included. */
export const integer = (min: number, max: number) =>
  parsed((text) => (/^\d{1,16}$/.test(text) ? inRange(Number(text), min, max) : undefined));

/** A size in bytes: a whole number, optionally followed by kB, MB or GB (powers of 1024). */
export const byteSize = (min: number, max: number) =>
  parsed((text) => {
    const match = SIZE.exec(text);
    if (!match) return undefined;
    return inRange(Number(match[1]) * (SIZE_UNITS[match[2]?.toLowerCase() ?? ''] ?? 1), min, max);
  });

/** One of some words, any case; answers the word in lower case. */
export const oneOf = <const Word extends string>(...words: Word[]) =>
  parsed((text) => words.find((word) => word === text.toLowerCase()));

/** Any text within a length. */
export const text = (maxLength: number) =>
  parsed((value) => (value.length > 0 && value.length <= maxLength ? value : undefined));

/** Printable ASCII without spaces: what fits unchanged into an HTTP header. */
export const token = (minLength: number, maxLength: number) =>
  parsed((value) =>
    PRINTABLE_ASCII.test(value) && value.length >= minLength && value.length <= maxLength ? value : undefined,
  );

/** A UUID in its hyphenated form; answers lower case. */
export const uuid = () =>
  parsed((value) => (UUID.test(value.toLowerCase()) ? value.toLowerCase() : undefined));

function readSecret32(value: string): Uint8Array | undefined {
  const hex = value.startsWith('0x') ? value.slice(2) : value;
  if (/^[0-9a-fA-F]{64}$/.test(hex)) return new Uint8Array(Buffer.from(hex, 'hex'));
  const standard = /^[A-Za-z0-9+/]{43}=$/.test(hex);
  const urlSafe = /^[A-Za-z0-9_-]{43}$/.test(hex);
  return standard || urlSafe ? new Uint8Array(Buffer.from(hex, 'base64')) : undefined;
}

/**
 * 32 secret bytes: 64 hexadecimal digits (optionally after `0x`), or base64 in the standard alphabet with padding, or
 * base64 in the URL-safe alphabet without.
 */
export const secret32 = () => parsed(readSecret32);

/** Items separated by commas, each read by `read`; at most `max`. */
const list = <T>(max: number, read: (item: string) => T | undefined) =>
  parsed((value) => {
    const items = value.split(',').map((item) => read(item.trim()));
    return items.length <= max && items.every((item) => item !== undefined) ? (items as T[]) : undefined;
  });

/** Several secrets of 32 bytes. */
export const secrets32 = (max: number) => list(max, readSecret32);

const ENCRYPTION_MODES = { disabled: 'disabled', optional: 'optional', required: 'required' } as const;

/** disabled (or a word for no), optional, required (or a word for yes). */
export const encryptionMode = () =>
  parsed((text) => {
    const word = text.toLowerCase();
    if (TRUE.has(word)) return ENCRYPTION_MODES.required;
    if (FALSE.has(word)) return ENCRYPTION_MODES.disabled;
    return Object.values(ENCRYPTION_MODES).find((mode) => mode === word);
  });

/** JSON: an object of UUIDs and non-empty lists of secrets of 32 bytes. */
export const tenantSecrets32 = (max: number) =>
  parsed((text): Record<string, Uint8Array[]> | undefined => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return undefined;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const entries = Object.entries(value).map(([tenant, list]): [string, (Uint8Array | undefined)[]] => [
      tenant.toLowerCase(),
      Array.isArray(list) ? list.map((key) => (typeof key === 'string' ? readSecret32(key) : undefined)) : [],
    ]);
    const good = entries.every(
      ([tenant, keys]) => UUID.test(tenant) && keys.length > 0 && !keys.includes(undefined),
    );
    return good && entries.length <= max
      ? (Object.fromEntries(entries) as Record<string, Uint8Array[]>)
      : undefined;
  });

/** A log's origin: a schema-less URL without spaces, plus signs or an empty path part. */
export const logOrigin = () =>
  parsed((value) =>
    value.length <= 128 && /^[A-Za-z0-9](?:[A-Za-z0-9._~:-]*)(?:\/[A-Za-z0-9._~-]+)*$/.test(value)
      ? value
      : undefined,
  );

/** Names of logs: `*`, `notary`, a tenant's UUID, or tenant and store. */
export const publicLogs = () =>
  list(1000, (item) => {
    const name = item.toLowerCase();
    if (name === '*' || name === 'notary') return name;
    const parts = name.split('/');
    return parts.length <= 2 && parts.every((part) => UUID.test(part)) ? name : undefined;
  });

/** An http or https URL without credentials and fragment; answers it without slashes at its end. */
export const httpUrl = () =>
  parsed((value) => {
    const url = value.length <= 2048 && URL.canParse(value) ? new URL(value) : undefined;
    const isPlain = url && ['http:', 'https:'].includes(url.protocol) && url.hash === '';
    return isPlain && url.username === '' && url.password === '' ? value.replace(/\/+$/, '') : undefined;
  });

/** IP addresses and CIDR ranges, as `node:net`'s BlockList takes them. */
export const addressRanges = (max: number) =>
  list(max, (item) => {
    const [address = '', bits, ...rest] = item.toLowerCase().split('/');
    const family = isIP(address);
    const mapped = address.startsWith('::ffff:') && bits !== undefined; // BlockList knows them as IPv4
    if (family === 0 || mapped || address.includes('%') || rest.length > 0) return undefined;
    const isRange =
      bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
    return isRange ? item.toLowerCase() : undefined;
  });

/** Witnesses: verifier key (c2sp.org/signed-note, type 0x04) and submission URL. */
export const witnesses = (max: number) =>
  list(max, (item) => {
    const [vkey, url, ...rest] = item.split(/\s+/);
    if (vkey === undefined || url === undefined || rest.length > 0) return undefined;
    if (!/^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/.test(vkey)) return undefined;
    if (Buffer.from(vkey.slice(vkey.indexOf('+', vkey.indexOf('+') + 1) + 1), 'base64')[0] !== 0x04)
      return undefined;
    const target = URL.canParse(url) ? new URL(url) : undefined;
    return target &&
      ['http:', 'https:'].includes(target.protocol) &&
      target.search === '' &&
      target.hash === ''
      ? { vkey, url: url.replace(/\/+$/, '') }
      : undefined;
  });

/** Origins of browsers' pages (RFC 6454): scheme, host and port, nothing more; `*` alone for all. */
export const corsOrigins = () =>
  list(1000, (item) => {
    if (item === '*') return item;
    const target = URL.canParse(item) ? new URL(item) : undefined;
    return target && ['http:', 'https:'].includes(target.protocol) && target.origin === item.toLowerCase()
      ? target.origin
      : undefined;
  });

/** A decimal fraction from 0 to 1. */
export const fraction = () =>
  parsed((value) => (/^(?:0|1|0?\.\d{1,9}|0\.\d{1,9}|1\.0{1,9})$/.test(value) ? Number(value) : undefined));

/** Headers as `name=value`, separated by commas; values may be percent-encoded. */
export const headerList = (max: number) =>
  list(max, (item) => {
    const [, name, value] = /^([A-Za-z0-9-]+)\s*=\s*(\S.*)$/.exec(item) ?? [];
    if (name === undefined || value === undefined) return undefined;
    try {
      return { name: name.toLowerCase(), value: decodeURIComponent(value) };
    } catch {
      return undefined;
    }
  });
