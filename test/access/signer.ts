/** Signs requests as a client would, from RFC 9421 and 9530 alone: nothing of the service's code is used. */
import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

export interface SignOptions {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly body?: string | Buffer;
  readonly host?: string;
  readonly components?: readonly string[];
  readonly created?: number;
  readonly expires?: number;
  readonly nonce?: string | null;
  readonly keyId?: string;
  readonly alg?: string | null;
  readonly digest?: string;
  readonly label?: string;
  readonly scheme?: string;
  /** Further header fields, by lower-case name. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** An agent with a key of its own. */
export function createSigner(agent: { tenantId: string; agentId: string; keyId: number }) {
  const pair = generateKeyPairSync('ed25519');
  const privateKey = createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const publicKey = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x!, 'base64url');

  /** The headers that make a request a signed one. */
  const headersOf = (options: SignOptions): Record<string, string> => {
    const { method, path, body, host = '', scheme = 'http', label = 'sig1', fields = {} } = options;
    const digest =
      options.digest ??
      (body === undefined ? undefined : `sha-256=:${createHash('sha256').update(body).digest('base64')}:`);
    const headers = { ...fields, ...(digest === undefined ? {} : { 'content-digest': digest }) };
    const components = options.components ?? [
      '@method',
      '@path',
      '@query',
      ...(digest === undefined ? [] : ['content-digest']),
    ];
    const [pathname, query] = [path.split('?')[0]!, path.includes('?') ? path.slice(path.indexOf('?')) : '?'];
    const derived: Record<string, string> = {
      '@method': method,
      '@path': pathname,
      '@query': query,
      '@authority': host,
      '@scheme': scheme,
      '@target-uri': `${scheme}://${host}${path}`,
      '@request-target': path,
    };
    const {
      created = Math.floor(Date.now() / 1000),
      expires,
      nonce = randomUUID(),
      alg = 'ed25519',
    } = options;
    const keyId = options.keyId ?? `${agent.tenantId}/${agent.agentId}/${agent.keyId}`;
    const params = [
      `(${components.map((name) => `"${name}"`).join(' ')})`,
      `created=${created}`,
      ...(expires === undefined ? [] : [`expires=${expires}`]),
      ...(nonce === null ? [] : [`nonce="${nonce}"`]),
      `keyid="${keyId}"`,
      ...(alg === null ? [] : [`alg="${alg}"`]),
    ].join(';');
    const lines = components.map(
      (name) => `"${name}": ${derived[name] ?? (headers as Record<string, string>)[name]}`,
    );
    const base = [...lines, `"@signature-params": ${params}`].join('\n');
    return {
      ...headers,
      'signature-input': `${label}=${params}`,
      signature: `${label}=:${sign(null, Buffer.from(base), privateKey).toString('base64')}:`,
    };
  };
  return { ...agent, publicKey, headersOf };
}
