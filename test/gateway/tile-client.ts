/**
 * A monitor of a tiled log, written from c2sp.org/tlog-tiles, signed-note and RFC 6962 and nothing of ours: it fetches the
 * checkpoint and every tile and entry, recomputes the tree from the entries, compares everything with everything, and verifies
 * the signature with node:crypto.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { request } from 'undici';

export interface MonitorWish {
  /** Where the log is: `http://host:port/log/...`, without a slash at the end. */
  readonly prefix: string;
  readonly origin: string;
  /** Raw Ed25519 key of the log. */
  readonly publicKey: Uint8Array;
  readonly headers?: Record<string, string>;
}

/** A log that was read from end to end. */
export interface SeenLog {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly entries: readonly Buffer[];
  /** Paths below the prefix that were fetched. */
  readonly paths: readonly string[];
}

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** RFC 6962 section 2.1. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha256(NODE, treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}

const placeOf = (index: number): string => {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(String(rest % 1000).padStart(3, '0'));
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
};

/** Paths of the tiles (or bundles) of a level that together hold so many hashes. */
const pathsOf = (level: number | 'entries', hashes: number): { path: string; width: number }[] =>
  Array.from({ length: Math.ceil(hashes / 256) }, (_, index) => {
    const width = Math.min(256, hashes - index * 256);
    return { path: `tile/${level}/${placeOf(index)}${width < 256 ? `.p/${width}` : ''}`, width };
  });

/** Opens a note with one known key. @throws Error when it is not signed by it */
export function openNote(note: string, name: string, publicKey: Uint8Array): string {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const keyId = sha256(Buffer.from(`${name}\n\u0001`), publicKey).subarray(0, 4);
  const key = createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]),
    format: 'der',
    type: 'spki',
  });
  for (const line of note.slice(split + 2).split('\n')) {
    const [dash, by, encoded = ''] = line.split(' ');
    const bytes = Buffer.from(encoded, 'base64');
    if (dash !== '—' || by !== name || !bytes.subarray(0, 4).equals(keyId)) continue;
    if (verify(null, Buffer.from(text), key, bytes.subarray(4))) return text;
    throw new Error('wrong signature');
  }
  throw new Error('no signature of the key');
}

/** Reads a whole log. @throws Error at the first thing that does not fit */
export async function monitor(wish: MonitorWish, note?: string): Promise<SeenLog> {
  const { prefix, origin, publicKey, headers = {} } = wish;
  const paths: string[] = [];
  const get = async (path: string, type: string): Promise<Buffer> => {
    paths.push(path);
    const response = await request(`${prefix}/${path}`, { headers });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${bytes}`);
    if (response.headers['content-type'] !== type)
      throw new Error(`${path} is ${response.headers['content-type']}`);
    return bytes;
  };

  const signed = note ?? (await get('checkpoint', 'text/plain; charset=utf-8')).toString();
  const [first, sizeText, rootText, end] = openNote(signed, origin, publicKey).split('\n');
  if (first !== origin || end !== '') throw new Error(`unexpected checkpoint ${signed}`);
  const size = Number(sizeText);
  const root = Buffer.from(rootText!, 'base64');

  const entries: Buffer[] = [];
  for (const { path, width } of pathsOf('entries', size)) {
    const bundle = await get(path, 'application/octet-stream');
    let at = 0;
    for (let i = 0; i < width; i++) {
      const length = bundle.readUInt16BE(at);
      entries.push(bundle.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    if (at !== bundle.length) throw new Error(`${path} has ${bundle.length - at} bytes too many`);
  }

  const leaves = entries.map((entry) => sha256(LEAF, entry));
  if (!treeHash(leaves).equals(root)) throw new Error('the entries do not have the root of the checkpoint');
  let level = 0;
  for (let hashes = leaves; hashes.length > 0; level++) {
    for (const [i, { path, width }] of pathsOf(level, hashes.length).entries()) {
      const expected = Buffer.concat(hashes.slice(i * 256, i * 256 + width));
      if (!(await get(path, 'application/octet-stream')).equals(expected))
        throw new Error(`${path} is not what follows from the entries`);
    }
    hashes = Array.from({ length: Math.floor(hashes.length / 256) }, (_, i) =>
      treeHash(hashes.slice(i * 256, (i + 1) * 256)),
    );
  }
  return { size, root, note: signed, entries, paths };
}
