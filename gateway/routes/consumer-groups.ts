import type { AuditRecord } from '../../engine/audit/index.js';
import type { ConsumerGroups, GroupRef } from '../../engine/consumers/index.js';
import { type Act, type Auditor, callerOf } from '../audit.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, jsonText, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import {
  ackOf,
  creationOf,
  groupOf,
  groupStreamOf,
  leaveOf,
  nackOf,
  parkedChoiceOf,
  parkedPageOf,
  pullOf,
  seekOf,
  updateOf,
} from '../input/consumer-group-input.js';
import {
  acknowledgedJson,
  groupJson,
  groupStateJson,
  nackedJson,
  parkedJson,
  renderDeliveries,
} from '../render/consumer-group.js';

const ROOT = '/api/v1/ves/consumer-groups';

/** Consumer groups: whoever may read a stream may consume it; making, changing and moving groups takes the permission to write. */
export const consumerGroupRoutes = ({
  consumerGroups,
  auditor,
}: {
  consumerGroups: ConsumerGroups;
  auditor: Auditor;
}): Route[] => {
  /** Changes a group and records it. */
  const act = <Result>(
    exchange: Exchange,
    name: string,
    ref: GroupRef,
    work: (audit: AuditRecord | undefined) => Promise<Result>,
  ): Promise<Result> => auditor.act(callerOf(exchange), groupAct(name, ref), work);

  const get = (path: string, answer: (exchange: Exchange) => Promise<Reply>): Route => ({
    method: 'GET',
    path: ROOT + path,
    scope: 'read',
    handler: answering(answer),
  });
  const change = (
    method: 'POST' | 'PUT',
    path: string,
    scope: 'read' | 'write',
    answer: (exchange: Exchange) => Promise<Reply>,
  ): Route => ({ method, path: ROOT + path, scope, body: 'small', handler: answering(answer) });

  return [
    get('', async (exchange) => {
      const groups = await consumerGroups.list(groupStreamOf(exchange));
      return json({ groups: groups.map(groupJson), count: groups.length });
    }),
    get('/:name', async (exchange) => json(groupStateJson(await consumerGroups.state(groupOf(exchange))))),
    get('/:name/parked', async (exchange) => {
      const { ref, after, limit } = parkedPageOf(exchange);
      const found = await consumerGroups.listParked(ref, after, limit + 1);
      const page = found.slice(0, limit);
      return json({
        parked: page.map(parkedJson),
        count: page.length,
        next_after: Number(page.at(-1)?.sequence ?? after),
        has_more: found.length > limit,
      });
    }),
    change('POST', '', 'write', async (exchange) => {
      const { ref, settings, start } = creationOf(exchange);
      const { created, group } = await act(exchange, 'created', ref, (audit) =>
        consumerGroups.create(ref, settings, start, audit),
      );
      return { ...json({ created, ...groupJson(group) }), status: created ? 201 : 200 };
    }),
    change('PUT', '/:name', 'write', async (exchange) => {
      const { ref, change } = updateOf(exchange);
      const group = await act(exchange, 'updated', ref, (audit) => consumerGroups.update(ref, change, audit));
      return json(groupJson(group));
    }),
    {
      method: 'DELETE',
      path: `${ROOT}/:name`,
      scope: 'write',
      handler: answering(async (exchange) => {
        const ref = groupOf(exchange);
        await act(exchange, 'deleted', ref, (audit) => consumerGroups.remove(ref, audit));
        return json({ deleted: true });
      }),
    },
    change('POST', '/:name/pull', 'read', (exchange) => pull(consumerGroups, exchange)),
    change('POST', '/:name/ack', 'read', async (exchange) => {
      const { ref, body } = ackOf(exchange);
      return json(acknowledgedJson(await consumerGroups.ack(ref, body.consumer, body.deliveryIds)));
    }),
    change('POST', '/:name/nack', 'read', async (exchange) => {
      const { ref, consumer, nack } = nackOf(exchange);
      return json(nackedJson(await consumerGroups.nack(ref, consumer, nack)));
    }),
    change('POST', '/:name/leave', 'read', async (exchange) => {
      const { ref, body } = leaveOf(exchange);
      await consumerGroups.leave(ref, body.consumer);
      return json({ left: true });
    }),
    change('POST', '/:name/seek', 'write', async (exchange) => {
      const { ref, start } = seekOf(exchange);
      const group = await act(exchange, 'moved', ref, (audit) => consumerGroups.seek(ref, start, audit));
      return json(groupJson(group));
    }),
    change('POST', '/:name/parked/replay', 'write', async (exchange) => {
      const { ref, which } = parkedChoiceOf(exchange);
      const replayed = await act(exchange, 'parked_replayed', ref, (audit) =>
        consumerGroups.replayParked(ref, which, audit),
      );
      return json({ replayed });
    }),
    change('POST', '/:name/parked/discard', 'write', async (exchange) => {
      const { ref, which } = parkedChoiceOf(exchange);
      const discarded = await act(exchange, 'parked_discarded', ref, (audit) =>
        consumerGroups.discardParked(ref, which, audit),
      );
      return json({ discarded });
    }),
  ];
};

const groupAct = (name: string, { tenantId, storeId, name: group }: GroupRef): Act => ({
  action: `custom:consumer_group_${name}`,
  tenantId,
  resourceType: 'consumer_group',
  resourceId: group,
  details: { store_id: storeId },
});

/** A client that has gone gets nothing in flight: waiting ends, and what was handed out meanwhile is given back. */
async function pull(consumerGroups: ConsumerGroups, exchange: Exchange): Promise<Reply> {
  const { ref, request } = pullOf(exchange);
  const gone = new AbortController();
  const release = exchange.release;
  exchange.release = () => {
    release?.();
    gone.abort();
  };
  const deliveries = await consumerGroups.pull(ref, { ...request, signal: gone.signal });
  return jsonText(renderDeliveries(deliveries, ref.tenantId));
}
