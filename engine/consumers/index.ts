/** Durable cursors of agents, and consumer groups that share the work on a stream. */
export { type ConsumerGroupDeps, createConsumerGroups, GROUPS_PER_TENANT_MAX } from './consumer-groups.js';
export {
  type ConsumedStream,
  type CursorService,
  type CursorState,
  createCursorService,
} from './cursor-service.js';
export { parseDeliveryId } from './delivery-id.js';
export {
  type Acknowledged,
  type ConsumerGroups,
  type ConsumerStat,
  type Delivery,
  type GroupRef,
  type GroupRow,
  type GroupSettings,
  type GroupStart,
  type GroupState,
  type Nacked,
  PARKED_CALL_MAX,
  type ParkedRow,
  type Refused,
} from './group-types.js';
export { createLagStats, type LagStats } from './lag-stats.js';
export type { WaitForHead } from './wait.js';
