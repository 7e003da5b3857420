/** Every command of every protocol, with every kind of credential, against the running service; prints what came of it. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FRAME } from '../../engine/wire/index.js';
import { reflection, v1, v2 } from '../../engine/wire-proto/index.js';
import { type AccessRow, accessTable } from '../../gateway/auth/access-table.js';
import { AGENT, allRoutes, OTHER_AGENT, OTHER_STORE } from '../gateway/support.js';
import { call } from '../support/agents.js';
import { type Credentials, createCredentials, type Headers } from './credentials.js';
import { COLUMNS, type Column, expected } from './expected.js';
import { callGrpc, grpcMessages, SERVICES } from './grpc-commands.js';
import { callHttp, requestOf } from './http-commands.js';
import { LEGACY_EVENT, startWorld, stream, type World } from './world.js';
import { callWs, upgrade, WS_COMMANDS } from './ws-commands.js';

let world: World;
let rows: readonly AccessRow[];
let present: Credentials;
let grpc: Client;
const table = new Map<AccessRow, string[]>();

beforeAll(async () => {
  world = await startWorld();
  rows = accessTable(allRoutes(world.sql));
  present = await createCredentials(world.sql, world.service.adminKey);
  grpc = new Client(`127.0.0.1:${world.grpcPort}`, credentials.createInsecure());
});
afterAll(async () => {
  grpc?.close();
  await world?.close();
  process.stdout.write(`\n${printed()}\n`);
});

const of = (surface: AccessRow['surface']) => rows.filter((row) => row.surface === surface);

/** Tries every row with every credential; answers what was not as the table has it. */
async function hold(
  commands: readonly AccessRow[],
  attempt: (row: AccessRow, column: Column) => Promise<string>,
): Promise<string[]> {
  const surprises: string[] = [];
  for (const row of commands) {
    const cells: string[] = [];
    for (const column of COLUMNS) {
      const outcome = await attempt(row, column);
      const wanted = expected(row, column);
      cells.push(outcome.split(' ')[0]!);
      if (outcome !== wanted) surprises.push(`${row.name} with ${column}: ${outcome}, not ${wanted}`);
    }
    table.set(row, cells);
  }
  return surprises;
}

const headersFor = (row: AccessRow, column: Column): Headers =>
  present(row, column, { method: 'POST', path: row.name });
/** The good credentials of another respect, for commands beside the table. */
const headersOf = (column: Exclude<Column, 'no permission' | 'token no permission'>): Headers =>
  headersFor(rows[0]!, column);

test('every command has a row, and every row of gRPC and WebSocket a message', () => {
  expect(rows.length).toBeGreaterThan(90);
  expect(new Set(rows.map((row) => `${row.surface} ${row.name}`)).size).toBe(rows.length);
  const names = (surface: AccessRow['surface']) =>
    of(surface)
      .map(({ name }) => name)
      .sort();
  expect(Object.keys(grpcMessages(world)).sort()).toEqual(names('grpc'));
  const methods = SERVICES.flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => `/${typeName}/${name}`),
  );
  expect(methods.sort()).toEqual(names('grpc').filter((name) => !name.includes('#')));
  expect(Object.keys(WS_COMMANDS).sort()).toEqual(names('ws'));
  const saidByClients = Object.entries(FRAME).filter(([, type]) => type < 32);
  expect(saidByClients.map(([name]) => name).sort()).toEqual(names('ws'));
});

test('the table knows every service that the port tells of', async () => {
  const [path, listing] = Object.entries(grpcMessages(world)).find(([name]) => name.includes('reflection'))!;
  const call = grpc.makeBidiStreamRequest(
    path,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => fromBinary(reflection.ServerReflectionResponseSchema, bytes),
  );
  call.on('error', () => {}); // cancelled below
  call.write(
    toBinary(reflection.ServerReflectionRequestSchema, listing as reflection.ServerReflectionRequest),
  );
  const { messageResponse } = await new Promise<reflection.ServerReflectionResponse>((resolve) =>
    call.once('data', resolve),
  );
  call.cancel();
  const told = (messageResponse.value as reflection.ListServiceResponse).service.map(({ name }) => name);
  expect(told.length).toBeGreaterThan(3);
  expect(SERVICES.map(({ typeName }) => typeName)).toEqual(expect.arrayContaining(told));
});

test('over HTTP every credential gets what the table says, and nothing else', async () => {
  // What is deleted is needed by the others.
  const isLast = ({ name }: AccessRow) => Number(name.startsWith('DELETE'));
  const commands = [...of('http')].sort((a, b) => isLast(a) - isLast(b));
  const surprises = await hold(commands, (row, column) => {
    const request = requestOf(row, world);
    return callHttp(world, request, present(row, column, request));
  });
  expect(surprises).toEqual([]);
}, 180_000);

test('over gRPC every credential gets what the table says, and nothing else', async () => {
  const messages = grpcMessages(world);
  const surprises = await hold(of('grpc'), (row, column) =>
    callGrpc(grpc, row.name, messages[row.name]!, headersFor(row, column)),
  );
  expect(surprises).toEqual([]);
}, 120_000);

test('over WebSocket every credential gets what the table says, and nothing else', async () => {
  const surprises = await hold(of('ws'), (row, column) => callWs(world, row.name, headersFor(row, column)));
  expect(surprises).toEqual([]);
}, 120_000);

test('whatever a row compares was refused to those who have another one', () => {
  expect([...table.keys()].map(({ name }) => name).sort()).toEqual(rows.map(({ name }) => name).sort());
  const open = [...table].flatMap(([row, cells]) =>
    row.compares
      .flatMap((subject) => [`wrong ${subject}`, `token wrong ${subject}`] as Column[])
      .filter((column) => !['403', '404'].includes(cells[COLUMNS.indexOf(column)]!))
      .map((column) => `${row.surface} ${row.name}: ${column}`),
  );
  expect(open).toEqual([]);
  const shut = [...table].filter(([, cells]) => cells[COLUMNS.indexOf('operator')] !== 'in');
  expect(shut.map(([{ name }]) => name)).toEqual([]);
});

test('the headers of an upgrade are judged like those of any request', async () => {
  const hello = of('ws').find(({ name }) => name === 'hello')!;
  for (const column of COLUMNS) {
    // Without credentials, hello has to bring them.
    const wanted = column === 'none' || column === 'stale signature' ? 'in' : expected(hello, column);
    expect([column, await upgrade(world, headersFor(hello, column))]).toEqual([column, wanted]);
  }
});

test('a commitment that is asked for by number is one of the stream that is named', async () => {
  const ask = (
    column: 'wrong tenant' | 'wrong store' | 'good' | 'operator',
    place: Partial<typeof stream>,
  ) => {
    const request = create(v2.GetCommitmentRequestSchema, {
      ...place,
      selector: { case: 'sequenceNumber', value: 1n },
    });
    return callGrpc(grpc, '/stateset.sequencer.v2.Sequencer/GetCommitment', request, headersOf(column));
  };
  expect(await ask('good', stream)).toBe('in');
  expect(await ask('good', {})).toBe('in'); // its only store
  expect(await ask('wrong tenant', stream)).toBe('403');
  expect(await ask('wrong store', stream)).toBe('403');
  expect(await ask('wrong store', {})).toBe('404');
});

test('a proof from a commitment that is named is hidden with the commitment', async () => {
  const ask = (column: 'wrong tenant' | 'wrong store' | 'good') =>
    callGrpc(
      grpc,
      '/stateset.sequencer.v1.Sequencer/GetInclusionProof',
      create(v1.GetInclusionProofRequestSchema, {
        batchId: world.batches.legacy,
        eventId: LEGACY_EVENT,
      }),
      headersOf(column),
    );
  expect(await ask('good')).toBe('in');
  expect(await ask('wrong tenant')).toBe('404');
  expect(await ask('wrong store')).toBe('404');
});

test('a cursor is moved by its agent only, whichever stream or agent a request names', async () => {
  const cursor = async (agentId: string, storeId: string) => {
    const path = `/api/v1/ves/cursors/${agentId}?tenant_id=${stream.tenantId}&store_id=${storeId}`;
    const { body } = await call(world.service, 'GET', path);
    return body.acknowledgedSequence;
  };
  // The matrix has moved the agent's own, over all three protocols.
  expect(await cursor(AGENT, stream.storeId)).toBe(1);
  expect(await cursor(AGENT, OTHER_STORE)).toBe(0);
  const put = (column: Column, agentId: string, storeId: string, query = '') => {
    const body = JSON.stringify({ ...stream, storeId, agentId: AGENT, sequenceNumber: 0 });
    const path = `/api/v1/ves/cursors/${agentId}${query}`;
    return callHttp(world, { method: 'PUT', path, body }, headersOf(column as 'good'));
  };
  expect(await put('wrong agent', AGENT, stream.storeId)).toBe('403');
  // Query and body do not say whose cursor it is; the path does.
  expect(await put('wrong agent', AGENT, stream.storeId, `?agent_id=${OTHER_AGENT}`)).toBe('403');
  expect(await put('wrong agent', OTHER_AGENT, stream.storeId)).toBe('in');
  expect(await put('wrong store', AGENT, stream.storeId, `?store_id=${OTHER_STORE}`)).toBe('403');
  expect(await put('good', AGENT, OTHER_STORE, `?store_id=${stream.storeId}`)).toBe('403');
  expect(await cursor(AGENT, stream.storeId)).toBe(1);
});

test('deliveries of a group are settled within their own stream and group only', async () => {
  const root = '/api/v1/ves/consumer-groups';
  const at = (storeId: string) => ({ tenantId: stream.tenantId, storeId });
  const post = (path: string, body: object, headers: Headers) =>
    call(world.service, 'POST', root + path, { key: null, headers: { ...headers }, body });
  const [owner, other] = [headersOf('good'), headersOf('wrong store')];
  const make = (storeId: string, headers: Headers) =>
    post('', { ...at(storeId), name: 'shared-name', start: 'beginning' }, headers);
  expect((await make(stream.storeId, owner)).status).toBe(201);
  expect((await make(OTHER_STORE, other)).status).toBe(201);
  const pulled = await post('/shared-name/pull', { ...at(stream.storeId), consumer: 'one' }, owner);
  const ids = pulled.body.deliveries.map((each: { delivery_id: string }) => each.delivery_id);
  expect(ids.length).toBe(1);

  const ack = { consumer: 'one', deliveryIds: ids };
  const refused = await post('/shared-name/ack', { ...at(stream.storeId), ...ack }, other);
  expect([refused.status, refused.body.code]).toEqual([403, 'INSUFFICIENT_PERMISSIONS']);
  const path = `/shared-name/ack?store_id=${OTHER_STORE}`;
  expect((await post(path, { ...at(stream.storeId), ...ack }, other)).status).toBe(403);
  // The same names in a stream of one's own lead nowhere else.
  await post('/shared-name/ack', { ...at(OTHER_STORE), ...ack }, other);
  await post('/shared-name/nack', { ...at(OTHER_STORE), ...ack }, other);
  await post('/shared-name/leave', { ...at(OTHER_STORE), consumer: 'one' }, other);
  const settled = await post('/shared-name/ack', { ...at(stream.storeId), ...ack }, owner);
  expect([settled.status, settled.body.refused ?? []]).toEqual([200, []]);
});

/** The table: names of columns above each other, a line for each row. */
function printed(): string {
  const titles = COLUMNS.map((column) => column.split(' '));
  const height = Math.max(...titles.map((words) => words.length));
  const widths = titles.map((words) => Math.max(...words.map((word) => word.length)));
  const nameOf = ({ surface, name }: AccessRow) => `${surface.padEnd(4)} ${name}`;
  const width = Math.max(0, ...[...table.keys()].map((row) => nameOf(row).length));
  const line = (name: string, cells: readonly string[]) =>
    `${name.padEnd(width)}  ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd();
  const head = Array.from({ length: height }, (_, i) =>
    line(
      '',
      titles.map((words) => words[i] ?? ''),
    ),
  );
  return [...head, ...[...table].map(([row, cells]) => line(nameOf(row), cells))].join('\n');
}
