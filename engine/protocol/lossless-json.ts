/**
 * A JSON parser (RFC 8259) that keeps what `JSON.parse` loses: the token of every number. Legacy payload hashes cover
 * numbers as they were written (`1.0` is not `1`), so they can only be reproduced from the original text.
 */

/** Containers may nest this deep inside a whole request body. */
const MAX_DEPTH = 132;

/** A number as written. */
export type JsonNumber = { readonly token: string };

/** Objects are maps, so that `__proto__` and number-like names are ordinary members; of duplicates the last wins. */
export type LosslessJson =
  | null
  | boolean
  | string
  | JsonNumber
  | LosslessJson[]
  | ReadonlyMap<string, LosslessJson>;

/** The text is not JSON, or nests too deeply. `position` counts UTF-16 units from the start of the text. */
export class LosslessJsonError extends Error {
  override readonly name = 'LosslessJsonError';
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} at position ${position}`);
    this.position = position;
  }
}

/** Parses a whole text. @throws LosslessJsonError */
export function parseLossless(text: string): LosslessJson {
  const reader = createReader(text);
  const value = reader.readValue(0);
  reader.expectEnd();
  return value;
}

export function isJsonNumber(value: LosslessJson | undefined): value is JsonNumber {
  return typeof value === 'object' && value !== null && 'token' in value;
}

export function isJsonObject(value: LosslessJson | undefined): value is ReadonlyMap<string, LosslessJson> {
  return value instanceof Map;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** Everything up to the next quote, escape or control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in strings
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

function createReader(text: string) {
  let at = 0;

  function fail(message: string): never {
    throw new LosslessJsonError(message, at);
  }

  function skipSpace(): void {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      at++;
    }
  }

  function readValue(depth: number): LosslessJson {
    skipSpace();
    switch (text[at]) {
      case '{':
        return readObject(depth + 1);
      case '[':
        return readArray(depth + 1);
      case '"':
        return readString();
      case 't':
        return readWord('true', true);
      case 'f':
        return readWord('false', false);
      case 'n':
        return readWord('null', null);
      default:
        return readNumber();
    }
  }

  function readWord<T>(word: string, value: T): T {
    if (!text.startsWith(word, at)) fail('unexpected character');
    at += word.length;
    return value;
  }

  function readNumber(): JsonNumber {
    NUMBER.lastIndex = at;
    const token = NUMBER.exec(text)?.[0];
    if (token === undefined) return fail('unexpected character');
    at += token.length;
    return { token };
  }

  function readString(): string {
    at++;
    let value = '';
    for (;;) {
      PLAIN_CHARACTERS.lastIndex = at;
      const plain = PLAIN_CHARACTERS.exec(text)![0];
      value += plain;
      at += plain.length;
      if (text[at] === '"') {
        at++;
        return value;
      }
      if (text[at] !== '\\') return fail('unterminated string');
      value += readEscape();
    }
  }

  function readEscape(): string {
    const letter = text[at + 1] ?? '';
    if (letter === 'u') {
      const digits = text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) fail('bad escape');
      at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const value = ESCAPES[letter];
    if (value === undefined) return fail('bad escape');
    at += 2;
    return value;
  }

  function readArray(depth: number): LosslessJson[] {
    enter(depth);
    const items: LosslessJson[] = [];
    skipSpace();
    if (text[at] === ']') {
      at++;
      return items;
    }
    for (;;) {
      items.push(readValue(depth));
      if (!continues(']')) return items;
    }
  }

  function readObject(depth: number): Map<string, LosslessJson> {
    enter(depth);
    const members = new Map<string, LosslessJson>();
    skipSpace();
    if (text[at] === '}') {
      at++;
      return members;
    }
    for (;;) {
      skipSpace();
      if (text[at] !== '"') fail('expected a member name');
      const name = readString();
      skipSpace();
      if (text[at] !== ':') fail('expected a colon');
      at++;
      members.set(name, readValue(depth));
      if (!continues('}')) return members;
    }
  }

  /** Steps over the opening bracket. */
  function enter(depth: number): void {
    if (depth > MAX_DEPTH) fail('nesting is too deep');
    at++;
  }

  /** Steps over a comma (true) or the closing bracket (false). */
  function continues(close: string): boolean {
    skipSpace();
    const found = text[at];
    if (found !== ',' && found !== close) fail(`expected a comma or ${close}`);
    at++;
    return found === ',';
  }

  function expectEnd(): void {
    skipSpace();
    if (at !== text.length) fail('unexpected text after the value');
  }

  return { readValue, expectEnd };
}
