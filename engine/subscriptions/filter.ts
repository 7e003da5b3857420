/** Which events of a stream a subscriber wants to see. */

/**
 * Lists of exact values. An event passes when it is in every list that is there; an absent or empty list lets everything pass. Ids of
 * agents are lower-case hyphenated UUIDs.
 */
export interface EventFilter {
  readonly entityTypes?: readonly string[];
  readonly entityIds?: readonly string[];
  readonly eventTypes?: readonly string[];
  readonly agents?: readonly string[];
}

const LISTS = ['entityTypes', 'entityIds', 'eventTypes', 'agents'] as const;

/** Names a filter: equal filters have equal names, whatever the order of their lists. '' lets everything pass. */
export function filterName(filter: EventFilter): string {
  const lists = LISTS.map((list) => [...new Set(filter[list] ?? [])].sort());
  return lists.every((list) => list.length === 0) ? '' : JSON.stringify(lists);
}

/** Whether the filter names exactly one entity, whose events an index finds. */
export function singleEntity(filter: EventFilter): { type: string; id: string } | undefined {
  const { entityTypes = [], entityIds = [] } = filter;
  return entityTypes.length === 1 && entityIds.length === 1
    ? { type: entityTypes[0]!, id: entityIds[0]! }
    : undefined;
}
