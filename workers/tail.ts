/** The tail's thread: follows streams for all subscribers of this process, see engine/subscriptions/tail.ts. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { partitionOf } from '../engine/sequencer/index.js';
import { connectDatabase } from '../engine/store/connection.js';
import { attachOpener } from '../engine/store/sealed-payload.js';
import {
  type CommitWatch,
  createJsonEncoder,
  createMsgpackEncoder,
  createProtoEncoder,
  createTail,
  type TailAnswer,
  type TailRequest,
} from '../engine/subscriptions/index.js';
import { openVault } from '../engine/vault/index.js';
import { sha256Into } from './native-crypto.js';
import { createPieceOpener } from './open-pieces.js';
import {
  type CommitCommand,
  type CommitNews,
  TAIL_CONNECTIONS,
  type TailReport,
  type TailSetup,
} from './tail-messages.js';
import { nameThread } from './thread-name.js';

const setup = workerData as TailSetup;

nameThread('tail');

const sql = connectDatabase(setup.database, {
  ...setup.session,
  max: TAIL_CONNECTIONS,
  applicationName: `${setup.applicationName} tail`,
  pipelining: false,
});

const vault = setup.encryption && openVault(sql, setup.encryption);
if (vault) attachOpener(sql, vault.opener);

const tail = createTail({
  sql,
  encoders: {
    json: createJsonEncoder(),
    msgpack: createMsgpackEncoder(),
    proto: createProtoEncoder(sha256Into),
  },
  commits: watchCommits(setup.partitions),
  instanceId: setup.instanceId,
  post,
  onError: (error, message) =>
    report({ type: 'log', message, cause: error instanceof Error ? error.message : String(error) }),
});

const committed = vault
  ? createPieceOpener(sql, tail.committed, (error) =>
      report({ type: 'log', message: 'cannot open payloads just committed', cause: String(error) }),
    )
  : tail.committed;

function post(answer: TailAnswer): void {
  const transfer =
    answer.type === 'chunk' || answer.type === 'page'
      ? [answer.chunk.bytes.buffer, answer.chunk.ends.buffer, answer.chunk.sequences.buffer]
      : [];
  parentPort!.postMessage(answer, transfer as ArrayBuffer[]);
}

function report(message: TailReport): void {
  parentPort!.postMessage(message);
}

function watchCommits(partitions: readonly MessagePort[]): CommitWatch {
  const acks = new Map<number, () => void>();
  let ackIds = 0;
  for (const port of partitions)
    port.on('message', (news: CommitNews) => {
      if (news.type === 'committed') for (const piece of news.pieces) committed(piece);
      else {
        acks.get(news.ack)?.();
        acks.delete(news.ack);
      }
    });

  const tell = (port: MessagePort, command: CommitCommand) => port.postMessage(command);
  const watch = (port: MessagePort, what: 'stream' | 'tenant', name: string) =>
    new Promise<void>((resolve) => {
      const ack = ++ackIds;
      acks.set(ack, resolve);
      tell(port, { type: 'watch', what, name, ack });
    });
  /** `<kind><tenant><store>`, see engine/sequencer/stream.ts. */
  const partitionOfStream = (name: string) => {
    const ids = Buffer.from(name.slice(1), 'hex');
    return partitions[partitionOf(ids.subarray(0, 16), ids.subarray(16), partitions.length)]!;
  };
  return {
    watchStream: (name) => watch(partitionOfStream(name), 'stream', name),
    unwatchStream: (name) => tell(partitionOfStream(name), { type: 'unwatch', what: 'stream', name }),
    async watchTenant(tenant) {
      await Promise.all(partitions.map((port) => watch(port, 'tenant', tenant)));
    },
    unwatchTenant(tenant) {
      for (const port of partitions) tell(port, { type: 'unwatch', what: 'tenant', name: tenant });
    },
  };
}

parentPort!.on('message', (message: TailRequest | { readonly type: 'stop' }) => {
  if (message.type !== 'stop') return tail.request(message);
  void tail.close().then(async () => {
    await sql.end({ timeout: 1 }).catch(() => {});
    report({ type: 'closed' });
  });
});
report({ type: 'ready' });
