// Credentials and keys. Pure: the HTTP module is a parameter.

export const headersOf = (key) => ({ 'x-api-key': key });

export const jsonHeaders = (key) => ({ ...headersOf(key), 'content-type': 'application/json' });

/** Bodies of `POST /api/v1/agents/keys`, one per agent. */
export const keyBodies = (manifest) =>
  manifest.keys.map(({ tenantId, agentId, keyId, publicKey }) =>
    JSON.stringify({ tenantId, agentId, keyId, publicKey: `0x${publicKey}` }),
  );

/** Registers the agents' keys, which needs an administrator's API key; repeating it changes nothing. */
export function registerKeys(http, { url, adminKey }, manifest) {
  if (adminKey === '') throw new Error('ADMIN_API_KEY is needed to register the agents’ keys');
  for (const body of keyBodies(manifest)) {
    const { status } = http.post(`${url}/api/v1/agents/keys`, body, { headers: jsonHeaders(adminKey) });
    if (status !== 200) throw new Error(`registering a key was answered ${status}`);
  }
}
