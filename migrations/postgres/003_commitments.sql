-- Commitments: Merkle roots over ranges of a stream, chained by state roots, and what is known of their anchoring.
-- row_check is the CRC-32 over all other columns in table order.

-- Commitments of VES streams: padded trees. The primary key also orders a stream's commitments and finds the one that covers a
-- number.
create table ves_commitments (
  tenant_id          uuid        not null,
  store_id           uuid        not null,
  sequence_start     bigint      not null check (sequence_start > 0),
  sequence_end       bigint      not null,
  batch_id           uuid        not null,
  ves_version        integer     not null,
  tree_depth         integer     not null,
  leaf_count         integer     not null,
  padded_leaf_count  integer     not null,
  merkle_root        bytea       not null check (octet_length(merkle_root) = 32),
  prev_state_root    bytea       not null check (octet_length(prev_state_root) = 32),
  new_state_root     bytea       not null check (octet_length(new_state_root) = 32),
  committed_at       timestamptz not null,
  chain_id           bigint      check (chain_id between 0 and 4294967295),
  chain_tx_hash      bytea       check (octet_length(chain_tx_hash) = 32),
  chain_block_number bigint      check (chain_block_number >= 0),
  anchored_at        timestamptz,
  row_check          integer     not null,
  primary key (tenant_id, store_id, sequence_start),
  check (sequence_end >= sequence_start),
  check (leaf_count = sequence_end - sequence_start + 1)
);
create unique index ves_commitments_batch on ves_commitments (batch_id, tenant_id);
-- What no chain knows of yet: of all streams in the order of their making, and of one stream in its own order.
create index ves_commitments_pending on ves_commitments (committed_at, batch_id) where chain_tx_hash is null;
create index ves_commitments_unanchored on ves_commitments (tenant_id, store_id, sequence_start) where chain_tx_hash is null;

-- Commitments of legacy streams. ves_head and legacy_head are the heads up to which events are counted in new_state_root.
create table commitments (
  tenant_id          uuid        not null,
  store_id           uuid        not null,
  sequence_start     bigint      not null check (sequence_start > 0),
  sequence_end       bigint      not null,
  batch_id           uuid        not null,
  event_count        integer     not null,
  events_root        bytea       not null check (octet_length(events_root) = 32),
  prev_state_root    bytea       not null check (octet_length(prev_state_root) = 32),
  new_state_root     bytea       not null check (octet_length(new_state_root) = 32),
  ves_head           bigint      not null check (ves_head >= 0),
  legacy_head        bigint      not null,
  committed_at       timestamptz not null,
  chain_id           bigint      check (chain_id between 0 and 4294967295),
  chain_tx_hash      bytea       check (octet_length(chain_tx_hash) = 32),
  chain_block_number bigint      check (chain_block_number >= 0),
  anchored_at        timestamptz,
  row_check          integer     not null,
  primary key (tenant_id, store_id, sequence_start),
  check (sequence_end >= sequence_start),
  check (event_count = sequence_end - sequence_start + 1),
  check (legacy_head >= sequence_end)
);
create unique index commitments_batch on commitments (batch_id, tenant_id);
create index commitments_unanchored on commitments (tenant_id, store_id, sequence_start) where chain_tx_hash is null;

-- How far the events of a store are counted in commitment_entity_versions. Its row lock is the lock of legacy commitments.
create table commitment_entity_heads (
  tenant_id   uuid    not null,
  store_id    uuid    not null,
  ves_head    bigint  not null check (ves_head >= 0),
  legacy_head bigint  not null check (legacy_head >= 0),
  row_check   integer not null,
  primary key (tenant_id, store_id)
) with (fillfactor = 50);

-- Events of each entity, in both streams of its store, up to those heads: what the legacy state root is the hash of. Texts are
-- ordered by their bytes, whatever the database's collation, because the hash depends on the order.
create table commitment_entity_versions (
  tenant_id   uuid             not null,
  store_id    uuid             not null,
  entity_type text collate "C" not null,
  entity_id   text collate "C" not null,
  version     bigint           not null check (version > 0),
  row_check   integer          not null,
  primary key (tenant_id, store_id, entity_type, entity_id)
) with (fillfactor = 70);

-- A commitment never changes and never goes away; what a chain says about it is added later, and taken back when the chain does.
create function refuse_commitment_change() returns trigger language plpgsql as $$
declare
  anchoring constant text[] := array['chain_id', 'chain_tx_hash', 'chain_block_number', 'anchored_at', 'row_check'];
begin
  if tg_op = 'UPDATE' then
    if to_jsonb(new) - anchoring = to_jsonb(old) - anchoring then
      return new;
    end if;
  end if;
  raise exception '% may gain anchors only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
create trigger ves_commitments_immutable before update or delete on ves_commitments for each row execute function refuse_commitment_change();
create trigger ves_commitments_no_truncate before truncate on ves_commitments for each statement execute function refuse_commitment_change();
create trigger commitments_immutable before update or delete on commitments for each row execute function refuse_commitment_change();
create trigger commitments_no_truncate before truncate on commitments for each statement execute function refuse_commitment_change();
