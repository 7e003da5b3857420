-- What readers have told about themselves: durable cursors of agents, and consumer groups that share the work on a stream. Nothing here
-- is history: rows change and go, and events are never touched.

-- How far an agent says it has read a stream. acknowledged_sequence only grows.
create table agent_sync_state (
  tenant_id             uuid        not null,
  store_id              uuid        not null,
  agent_id              uuid        not null,
  acknowledged_sequence bigint      not null check (acknowledged_sequence >= 0),
  updated_at            timestamptz not null,
  primary key (tenant_id, store_id, agent_id)
) with (fillfactor = 50);

-- A consumer group of a VES stream. Whoever changes anything of a group holds the advisory lock of its name for the transaction.
-- group_id is new whenever a group is made, so nothing of a deleted group of the same name is taken for its successor's.
-- Empty lists let every event pass. read_sequence: events up to it have been looked at and, where they pass, are or were deliveries.
create table consumer_groups (
  tenant_id      uuid        not null,
  store_id       uuid        not null,
  name           text        not null,
  group_id       uuid        not null default gen_random_uuid(),
  entity_types   text[]      not null default '{}',
  event_types    text[]      not null default '{}',
  agents         uuid[]      not null default '{}',
  partitions     integer     not null check (partitions between 1 and 1024),
  ack_timeout_ms integer     not null check (ack_timeout_ms > 0),
  max_attempts   integer     not null check (max_attempts > 0),
  max_in_flight  integer     not null check (max_in_flight > 0),
  read_sequence  bigint      not null check (read_sequence >= 0),
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  primary key (tenant_id, store_id, name)
) with (fillfactor = 50);
create unique index consumer_groups_id on consumer_groups (tenant_id, group_id);

-- Consumers that have called lately: a fair share of the partitions is counted by them.
create table consumer_group_members (
  tenant_id  uuid        not null,
  group_id   uuid        not null,
  consumer   text        not null,
  expires_at timestamptz not null,
  primary key (tenant_id, group_id, consumer)
) with (fillfactor = 50);

-- Who gets the events of a partition. Another consumer may take it when lease_until has passed and nothing of it is in flight.
create table consumer_group_partitions (
  tenant_id   uuid        not null,
  group_id    uuid        not null,
  partition   integer     not null,
  consumer    text,
  lease_until timestamptz,
  primary key (tenant_id, group_id, partition),
  check ((consumer is null) = (lease_until is null))
) with (fillfactor = 50);

-- Events that were read for a group and are not settled. consumer is null while the event waits, until due_at if there is one;
-- otherwise the consumer has it in flight until deadline_at. handout numbers the pull that handed it out last: with the
-- sequence number it makes the delivery id. attempts counts the hand-outs that were not taken back.
create table consumer_group_deliveries (
  tenant_id       uuid        not null,
  group_id        uuid        not null,
  sequence_number bigint      not null,
  partition       integer     not null,
  entity_key      bigint      not null,
  attempts        integer     not null default 0,
  handout         bigint,
  consumer        text,
  deadline_at     timestamptz,
  due_at          timestamptz,
  primary key (tenant_id, group_id, sequence_number),
  check ((consumer is null) = (deadline_at is null)),
  check (consumer is null or (handout is not null and due_at is null))
) with (fillfactor = 70);
-- In flight or delayed: they hold back later events of their entity. The one small index besides the key, because every hand-out pays.
create index consumer_group_deliveries_held on consumer_group_deliveries (tenant_id, group_id, entity_key, sequence_number)
  where consumer is not null or due_at is not null;
-- A queue: all rows come and go, so dead ones must not pile up in front of the living.
alter table consumer_group_deliveries set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);

-- Events the group gave up on, until somebody replays or discards them.
create table consumer_group_parked (
  tenant_id       uuid        not null,
  group_id        uuid        not null,
  sequence_number bigint      not null,
  partition       integer     not null,
  entity_key      bigint      not null,
  attempts        integer     not null,
  consumer        text        not null,
  reason          text        not null,
  parked_at       timestamptz not null,
  primary key (tenant_id, group_id, sequence_number)
);

-- Numbers hand-outs of all groups; what is unique needs no order.
create sequence consumer_group_handouts as bigint;
