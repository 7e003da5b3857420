/**
 * A witness for tests, over real HTTP, written from c2sp.org/tlog-witness and nothing of ours: it parses notes itself, verifies with
 * node:crypto, and is strict in every check. What it remembers dies with it.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as edSign,
  verify as edVerify,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LogKey {
  readonly origin: string;
  /** Raw Ed25519 public key. */
  readonly publicKey: Uint8Array;
}

/** `type`: the content type, plain text if unset. */
export interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly text: string;
  readonly headers?: Record<string, string>;
}

/** What a witness answers instead of what it should; nothing when it writes to the response itself, or never does. */
export type Lie = (request: {
  readonly body: string;
  readonly honest: () => Answer;
  readonly response: ServerResponse;
}) => Answer | undefined;

export interface TestWitness {
  readonly name: string;
  readonly vkey: string;
  /** Submission prefix. */
  readonly url: string;
  /** Logs it knows. */
  readonly logs: Map<string, Uint8Array>;
  /** Latest cosigned size and root by origin; may be changed. */
  readonly latest: Map<string, { size: number; root: string }>;
  /** Bodies of all requests. */
  readonly requests: string[];
  /** Makes it lie; undefined: honest. */
  lie: Lie | undefined;
  /** Seconds added to its clock. */
  clockSkew: number;
  /** A cosignature of a text, with another key if given. */
  cosign(body: string, key?: KeyObject, timestamp?: number): string;
  close(): Promise<void>;
}

const sha256 = (...parts: (Uint8Array | string)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const rawPublicKey = (key: KeyObject) =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);

const publicKeyOf = (raw: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]),
    format: 'der',
    type: 'spki',
  });

const keyIdOf = (name: string, type: number, raw: Uint8Array) =>
  sha256(`${name}\n`, Buffer.from([type]), raw).subarray(0, 4);

export async function startWitness(name: string, logs: readonly LogKey[], port = 0): Promise<TestWitness> {
  const { privateKey } = generateKeyPairSync('ed25519');
  return serveWitness(name, privateKey, logs, port);
}

/** The same witness again: a key in PKCS #8 PEM keeps its identity. */
export async function serveWitness(
  name: string,
  key: KeyObject | string,
  logs: readonly LogKey[],
  port = 0,
): Promise<TestWitness> {
  const privateKey = typeof key === 'string' ? createPrivateKey(key) : key;
  const raw = rawPublicKey(privateKey);
  const keyId = keyIdOf(name, 4, raw);

  const server = createServer((request, response) => {
    receive(request).then((body) => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));

  const witness: TestWitness = {
    name,
    vkey: `${name}+${keyId.toString('hex')}+${Buffer.concat([Buffer.from([4]), raw]).toString('base64')}`,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`,
    logs: new Map(logs.map(({ origin, publicKey }) => [origin, publicKey])),
    latest: new Map(),
    requests: [],
    lie: undefined,
    clockSkew: 0,
    cosign(body, other = privateKey, timestamp = Math.floor(Date.now() / 1000) + witness.clockSkew) {
      const message = Buffer.from(`cosignature/v1\ntime ${timestamp}\n${body}`);
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(timestamp));
      const signature = Buffer.concat([keyId, time, edSign(null, message, other)]);
      return `— ${name} ${signature.toString('base64')}\n`;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    witness.requests.push(body);
    const honest = () => judge(request, body);
    const given = witness.lie ? witness.lie({ body, honest, response }) : honest();
    if (!given) return;
    response.writeHead(given.status, { 'content-type': given.type ?? 'text/plain', ...given.headers });
    response.end(given.text);
  }

  /** The checks of add-checkpoint, in the order of the document. */
  function judge(request: IncomingMessage, body: string): Answer {
    if (request.method !== 'POST') return { status: 405, text: '' };
    if (request.url !== '/w/add-checkpoint') return { status: 404, text: 'no such resource\n' };
    const submission = parseSubmission(body);
    if (!submission) return { status: 400, text: 'malformed\n' };
    const { oldSize, proof, text, origin, size, root, signatures } = submission;
    const logKey = witness.logs.get(origin);
    if (!logKey) return { status: 404, text: 'unknown log\n' };
    const logKeyId = keyIdOf(origin, 1, logKey);
    const trusted = signatures.filter((line) => line.name === origin && logKeyId.equals(line.keyId));
    const verified = trusted.some(({ signature }) =>
      edVerify(null, Buffer.from(text), publicKeyOf(logKey), signature),
    );
    if (!verified) return { status: 403, text: 'no trusted signature\n' };
    if (oldSize > size) return { status: 400, text: 'old size above the size\n' };
    const latest = witness.latest.get(origin);
    const conflict = { status: 409, type: 'text/x.tlog.size', text: `${latest?.size ?? 0}\n` };
    if (oldSize !== (latest?.size ?? 0)) return conflict;
    if (latest && latest.size === size && latest.root !== root) return conflict;
    const consistent = latest
      ? isConsistent(
          latest.size,
          Buffer.from(latest.root, 'base64'),
          size,
          Buffer.from(root, 'base64'),
          proof,
        )
      : proof.length === 0;
    if (!consistent) return { status: 422, text: 'inconsistent\n' };
    witness.latest.set(origin, { size, root });
    return { status: 200, text: witness.cosign(text) };
  }

  return witness;
}

async function receive(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const DECIMAL = /^(?:0|[1-9][0-9]*)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function parseSubmission(body: string) {
  const split = body.indexOf('\n\n');
  if (split < 0) return undefined;
  const [old, ...proofLines] = body.slice(0, split).split('\n');
  const oldText = /^old (.*)$/.exec(old ?? '')?.[1] ?? '';
  if (!DECIMAL.test(oldText) || proofLines.length > 63) return undefined;
  const proof = proofLines.map((line) => Buffer.from(line, 'base64'));
  if (proofLines.some((line) => !BASE64.test(line)) || proof.some((hash) => hash.length !== 32))
    return undefined;
  const note = body.slice(split + 2);
  const noteSplit = note.lastIndexOf('\n\n');
  if (noteSplit < 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, noteSplit + 1);
  const [origin = '', sizeText = '', root = ''] = text.split('\n');
  if (origin === '' || !DECIMAL.test(sizeText) || !BASE64.test(root)) return undefined;
  if (Buffer.from(root, 'base64').length !== 32) return undefined;
  const lines = note.slice(noteSplit + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const [, name = '', encoded = ''] = /^— ([^ +]+) ([^ ]+)$/.exec(line) ?? [];
    const bytes = Buffer.from(encoded, 'base64');
    return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4), good: BASE64.test(encoded) };
  });
  if (signatures.some(({ name, good, signature }) => name === '' || !good || signature.length === 0))
    return undefined;
  return { oldSize: Number(oldText), proof, text, origin, size: Number(sizeText), root, signatures };
}

/** RFC 9162 section 2.1.4.2, step by step. Sizes of tests stay below 2^31. */
export function isConsistent(
  first: number,
  firstRoot: Buffer,
  second: number,
  secondRoot: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (first === second) return proof.length === 0 && firstRoot.equals(secondRoot);
  if (first === 0 || first > second || proof.length === 0) return false;
  const powerOfTwo = (first & (first - 1)) === 0;
  const [start, ...rest] = powerOfTwo ? [firstRoot, ...proof] : proof;
  let fn = first - 1;
  let sn = second - 1;
  while (fn & 1) {
    fn >>>= 1;
    sn >>>= 1;
  }
  let fr = start!;
  let sr = start!;
  for (const c of rest) {
    if (sn === 0) return false;
    if (fn & 1 || fn === sn) {
      fr = sha256(Buffer.from([1]), c, fr);
      sr = sha256(Buffer.from([1]), c, sr);
      while (!(fn & 1) && fn !== 0) {
        fn >>>= 1;
        sn >>>= 1;
      }
    } else sr = sha256(Buffer.from([1]), sr, c);
    fn >>>= 1;
    sn >>>= 1;
  }
  return sn === 0 && fr.equals(firstRoot) && sr.equals(secondRoot);
}
