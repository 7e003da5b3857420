/**
 * Dictionaries of HTTP Structured Fields (RFC 9651 section 3.2), as far as message signatures and content digests need them: inner lists
 * of strings, byte sequences, and parameters. Whatever else is well-formed elsewhere is refused here.
 */

export type BareItem = string | number | boolean | Uint8Array;

/** Parameters in their order; of a name given twice the last value counts, at the first place. */
export type Parameters = ReadonlyMap<string, BareItem>;

export interface StringItem {
  readonly value: string;
  readonly params: Parameters;
}

export type DictionaryMember =
  | { readonly kind: 'list'; readonly items: readonly StringItem[]; readonly params: Parameters }
  | { readonly kind: 'item'; readonly value: BareItem; readonly params: Parameters };

const MEMBERS_MAX = 32;
const KEY = /[a-z*][a-z0-9_.*-]*/y;
const INTEGER = /-?[0-9]{1,15}(?![0-9.])/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y;
const TOKEN = /[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*/y;
const SPACES = / */y;
const OPTIONAL_WHITESPACE = /[ \t]*/y;

/** Reads a dictionary; `undefined` if it is not one, or has more than 32 members or parameters of one. */
export function parseDictionary(text: string): ReadonlyMap<string, DictionaryMember> | undefined {
  const reader = { text, at: 0 };
  const members = new Map<string, DictionaryMember>();
  take(reader, SPACES);
  while (reader.at < text.length) {
    const key = take(reader, KEY)?.[0];
    if (key === undefined || members.size === MEMBERS_MAX) return undefined;
    const member = readMember(reader);
    if (member === undefined) return undefined;
    members.delete(key);
    members.set(key, member);
    take(reader, OPTIONAL_WHITESPACE);
    if (reader.at === text.length) break;
    if (text[reader.at++] !== ',') return undefined;
    take(reader, OPTIONAL_WHITESPACE);
    if (reader.at === text.length) return undefined;
  }
  return members;
}

interface Reader {
  readonly text: string;
  at: number;
}

function take(reader: Reader, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text);
  if (found === null) return undefined;
  reader.at = pattern.lastIndex;
  return found;
}

function readMember(reader: Reader): DictionaryMember | undefined {
  if (reader.text[reader.at] !== '=') {
    const params = readParameters(reader);
    return params && { kind: 'item', value: true, params };
  }
  reader.at++;
  if (reader.text[reader.at] === '(') return readList(reader);
  const value = readBareItem(reader);
  const params = value === undefined ? undefined : readParameters(reader);
  return params && { kind: 'item', value: value!, params };
}

function readList(reader: Reader): DictionaryMember | undefined {
  const items: StringItem[] = [];
  reader.at++;
  for (;;) {
    const spaces = take(reader, SPACES)![0].length;
    if (reader.text[reader.at] === ')') break;
    if (items.length === MEMBERS_MAX || (items.length > 0 && spaces === 0)) return undefined;
    const value = take(reader, STRING)?.[1];
    const params = value === undefined ? undefined : readParameters(reader);
    if (params === undefined) return undefined;
    items.push({ value: unescaped(value!), params });
  }
  reader.at++;
  const params = readParameters(reader);
  return params && { kind: 'list', items, params };
}

function readParameters(reader: Reader): Parameters | undefined {
  const params = new Map<string, BareItem>();
  while (reader.text[reader.at] === ';') {
    reader.at++;
    take(reader, SPACES);
    const key = take(reader, KEY)?.[0];
    if (key === undefined || params.size === MEMBERS_MAX) return undefined;
    let value: BareItem | undefined = true;
    if (reader.text[reader.at] === '=') {
      reader.at++;
      value = readBareItem(reader);
      if (value === undefined) return undefined;
    }
    params.set(key, value);
  }
  return params;
}

function readBareItem(reader: Reader): BareItem | undefined {
  switch (reader.text[reader.at]) {
    case '"': {
      const text = take(reader, STRING)?.[1];
      return text === undefined ? undefined : unescaped(text);
    }
    case ':': {
      const text = take(reader, BYTES)?.[1];
      if (text === undefined || text.length % 4 !== 0) return undefined;
      const bytes = Buffer.from(text, 'base64');
      return bytes.toString('base64') === text ? bytes : undefined; // one spelling per value
    }
    case '?': {
      const sign = reader.text[reader.at + 1];
      reader.at += 2;
      return sign === '1' ? true : sign === '0' ? false : undefined;
    }
    default: {
      const digits = take(reader, INTEGER)?.[0];
      return digits === undefined ? take(reader, TOKEN)?.[0] : Number(digits);
    }
  }
}

const unescaped = (text: string): string => text.replace(/\\(["\\])/g, '$1');
const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/**
 * An inner list as RFC 9651 section 4.1.1.1 writes it. Strings and tokens are both texts here: parameters that are texts are written as
 * strings, which is what the parameters of signatures are.
 */
export function serializeInnerList(items: readonly StringItem[], params: Parameters): string {
  const list = items.map((item) => quoted(item.value) + serializeParameters(item.params)).join(' ');
  return `(${list})${serializeParameters(params)}`;
}

const serializeParameters = (params: Parameters): string =>
  [...params]
    .map(([name, value]) => (value === true ? `;${name}` : `;${name}=${serializeItem(value)}`))
    .join('');

function serializeItem(value: BareItem): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? '?1' : '?0';
  return `:${Buffer.from(value).toString('base64')}:`;
}
