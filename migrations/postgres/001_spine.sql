-- The spine: streams, their events, counters, receipts, keys and partition ownership.
-- Every key begins with (or contains) tenant_id, so that the schema can be distributed by tenant.

-- One row per VES stream. It is the lock that gives out sequence numbers (L1): whoever holds it FOR UPDATE
-- may extend the stream, nobody else. `frontier` holds the RFC 6962 right-edge subtree hashes of the stream's
-- Merkle log, largest subtree first, 32 bytes each; it moves in the transaction that inserts the events.
create table ves_sequence_counters (
  tenant_id        uuid        not null,
  store_id         uuid        not null,
  current_sequence bigint      not null default 0 check (current_sequence >= 0),
  frontier         bytea       not null default '',
  updated_at       timestamptz not null default now(),
  primary key (tenant_id, store_id)
) with (fillfactor = 50);

-- The same for the legacy stream, which has no Merkle log of its own kind yet.
create table sequence_counters (
  tenant_id        uuid        not null,
  store_id         uuid        not null,
  current_sequence bigint      not null default 0 check (current_sequence >= 0),
  updated_at       timestamptz not null default now(),
  primary key (tenant_id, store_id)
) with (fillfactor = 50);

-- The hot table. Column order is the COPY row's order: the two columns the sequencer thread fills in come first.
-- entity_key = first 8 bytes of SHA-256(tenant ‖ store ‖ len(type) ‖ type ‖ id): a compact stand-in for the
-- entity in the index; readers compare the real columns as well.
-- hashes = event_signing_hash(32) ‖ agent_signature(64) ‖ payload_plain_hash(32) [‖ payload_cipher_hash(32) if encrypted].
-- payload = the canonical JSON text that was hashed (plaintext), or the canonical encryption envelope (encrypted).
create table ves_events (
  sequence_number bigint      not null,
  sequenced_at    timestamptz not null,
  entity_key      bigint      not null,
  base_version    bigint,
  agent_key_id    bigint      not null,
  ves_version     smallint    not null,
  payload_kind    smallint    not null,
  tenant_id       uuid        not null,
  store_id        uuid        not null,
  event_id        uuid        not null,
  source_agent_id uuid        not null,
  command_id      uuid,
  entity_type     text        not null,
  entity_id       text        not null,
  event_type      text        not null,
  created_at_str  text        not null,
  payload         text        not null,
  hashes          bytea       not null,
  primary key (tenant_id, store_id, sequence_number),
  check (sequence_number > 0),
  check (payload_kind in (0, 1)),
  check (octet_length(hashes) = 128 + 32 * payload_kind)
);
-- Rows never change, so vacuum has nothing to collect and statistics hardly move: let both come seldom, they cost commits time.
alter table ves_events set (autovacuum_vacuum_insert_threshold = 1000000, autovacuum_vacuum_insert_scale_factor = 0.5,
  autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0.5);
create unique index ves_events_event_id on ves_events (event_id, tenant_id);
create unique index ves_events_command_id on ves_events (tenant_id, store_id, command_id) where command_id is not null;
create index ves_events_entity on ves_events (entity_key, sequence_number);

-- The legacy stream. payload is compact JSON text with sorted members; signature is stored, never verified.
create table events (
  sequence_number  bigint      not null,
  sequenced_at     timestamptz not null,
  entity_key       bigint      not null,
  base_version     bigint,
  envelope_version bigint      not null,
  tenant_id        uuid        not null,
  store_id         uuid        not null,
  event_id         uuid        not null,
  source_agent     uuid        not null,
  command_id       uuid,
  entity_type      text        not null,
  entity_id        text        not null,
  event_type       text        not null,
  created_at_str   text        not null,
  payload          text        not null,
  payload_hash     bytea       not null,
  signature        bytea,
  primary key (tenant_id, store_id, sequence_number),
  check (sequence_number > 0),
  check (octet_length(payload_hash) = 32)
);
alter table events set (autovacuum_vacuum_insert_threshold = 1000000, autovacuum_vacuum_insert_scale_factor = 0.5,
  autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0.5);
create unique index events_event_id on events (event_id, tenant_id);
create unique index events_command_id on events (tenant_id, store_id, command_id) where command_id is not null;
create index events_entity on events (entity_key, sequence_number);

-- What all receipts of one committed group and stream have in common: who sequenced it, with which key version, when,
-- and the Merkle root at the end of the range. A receipt's hash and Ed25519 signature follow from this row and the event
-- (both are deterministic), so they are derived, not stored once per event.
create table ves_sequencer_receipts (
  tenant_id             uuid        not null,
  store_id              uuid        not null,
  last_sequence         bigint      not null,
  first_sequence        bigint      not null,
  sequencer_id          uuid        not null,
  sequencer_key_version integer     not null,
  sequenced_at          timestamptz not null,
  root_hash             bytea       not null,
  primary key (tenant_id, store_id, last_sequence),
  check (first_sequence between 1 and last_sequence),
  check (octet_length(root_hash) = 32)
);

-- Every key that has signed receipts of this database, by version. The first key is version 0.
create table sequencer_keys (
  key_version integer     primary key check (key_version >= 0),
  public_key  bytea       not null unique check (octet_length(public_key) = 32),
  valid_from  timestamptz not null default now()
);

-- Version checkpoints of entities that use base_version: version as of the two stream heads. The current version is this
-- plus the events after those heads, so entities that never use base_version cost nothing here.
create table entity_versions (
  tenant_id       uuid   not null,
  store_id        uuid   not null,
  entity_type     text   not null,
  entity_id       text   not null,
  version         bigint not null,
  ves_sequence    bigint not null,
  legacy_sequence bigint not null,
  primary key (tenant_id, store_id, entity_type, entity_id)
) with (fillfactor = 70);

create table agent_signing_keys (
  tenant_id     uuid        not null,
  agent_id      uuid        not null,
  key_id        bigint      not null check (key_id between 0 and 4294967295),
  key_algorithm smallint    not null default 1,
  public_key    bytea       not null check (octet_length(public_key) = 32),
  status        text        not null default 'active' check (status in ('active', 'revoked', 'expired')),
  valid_from    timestamptz,
  valid_to      timestamptz,
  revoked_at    timestamptz,
  created_at    timestamptz not null default now(),
  primary key (tenant_id, agent_id, key_id),
  check (valid_from is null or valid_to is null or valid_from <= valid_to),
  check ((status = 'revoked') = (revoked_at is not null))
);

create table api_keys (
  key_hash    text        primary key check (key_hash ~ '^[0-9a-f]{64}$'),
  tenant_id   uuid        not null,
  store_ids   uuid[]      not null default '{}',
  can_read    boolean     not null default true,
  can_write   boolean     not null default false,
  can_admin   boolean     not null default false,
  agent_id    uuid,
  active      boolean     not null default true,
  rate_limit  integer     check (rate_limit > 0),
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
create index api_keys_agent on api_keys (tenant_id, agent_id, created_at);

-- Who owns a partition. The row is updated by every group commit of that partition, which is the fence: a take-over waits
-- for the group in flight, and a group that finds another epoch than its own starts over (no cached state survives).
create table partition_leases (
  partition_count integer     not null,
  partition       integer     not null,
  epoch           bigint      not null,
  owner_id        uuid        not null,
  lease_until     timestamptz not null,
  last_group      bigint      not null default 0,
  primary key (partition_count, partition)
) with (fillfactor = 20);

-- One record per take-over. discarded_* is the range of group numbers that may have been in flight and were never
-- acknowledged; null when the previous owner left in good order.
create table partition_recoveries (
  partition_count      integer     not null,
  partition            integer     not null,
  generation           bigint      not null,
  previous_generation  bigint      not null,
  owner_id             uuid        not null,
  previous_owner_id    uuid,
  last_committed_group bigint      not null,
  recovery_point       bigint      not null,
  discarded_from       bigint,
  discarded_to         bigint,
  reason               text        not null,
  recovered_at         timestamptz not null default now(),
  primary key (partition_count, partition, generation)
);

-- History is append-only: nothing updates or deletes an event or a receipt, whoever asks.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op
    using errcode = 'restrict_violation', hint = 'Write a compensating event instead.';
end $$;
create trigger ves_events_append_only before update or delete on ves_events for each row execute function refuse_change();
create trigger ves_events_no_truncate before truncate on ves_events for each statement execute function refuse_change();
create trigger events_append_only before update or delete on events for each row execute function refuse_change();
create trigger events_no_truncate before truncate on events for each statement execute function refuse_change();
create trigger ves_receipts_append_only before update or delete on ves_sequencer_receipts for each row execute function refuse_change();
create trigger ves_receipts_no_truncate before truncate on ves_sequencer_receipts for each statement execute function refuse_change();

-- A change of a credential reaches the caches of every process through these notifications.
create function notify_agent_key() returns trigger language plpgsql as $$
begin
  perform pg_notify('agent_keys', new.tenant_id || '/' || new.agent_id || '/' || new.key_id);
  return new;
end $$;
create trigger agent_signing_keys_notify after insert or update on agent_signing_keys for each row execute function notify_agent_key();
create function notify_api_key() returns trigger language plpgsql as $$
begin
  perform pg_notify('api_keys', coalesce(new.key_hash, old.key_hash));
  return null;
end $$;
create trigger api_keys_notify after insert or update or delete on api_keys for each row execute function notify_api_key();

-- For people who read with SQL: the packed columns taken apart, the payload as jsonb.
create view ves_events_readable as
select tenant_id, store_id, sequence_number, sequenced_at, event_id, command_id, ves_version, source_agent_id, agent_key_id,
       entity_type, entity_id, event_type, created_at_str, base_version, payload_kind,
       case when payload_kind = 0 then payload::jsonb end as payload,
       case when payload_kind = 1 then payload::jsonb end as payload_encrypted,
       substr(hashes, 1, 32) as event_signing_hash,
       substr(hashes, 33, 64) as agent_signature,
       substr(hashes, 97, 32) as payload_plain_hash,
       case when payload_kind = 1 then substr(hashes, 129, 32) else decode(repeat('00', 32), 'hex') end as payload_cipher_hash
from ves_events;
