/** Proofs out of a stream's log: for anybody who may read the stream, at any size the log ever had. */
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { readVesHead } from '../../engine/store/heads.js';
import { findVesEvent } from '../../engine/store/ves-events.js';
import { originOf } from '../../engine/transparency/checkpoints.js';
import { reachesStore } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import type { GatewayIdentity } from '../identity.js';
import { prefers } from '../input/accept.js';
import {
  consistencyOf,
  eventProofOf,
  inclusionOf,
  logSizeOf,
  type StreamLog,
  sizeWithin,
} from '../input/log-query.js';
import { consistencyCose, inclusionCose, inclusionJson, tlogProofReply } from '../render/log-proof.js';
import { noteReply } from '../render/log-resource.js';
import { type CertifiedLeaf, certifyLeaf, type TransparencyServices } from '../transparency.js';

export interface LogRouteDeps {
  readonly config: Pick<Config, 'transparency'>;
  readonly sql: Sql;
  readonly identity: GatewayIdentity;
  readonly transparency: TransparencyServices;
}

export const logRoutes = (deps: LogRouteDeps): Route[] => {
  const { sql, identity, transparency } = deps;
  const { logs, checkpoints } = transparency;
  const origin = (log: StreamLog) => originOf(deps.config.transparency.origin, log);
  const headOf = async (log: StreamLog) => Number(await readVesHead(sql, log.tenantId, log.storeId));

  async function inclusion(exchange: Exchange): Promise<Reply> {
    const { log, sequence, size: wanted } = inclusionOf(exchange);
    const size = sizeWithin('size', wanted, await headOf(log));
    if (sequence > size)
      throw new ServiceError(
        'INVALID_FIELD_VALUE',
        wanted === undefined
          ? `sequence_number must not be above the head of the stream, ${size}; it is ${sequence}`
          : `sequence_number must not be above size, ${size}; it is ${sequence}`,
      );
    const leaf = await certifyLeaf(transparency, log, sequence - 1, size);
    return negotiated(exchange, log, leaf, () => json(inclusionJson(leaf)));
  }

  async function consistency(exchange: Exchange): Promise<Reply> {
    const { log, from, to: wanted } = consistencyOf(exchange);
    const head = await headOf(log);
    sizeWithin('from', from, head);
    const to = sizeWithin('to', wanted, head);
    if (from > to)
      throw new ServiceError('INVALID_FIELD_VALUE', `from must not be above to, ${to}; it is ${from}`);
    const { hashes } = await logs.consistency(log, from, to);
    if (!prefers(exchange.head.accept, COSE))
      return varying(json({ from, to, hashes: hashes.map((hash) => encodeHex(hash)) }));
    const { root } = await checkpoints.stream(log, to);
    return varying(consistencyCose({ origin: origin(log), from, to, hashes, root }, identity));
  }

  async function checkpoint(exchange: Exchange): Promise<Reply> {
    const { log, size: wanted } = logSizeOf(exchange);
    const size = sizeWithin('size', wanted, await headOf(log));
    return noteReply((await checkpoints.stream(log, size)).note);
  }

  /** An event of a store that the credential does not reach is answered like one that does not exist (L10). */
  async function eventProof(exchange: Exchange): Promise<Reply> {
    const { tenantId, eventId, size: wanted } = eventProofOf(exchange);
    const event = await findVesEvent(sql, tenantId, eventId);
    if (event === undefined || !reachesStore(exchange.auth, event.storeId))
      throw new ServiceError('EVENT_NOT_FOUND', `No event with id ${eventId} is stored`);
    const log: StreamLog = { kind: 'stream', tenantId, storeId: event.storeId };
    const size = sizeWithin('size', wanted, await headOf(log));
    if (event.sequence > size)
      throw new ServiceError(
        'INVALID_FIELD_VALUE',
        `size must not be below the event's sequence number, ${event.sequence}; it is ${size}`,
      );
    const leaf = await certifyLeaf(transparency, log, Number(event.sequence) - 1, size);
    return negotiated(exchange, log, leaf, () => tlogProofReply(leaf, eventId));
  }

  function negotiated(exchange: Exchange, log: StreamLog, leaf: CertifiedLeaf, usual: () => Reply): Reply {
    return varying(
      prefers(exchange.head.accept, COSE) ? inclusionCose(leaf, origin(log), identity) : usual(),
    );
  }

  const read = (path: string, answer: (exchange: Exchange) => Promise<Reply>): Route => ({
    method: 'GET',
    path,
    scope: 'read',
    handler: answering(answer),
  });
  return [
    read('/api/v1/log/inclusion', inclusion),
    read('/api/v1/log/consistency', consistency),
    read('/api/v1/log/checkpoint', checkpoint),
    read('/api/v1/log/proof/:event_id', eventProof),
  ];
};

const COSE = 'application/cose';

/** What is answered depends on `Accept`. */
const varying = (reply: Reply): Reply => ({
  ...reply,
  headers: [...(reply.headers ?? []), ['vary', 'accept']],
});
