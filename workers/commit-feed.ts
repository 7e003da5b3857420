/**
 * A partition's side of live subscriptions: passes on what was committed, to the extent that somebody is listening. Nobody listening
 * costs one look at an empty map per group.
 */
import type { MessagePort } from 'node:worker_threads';
import { type GroupWrite, type RowRef, STREAM_VES, type StreamAdvance } from '../engine/sequencer/index.js';
import { tuples } from '../engine/store/group-writes.js';
import type { CommittedPiece } from '../engine/subscriptions/index.js';
import type { CommitCommand, CommitNews } from './tail-messages.js';

export interface CommitFeed {
  /** Whoever listens at the other end. */
  attach(port: MessagePort): void;
  /** Takes a committed group. */
  publish(group: GroupWrite): void;
}

export function createCommitFeed(): CommitFeed {
  const streams = new Set<string>();
  const tenants = new Set<string>();
  let listener: MessagePort | undefined;

  function obey(command: CommitCommand): void {
    const names = command.what === 'stream' ? streams : tenants;
    if (command.type === 'unwatch') return void names.delete(command.name);
    names.add(command.name);
    listener!.postMessage({ type: 'watching', ack: command.ack } satisfies CommitNews);
  }

  return {
    attach(port) {
      listener = port;
      port.on('message', obey);
      port.unref();
    },
    publish(group) {
      if (streams.size === 0 && tenants.size === 0) return;
      const wanted = group.streams.filter(
        ({ stream: { key, tenant } }) => streams.has(key) || tenants.has(tenant),
      );
      if (wanted.length === 0) return;
      const rows = rowsOf(group, streams);
      const pieces = wanted.map((advance) => toPiece(advance, rows.get(advance.stream.key)));
      const transfer = pieces.flatMap((piece) => (piece.rows ? [piece.rows.buffer as ArrayBuffer] : []));
      listener!.postMessage({ type: 'committed', pieces } satisfies CommitNews, transfer);
    },
  };
}

/** The rows of the VES streams that are listened to. */
function rowsOf(group: GroupWrite, wanted: ReadonlySet<string>): Map<string, RowRef[]> {
  const byStream = new Map<string, RowRef[]>();
  for (const row of group.rows[STREAM_VES]) {
    const { key } = row.stream;
    if (!wanted.has(key)) continue;
    const rows = byStream.get(key);
    if (rows === undefined) byStream.set(key, [row]);
    else rows.push(row);
  }
  return byStream;
}

function toPiece({ stream, first, last }: StreamAdvance, rows: RowRef[] | undefined): CommittedPiece {
  const { tenant, store, kind } = stream;
  const piece = { kind: kind === STREAM_VES ? 'ves' : 'legacy', tenant, store, first, last } as const;
  return rows === undefined ? piece : { ...piece, rows: ownCopy(tuples(rows)[0]!) };
}

/** Memory that can be transferred: the batches stay with the partition. */
function ownCopy(bytes: Buffer): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}
