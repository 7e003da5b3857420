/** Every command of every protocol, with every kind of credential, against the running gateway; prints what came of it. */
import { createServer } from 'node:net';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashApiKey } from '../../engine/keys/api-keys.js';
import { type AccessRow, accessTable } from '../../gateway/auth/access-table.js';
import {
  AGENT,
  allRoutes,
  OTHER_AGENT,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from '../gateway/support.js';
import { createSigner } from './signer.js';

const SECRET = 'a-secret-of-more-than-thirty-two-characters';
const stream = { tenantId: TENANT, storeId: STORE };

/** What the bodies of routes need beside tenant and store. */
const BODIES: Readonly<Record<string, object>> = {
  'PUT /api/v1/ves/cursors/:agent_id': { sequenceNumber: 1 },
  'POST /api/v1/ves/commitments': { sequenceStart: 1, sequenceEnd: 1 },
  'POST /api/v1/commitments': { sequenceStart: 1, sequenceEnd: 1 },
  'POST /v1/commitments/:batch_id/anchored': { chainTxHash: '00'.repeat(32), chainId: 1 },
  'POST /api/v1/agents/keys': { agentId: AGENT, keyId: 1, publicKey: '00' },
  'POST /api/v1/agents/:agent_id/api-keys': { storeIds: [STORE] },
  'PUT /api/v1/agents/:agent_id/policy': { allowedEventTypes: ['*'], allowedEntityTypes: ['*'] },
  'POST /api/v1/ves/consumer-groups': { name: 'group' },
};
/** Members that bodies of consumer groups have; those that do not need them ignore them. */
const GROUP = { consumer: 'one', deliveryIds: ['x'], start: 'head', sequenceNumbers: 'all' };
const QUERY = `tenant_id=${TENANT}&store_id=${STORE}&agent_id=${AGENT}&sequence_number=1&live=false`;
const PARAMETERS: Readonly<Record<string, string>> = {
  tenant_id: TENANT,
  store_id: STORE,
  agent_id: AGENT,
  entity_type: 'order',
  entity_id: '1',
  event_id: AGENT,
  batch_id: AGENT,
  sequence_number: '1',
  key_id: '7',
  key_prefix: '0'.repeat(16),
  name: 'group',
};

type Headers = Record<string, string>;
/** Headers of a credential; a function where they depend on the request. */
type Credential = Headers | ((row: AccessRow, path: string, body: string | undefined) => Headers);

let g: TestGateway;
let rows: AccessRow[];
let grpc: Client;
const COLUMNS = [
  'none',
  'garbage',
  'revoked',
  'expired',
  'old token',
  'forged token',
  'stale signature',
  'no permission',
  'wrong tenant',
  'wrong store',
  'wrong agent',
  'good',
] as const;
type Column = (typeof COLUMNS)[number];
const table = new Map<string, string[]>();

const withKey = (key: string): Headers => ({ 'x-api-key': key });
const all = { canRead: true, canWrite: true, canAdmin: true };
const only = (permission: string) => ({
  canRead: permission === 'read',
  canWrite: permission === 'write',
  canAdmin: permission === 'admin',
});

/** Credentials that have every permission but the one the row needs. */
const lacking = new Map<string, string>();
let fixed: Record<Exclude<Column, 'no permission'>, Credential>;

beforeAll(async () => {
  const grpcPort = await freePort();
  g = await startTestGateway({
    env: { JWT_SECRET: SECRET, GRPC_ENABLED: 'true', GRPC_PORT: String(grpcPort) },
  });
  rows = accessTable(allRoutes(g.sql));
  grpc = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
  const revoked = await g.apiKey({ ...all, agentId: AGENT });
  await g.sql`update api_keys set active = false where key_hash = ${hashApiKey(revoked)}`;
  const expired = await g.apiKey({ ...all, agentId: AGENT, expiresAt: '2020-01-01T00:00:00Z' });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: TENANT,
    iss: 'stateset-sequencer',
    aud: 'stateset-api',
    nbf: now - 900,
    iat: now - 900,
    jti: '1',
  };
  const token = (exp: number, secret: string) =>
    new SignJWT({ ...claims, exp, perms: 'read,write,admin', agent: AGENT } as JWTPayload)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
  const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });
  const signer = createSigner({ tenantId: TENANT, agentId: AGENT, keyId: 1 });
  fixed = {
    none: {},
    garbage: withKey('ss_11111111nonsense'),
    revoked: withKey(revoked),
    expired: withKey(expired),
    'old token': bearer(await token(now - 61, SECRET)),
    'forged token': bearer(await token(now + 600, `${SECRET}x`)),
    'stale signature': (row, path, body) =>
      signer.headersOf({
        method: row.name.split(' ')[0]!,
        path,
        created: now - 3600,
        ...(body === undefined ? {} : { body }),
      }),
    'wrong tenant': withKey(await g.apiKey({ ...all, tenantId: OTHER_TENANT, agentId: AGENT })),
    'wrong store': withKey(await g.apiKey({ ...all, storeIds: [OTHER_STORE], agentId: AGENT })),
    'wrong agent': withKey(await g.apiKey({ ...all, canAdmin: false, agentId: OTHER_AGENT })),
    good: withKey(await g.apiKey({ ...all, storeIds: [STORE], agentId: AGENT })),
  };
  for (const permission of ['read', 'write', 'admin', 'read-or-admin', 'agent', 'none']) {
    const grant = { ...all, [`can${permission[0]!.toUpperCase()}${permission.slice(1)}`]: false };
    if (permission === 'read-or-admin') Object.assign(grant, only('write'));
    if (permission === 'agent') Object.assign(grant, { canAdmin: false });
    lacking.set(
      permission,
      await g.apiKey({ ...grant, agentId: permission === 'agent' ? OTHER_AGENT : AGENT }),
    );
  }
});
afterAll(async () => {
  grpc.close();
  await g.close();
  const width = Math.max(...[...table.keys()].map((name) => name.length));
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)}  ${cells.map((cell, i) => cell.padEnd(COLUMNS[i]!.length)).join('  ')}`;
  const lines = [...table].map(([name, cells]) => line(name, cells));
  process.stdout.write(`\n${line('', COLUMNS)}\n${lines.join('\n')}\n`);
});

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** What the row's own permission is called among {@link lacking}. */
const neededBy = ({ permission, check, compares }: AccessRow): string =>
  check === 'read-or-admin'
    ? check
    : check === 'read-unless-public'
      ? 'read'
      : ['read', 'write', 'admin'].includes(permission)
        ? permission
        : compares.includes('agent')
          ? 'agent'
          : 'none';

const credentialOf = (row: AccessRow, column: Column): Credential =>
  column === 'no permission' ? withKey(lacking.get(neededBy(row))!) : fixed[column];

/** How the row must answer: `401 CODE`, `403`, `404`, or `in`: past every check of credentials. */
function expected(row: AccessRow, column: Column): string {
  const { permission, check, compares } = row;
  if (permission === 'public') return 'in';
  switch (column) {
    case 'none':
      return '401 AUTH_REQUIRED';
    case 'garbage':
    case 'revoked':
    case 'expired':
      return '401 INVALID_API_KEY';
    case 'old token':
      return '401 TOKEN_EXPIRED';
    case 'forged token':
      return '401 INVALID_TOKEN';
    case 'stale signature':
      return '401 INVALID_REQUEST_SIGNATURE';
  }
  if (check === 'bootstrap') return '403';
  if (check === 'pipeline') return column === 'no permission' ? '403' : 'in';
  if (check === 'hidden' && (column === 'wrong tenant' || column === 'wrong store')) return '404';
  switch (column) {
    case 'no permission':
      return neededBy(row) === 'none' ? 'in' : '403';
    case 'wrong tenant':
      return compares.includes('tenant') ? '403' : 'in';
    case 'wrong store':
      return compares.includes('store') ? '403' : 'in';
    case 'wrong agent':
      return compares.includes('agent') || permission === 'admin' ? '403' : 'in';
    default:
      return 'in';
  }
}

async function callHttp(row: AccessRow, column: Column): Promise<string> {
  const [method, template] = row.name.split(' ') as [string, string];
  const concrete = template
    .replace(/:([a-z_]+)/g, (_, name: string) => PARAMETERS[name]!)
    .replace('*', 'checkpoint');
  // Administrators of a tenant see their own without naming it.
  const more = template.endsWith('/consistency') ? '&from=0' : '';
  const path = row.compares.length === 0 ? concrete : `${concrete}?${QUERY}${more}`;
  const isWrite = method === 'POST' || method === 'PUT';
  const body = isWrite ? JSON.stringify({ ...stream, ...GROUP, ...BODIES[row.name] }) : undefined;
  const credential = credentialOf(row, column);
  const headers = typeof credential === 'function' ? credential(row, path, body) : credential;
  const { status, body: reply } = await g.call(method, path, {
    key: null,
    headers,
    ...(body === undefined ? {} : { raw: body }),
  });
  if (status === 401) return `401 ${reply.code}`;
  if (status === 403 && reply.code === 'INSUFFICIENT_PERMISSIONS') return '403';
  return expected(row, column) === '404' && reply?.code === 'BATCH_NOT_FOUND' ? '404' : 'in';
}

const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

/** Empty requests: far enough to see who is let in. */
function callGrpc(row: AccessRow, column: Column): Promise<string> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(credentialOf(row, column) as Headers)) metadata.set(name, value);
  const bytes = (value: Buffer) => value;
  return new Promise((resolve) => {
    grpc.makeUnaryRequest(
      row.name,
      bytes,
      bytes,
      Buffer.alloc(0),
      metadata,
      { deadline: Date.now() + 5000 },
      (error) => {
        const status = error?.code;
        resolve(status === UNAUTHENTICATED ? '401' : status === PERMISSION_DENIED ? '403' : 'in');
      },
    );
  });
}

const show = (outcome: string): string => outcome.split(' ')[0]!;

test('every command has a row in the table', () => {
  expect(rows.length).toBeGreaterThan(80);
  expect(new Set(rows.map((row) => `${row.surface} ${row.name}`)).size).toBe(rows.length);
});

test('over HTTP every credential gets what the table says, and nothing else', async () => {
  const surprises: string[] = [];
  for (const row of rows.filter(({ surface }) => surface === 'http')) {
    const cells: string[] = [];
    for (const column of COLUMNS) {
      const outcome = await callHttp(row, column);
      cells.push(show(outcome));
      const wanted = expected(row, column);
      if (outcome !== wanted) surprises.push(`${row.name} with ${column}: ${outcome}, not ${wanted}`);
    }
    table.set(row.name, cells);
  }
  expect(surprises).toEqual([]);
}, 120_000);

test('what ingest is handed is the scope of the credential, which the pipeline compares', async () => {
  for (const row of rows.filter(({ surface, check }) => surface === 'http' && check === 'pipeline')) {
    for (const [column, scope] of [
      ['wrong tenant', { tenant: OTHER_TENANT, stores: [], agent: AGENT }],
      ['wrong store', { tenant: TENANT, stores: [OTHER_STORE], agent: AGENT }],
      ['wrong agent', { tenant: TENANT, stores: [], agent: OTHER_AGENT }],
    ] as const) {
      await callHttp(row, column);
      expect(g.ingest.taken.at(-1)!.scope).toEqual(JSON.parse(JSON.stringify(scope).replaceAll('-', '')));
    }
  }
});

test('over gRPC nobody gets in without credentials that count and the permission', async () => {
  const surprises: string[] = [];
  const own: readonly Column[] = ['stale signature', 'wrong tenant', 'wrong store', 'wrong agent'];
  for (const row of rows.filter(({ surface }) => surface === 'grpc')) {
    const cells: string[] = [];
    for (const column of COLUMNS) {
      // Signatures are HTTP's; tenants and stores are in messages, see test/grpc.
      if (own.includes(column) || (row.permission === 'message' && column === 'no permission')) {
        cells.push('-');
        continue;
      }
      const outcome = await callGrpc(row, column);
      cells.push(outcome);
      const wanted = show(expected(row, column));
      if (outcome !== wanted) surprises.push(`${row.name} with ${column}: ${outcome}, not ${wanted}`);
    }
    table.set(row.name, cells);
  }
  expect(surprises).toEqual([]);
}, 60_000);
