import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** An agent's own Ed25519 key; the private half never leaves its process. */
export interface AgentKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Signs any message; 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

export function createAgentKey(): AgentKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { publicKey: rawPublicKey(publicKey), sign: (message) => sign(null, message, privateKey) };
}

const rawPublicKey = (key: KeyObject): Uint8Array =>
  Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url');
