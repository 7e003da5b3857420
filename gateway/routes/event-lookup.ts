import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { findReceiptGroup, type ReceiptGroup } from '../../engine/store/receipts.js';
import { findVesEvent, findVesEventByCommand, type VesEventRow } from '../../engine/store/ves-events.js';
import { reachesStore, requireStream, resolveTenant } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { jsonText, type Reply } from '../http/reply.js';
import type { GatewayIdentity } from '../identity.js';
import { uuid } from '../input/fields.js';
import { parseQuery, pathValue } from '../input/parse.js';
import { groupReceiptJson } from '../render/group-receipt.js';
import { receiptOf } from '../render/receipt.js';
import { renderVesEnvelope } from '../render/ves-envelope.js';
import { certifyLeaf, type TransparencyServices } from '../transparency.js';

/** Which receipts the answer carries. */
const receipt = z.enum(['event', 'group', 'both'], { error: '"event", "group" or "both"' }).default('event');
type ReceiptWish = z.output<typeof receipt>;
export const ByEventId = z.object({ tenant_id: uuid().optional(), receipt });
export const ByCommand = z.object({ tenant_id: uuid(), store_id: uuid(), command_id: uuid(), receipt });

export interface LookupDeps {
  readonly sql: Sql;
  readonly identity: GatewayIdentity;
  readonly transparency: Pick<TransparencyServices, 'logs' | 'checkpoints'>;
}

/** "Did this commit?": what a client asks after an answer got lost. */
export const lookupRoutes = ({ sql, identity, transparency }: LookupDeps) => {
  async function sequenced(
    event: VesEventRow | undefined,
    tenantId: string,
    what: string,
    wish: ReceiptWish,
  ): Promise<Reply> {
    if (event === undefined)
      throw new ServiceError('EVENT_NOT_FOUND', `No event with ${what} is stored`, {
        details: { status: 'not_found' },
      });
    const group = await findReceiptGroup(sql, { tenantId, storeId: event.storeId }, event.sequence);
    if (group === undefined) throw new Error(`event ${event.eventId} belongs to no receipt group`); // L4
    const receipts = [
      ...(wish === 'group'
        ? []
        : [`,"receipt":${JSON.stringify(receiptOf(event, tenantId, group, identity))}`]),
      ...(wish === 'event'
        ? []
        : [`,"group_receipt":${JSON.stringify(await groupReceipt(event, tenantId, group))}`]),
    ];
    return jsonText(
      `{"status":"sequenced","sequence_number":${event.sequence},"envelope":${renderVesEnvelope(event, tenantId)}` +
        `${receipts.join('')}}`,
    );
  }

  /** In the tree as the event's group left it, whose root was recorded with the group (L5). */
  async function groupReceipt(event: VesEventRow, tenantId: string, group: ReceiptGroup): Promise<object> {
    const log = { kind: 'stream', tenantId, storeId: event.storeId } as const;
    const [leafIndex, size] = [Number(event.sequence) - 1, Number(group.lastSequence)];
    return groupReceiptJson(await certifyLeaf(transparency, log, leafIndex, size));
  }

  return {
    /** An event of a store that the credential does not reach is answered like one that does not exist (L10). */
    async byEventId(exchange: Exchange): Promise<Reply> {
      const eventId = pathValue(exchange, 0, 'event_id', uuid());
      const query = parseQuery(ByEventId, exchange);
      const tenantId = resolveTenant(exchange.auth, query.tenant_id, 'tenant_id');
      const event = await findVesEvent(sql, tenantId, eventId);
      const visible = event !== undefined && reachesStore(exchange.auth, event.storeId);
      return sequenced(visible ? event : undefined, tenantId, `id ${eventId}`, query.receipt);
    },
    async byCommand(exchange: Exchange): Promise<Reply> {
      const query = parseQuery(ByCommand, exchange);
      requireStream(exchange.auth, query.tenant_id, query.store_id);
      const stream = { tenantId: query.tenant_id, storeId: query.store_id };
      const event = await findVesEventByCommand(sql, stream, query.command_id);
      return sequenced(event, query.tenant_id, `command id ${query.command_id}`, query.receipt);
    },
  };
};
