import { readFile, stat } from 'node:fs/promises';

const BYTES_MAX = 1024 * 1024;
const FETCH_TIMEOUT_MS = 5000;

/** Reads a JWK Set from a file. @throws Error */
export async function readKeySetFile(path: string): Promise<unknown> {
  const { size } = await stat(path);
  if (size > BYTES_MAX) throw new Error(`${path} is larger than ${BYTES_MAX} bytes`);
  return JSON.parse(await readFile(path, 'utf8'));
}

/** Fetches a JWK Set. Redirects are not followed: keys come from where the operator said, or not at all. @throws Error */
export async function fetchKeySet(url: string, timeoutMs = FETCH_TIMEOUT_MS): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs), // for the body too
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > BYTES_MAX) throw new Error(`${url} answered more than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
