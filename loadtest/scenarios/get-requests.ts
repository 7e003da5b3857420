import type { Target } from '../target.js';

/** A whole GET request over HTTP/1.1. */
export const getRequest = ({ host, port, apiKey }: Target, path: string): Uint8Array =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\nx-api-key: ${apiKey}\r\n\r\n`);

/** A whole POST request with a JSON body. */
export function postRequest({ host, port, apiKey }: Target, path: string, body: object): Uint8Array {
  const text = JSON.stringify(body);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\nx-api-key: ${apiKey}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
