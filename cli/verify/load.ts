/** Reads evidence and keys from files and, only where the user wrote a URL, from the network; bounded in size and time. */
import { open } from 'node:fs/promises';
import type { Problem } from '../../engine/log/index.js';

/** Greatest size of a file or answer. */
const BYTES_MAX = 16_000_000;
/** How long an answer may take, its body included. */
const TIMEOUT_MS = 10_000;
const TOO_LARGE: Problem = { problem: `It is larger than ${BYTES_MAX / 1_000_000} MB` };

/** What was read; `url` is unset for files. */
export interface Loaded {
  readonly bytes: Uint8Array;
  readonly url?: URL;
}

/** The URL that a source is, if it is one. */
export function urlOf(source: string): URL | undefined {
  return /^https?:\/\//i.test(source) && URL.canParse(source) ? new URL(source) : undefined;
}

/** @param apiKey sent along to a URL */
export function load(source: string, apiKey?: string): Promise<Loaded | Problem> {
  const url = urlOf(source);
  return url === undefined ? loadFile(source) : loadUrl(url, apiKey);
}

async function loadFile(path: string): Promise<Loaded | Problem> {
  try {
    const file = await open(path);
    // Closes the file when it ends, however it ends.
    const bytes = await collect(file.createReadStream());
    return bytes === undefined ? TOO_LARGE : { bytes };
  } catch (error) {
    return { problem: `It cannot be read: ${(error as Error).message}` };
  }
}

async function loadUrl(url: URL, apiKey: string | undefined): Promise<Loaded | Problem> {
  try {
    const response = await fetch(url, {
      // A redirect would carry the key, and the trust in the host, somewhere else.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: apiKey === undefined ? {} : { authorization: `ApiKey ${apiKey}` },
    });
    if (!response.ok) return { problem: `${url.host} answered ${response.status}${hintOf(response.status)}` };
    const bytes = await collect(response.body ?? []);
    return bytes === undefined ? TOO_LARGE : { bytes, url };
  } catch (error) {
    const { message, cause } = error as Error;
    return { problem: `${url.host} did not answer: ${cause instanceof Error ? cause.message : message}` };
  }
}

const hintOf = (status: number): string =>
  status === 401 || status === 403 ? ': give credentials that may read it (--api-key)' : '';

/** All bytes of a stream, `undefined` when there are too many; whatever was announced about their number does not count. */
async function collect(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
