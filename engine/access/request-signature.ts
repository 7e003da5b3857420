/**
 * HTTP message signatures (RFC 9421) by agents, with the Ed25519 keys that sign their events. A request is taken when its signature
 * covers all that decides what it does: the method, the target, and the digest of a body that is read; when it is new (`created` within
 * the window, `expires` not passed); and when its nonce was not used before.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import { formatUuid, parseUuid } from '../protocol/index.js';
import type { NonceCache } from './nonce-cache.js';
import { type DictionaryMember, parseDictionary, serializeInnerList } from './structured-fields.js';

/** What of a request can be signed. */
export interface SignedRequest {
  readonly method: string;
  /** Raw, percent-encoding intact. */
  readonly path: string;
  /** Raw, without `?`. */
  readonly query: string;
  /** By lower-case name; values of fields given more than once are joined by `, `. */
  readonly fields: ReadonlyMap<string, string>;
  /** Whether the service reads the body. */
  readonly hasBody: boolean;
}

/** Whose key a signature names. Ids are lower-case hyphenated UUIDs. */
export interface SigningKeyName {
  readonly tenantId: string;
  readonly agentId: string;
  readonly keyId: number;
}

export interface RequestSignatureOptions {
  /** How far `created` may lie from the clock, either way, in seconds. */
  readonly windowSecs: number;
  /** The public key, if it is valid now. */
  readonly findKey: (name: SigningKeyName) => KeyObject | undefined | Promise<KeyObject | undefined>;
  readonly nonces: NonceCache;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

const FIELD_CHARACTERS_MAX = 8192;
const NONCE = /^[\x21-\x7e]{16,128}$/;
const KEY_ID = /^([0-9A-Fa-f-]{32,36})\/([0-9A-Fa-f-]{32,36})\/(0|[1-9][0-9]{0,9})$/;
const KEY_ID_MAX = 0xffff_ffff;
const SIGNATURE_BYTES = 64;

/** Nobody's key: an unknown key costs the same time as a known one. */
const NOBODY = createPublicKey({
  key: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  format: 'jwk',
});

const refuse = (message: string): never => {
  throw new ServiceError('INVALID_REQUEST_SIGNATURE', message);
};

/**
 * Answers whose signature the request carries, at once if the key is found at once. Throws or rejects with ServiceError
 * INVALID_REQUEST_SIGNATURE or RATE_LIMIT_EXCEEDED (more nonces than are remembered).
 */
export function verifyRequestSignature(
  request: SignedRequest,
  options: RequestSignatureOptions,
): SigningKeyName | Promise<SigningKeyName> {
  const parsed = readSignature(request);
  requireCoverage(parsed.covered, request.hasBody);
  requireNew(parsed, options.windowSecs, options.nowMs());
  const settle = (key: KeyObject | undefined): SigningKeyName => {
    const holds = holdsUnder(key ?? NOBODY, request, parsed);
    if (key === undefined || !holds)
      return refuse('The signature does not hold under a key of this agent that is valid now');
    useNonce(parsed, options);
    return parsed.name;
  };
  const key = options.findKey(parsed.name);
  return key instanceof Promise ? key.then(settle) : settle(key);
}

/** Only for signatures that hold: strangers must not fill the memory of nonces. */
function useNonce(
  { name, nonce, created, expires }: ParsedSignature,
  options: RequestSignatureOptions,
): void {
  const { windowSecs, nonces, nowMs } = options;
  const lastMs = Math.min(created + windowSecs, expires ?? Number.POSITIVE_INFINITY) * 1000;
  const verdict = nonces.take(name.tenantId, `${name.agentId}/${nonce}`, lastMs, nowMs());
  if (verdict === 'replayed') refuse('The nonce was used already: sign every request anew');
  if (verdict === 'full')
    throw new ServiceError(
      'RATE_LIMIT_EXCEEDED',
      'More signed requests than this server remembers; send fewer',
      {
        retryAfter: Math.ceil(windowSecs / 2),
      },
    );
}

type InnerList = DictionaryMember & { kind: 'list' };

interface ParsedSignature {
  readonly covered: InnerList;
  readonly signature: Uint8Array;
  readonly name: SigningKeyName;
  readonly created: number;
  readonly expires: number | undefined;
  readonly nonce: string;
}

/** The one signature whose keyid names an agent's key; those of others, such as proxies, are not ours to judge. */
function readSignature({ fields }: SignedRequest): ParsedSignature {
  const inputs = readField(fields, 'signature-input');
  const signatures = readField(fields, 'signature');
  const ours = [...inputs].filter(([, member]) => readKeyName(member.params.get('keyid')) !== undefined);
  if (ours.length !== 1)
    refuse(
      'Signature-Input must have one signature with keyid="<tenant>/<agent>/<key id>", UUIDs and a number',
    );
  const [label, covered] = ours[0]!;
  if (covered.kind !== 'list') return refuse('Signature-Input must list the covered components');
  const signature = signatures.get(label);
  if (
    signature?.kind !== 'item' ||
    !(signature.value instanceof Uint8Array) ||
    signature.value.length !== SIGNATURE_BYTES
  )
    return refuse(`Signature must have ${SIGNATURE_BYTES} bytes under the label of Signature-Input`);
  const params = covered.params;
  const alg = params.get('alg');
  if (alg !== undefined && alg !== 'ed25519') refuse('alg must be "ed25519"');
  const created = params.get('created');
  const expires = params.get('expires');
  const nonce = params.get('nonce');
  if (typeof created !== 'number') return refuse('created is needed: seconds since 1970');
  if (expires !== undefined && typeof expires !== 'number')
    return refuse('expires must be seconds since 1970');
  if (typeof nonce !== 'string' || !NONCE.test(nonce))
    return refuse('nonce is needed: 16 to 128 visible ASCII characters, new for every request');
  return {
    covered,
    signature: signature.value,
    name: readKeyName(params.get('keyid'))!,
    created,
    expires,
    nonce,
  };
}

function readField(fields: SignedRequest['fields'], name: string): ReadonlyMap<string, DictionaryMember> {
  const text = fields.get(name) ?? '';
  const members = text.length > FIELD_CHARACTERS_MAX ? undefined : parseDictionary(text);
  return (
    members ?? refuse(`${name === 'signature' ? 'Signature' : 'Signature-Input'} cannot be read (RFC 9421)`)
  );
}

function readKeyName(value: unknown): SigningKeyName | undefined {
  const [, tenantText, agentText, keyText] = (typeof value === 'string' && KEY_ID.exec(value)) || [];
  const tenant = tenantText === undefined ? undefined : parseUuid(tenantText);
  const agent = agentText === undefined ? undefined : parseUuid(agentText);
  const keyId = Number(keyText);
  if (tenant === undefined || agent === undefined || keyId > KEY_ID_MAX) return undefined;
  return { tenantId: formatUuid(tenant), agentId: formatUuid(agent), keyId };
}

function requireCoverage({ items }: InnerList, hasBody: boolean): void {
  const names = items.map((item) => item.value);
  if (new Set(names).size !== names.length || items.some((item) => item.params.size > 0))
    refuse('Components are covered once each and without parameters');
  const covers = (name: string) => names.includes(name);
  if (!covers('@method')) refuse('The signature must cover @method');
  if (!covers('@target-uri') && !(covers('@path') && covers('@query')))
    refuse('The signature must cover @target-uri, or @path and @query');
  if (hasBody && !covers('content-digest'))
    refuse('The signature must cover content-digest: this request has a body');
}

function requireNew({ created, expires }: ParsedSignature, windowSecs: number, nowMs: number): void {
  const now = nowMs / 1000;
  if (Math.abs(now - created) > windowSecs)
    refuse(`created must be within ${windowSecs} s of this server’s clock: check yours`);
  if (expires !== undefined && now >= expires) refuse('The signature has expired');
}

/** Which scheme the client used is not known behind a proxy; where the signature covers it, either will do. */
function holdsUnder(
  key: KeyObject,
  request: SignedRequest,
  { covered, signature }: ParsedSignature,
): boolean {
  const dependsOnScheme = covered.items.some(({ value }) => value === '@target-uri' || value === '@scheme');
  return (dependsOnScheme ? ['https', 'http'] : ['http']).some((scheme) =>
    verify(null, signatureBase(request, covered, scheme), key, signature),
  );
}

/** What is signed (RFC 9421 section 2.5). @throws ServiceError INVALID_REQUEST_SIGNATURE */
function signatureBase(request: SignedRequest, { items, params }: InnerList, scheme: string): Buffer {
  const lines = items.map((item) => `"${item.value}": ${componentValue(request, item.value, scheme)}`);
  lines.push(`"@signature-params": ${serializeInnerList(items, params)}`);
  return Buffer.from(lines.join('\n'), 'latin1');
}

function componentValue(request: SignedRequest, name: string, scheme: string): string {
  const { method, path, query, fields } = request;
  const authority = () =>
    (fields.get('host') ?? '').toLowerCase().replace(scheme === 'http' ? /:80$/ : /:443$/, '');
  const target = query === '' ? path : `${path}?${query}`;
  switch (name) {
    case '@method':
      return method;
    case '@path':
      return path;
    case '@query':
      return `?${query}`;
    case '@authority':
      return authority();
    case '@scheme':
      return scheme;
    case '@request-target':
      return target;
    case '@target-uri':
      return `${scheme}://${authority()}${target}`;
  }
  const value = /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) ? fields.get(name) : undefined;
  return (
    value?.trim() ?? refuse(`The signature covers ${JSON.stringify(name)}, which this request does not have`)
  );
}
