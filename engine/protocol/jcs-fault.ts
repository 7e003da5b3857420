/**
 * - `depth`: containers nest deeper than allowed
 * - `lone_surrogate`: a string or key is not well-formed UTF-16, so it has no UTF-8 form
 * - `nul`: a string or key holds U+0000
 * - `not_finite`: a number beyond the range of a double (`1e999`), or NaN
 * - `not_json`: undefined, function, symbol, bigint, a hole in an array, or an object that is not plain
 */
export type JcsFaultReason = 'depth' | 'lone_surrogate' | 'nul' | 'not_finite' | 'not_json';

const TEXT: Record<JcsFaultReason, string> = {
  depth: 'nests too deeply',
  lone_surrogate: 'contains a lone surrogate and is not valid Unicode',
  nul: 'contains the character U+0000, which cannot be stored',
  not_finite: 'is a number outside the range of a double',
  not_json: 'is not a JSON value',
};

const PLACE_UNITS_MAX = 200;

/** The value has no canonical form. `path` is the JSON Pointer (RFC 6901) of the first offending value. */
export class JcsError extends Error {
  override readonly name = 'JcsError';
  readonly reason: JcsFaultReason;
  readonly path: string;

  constructor(reason: JcsFaultReason, path: string) {
    // Member names are the sender's: a message stays short whatever they are.
    const place = path.length > PLACE_UNITS_MAX ? `${path.slice(0, PLACE_UNITS_MAX)}…` : path;
    super(`${place === '' ? 'the value' : place} ${TEXT[reason]}`);
    this.reason = reason;
    this.path = path;
  }
}

/** Walks a value that failed to serialise and returns the error for the first fault in document order. */
export function locateFault(value: unknown, allowNul: boolean, maxDepth: number): JcsError {
  return find(value, '', 0, { allowNul, maxDepth }) ?? new JcsError('not_json', '');
}

type Rules = { allowNul: boolean; maxDepth: number };

function find(value: unknown, path: string, depth: number, rules: Rules): JcsError | undefined {
  if (typeof value === 'string') return findInText(value, path, rules);
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : new JcsError('not_finite', path);
  if (typeof value === 'boolean' || value === null) return undefined;
  if (typeof value !== 'object') return new JcsError('not_json', path);
  if (depth >= rules.maxDepth) return new JcsError('depth', path);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = find(value[i], `${path}/${i}`, depth + 1, rules);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  for (const [key, member] of Object.entries(value)) {
    const at = `${path}/${pointerToken(key)}`;
    const fault = findInText(key, at, rules) ?? find(member, at, depth + 1, rules);
    if (fault !== undefined) return fault;
  }
  // A Date or Map has no enumerable members to blame; the caller's check on plain objects did not pass.
  return isPlainObject(value) ? undefined : new JcsError('not_json', path);
}

function findInText(text: string, path: string, rules: Rules): JcsError | undefined {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 && !rules.allowNul) return new JcsError('nul', path);
    if ((code & 0xf800) !== 0xd800) continue;
    if (code >= 0xdc00 || (text.charCodeAt(i + 1) & 0xfc00) !== 0xdc00)
      return new JcsError('lone_surrogate', path);
    i++;
  }
  return undefined;
}

function pointerToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Made by `{}`, `JSON.parse` or `Object.create(null)`, in whatever realm; not a Date, Map or class instance. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}
