-- What proofs need besides the spine: tiles of the streams' Merkle logs, signed roots, check values, validity of keys.

-- CRC-32 of the row as COPY wrote it, without sequence_number and sequenced_at (those are covered by the log and by the group's
-- row). It finds a changed byte in columns that no signature covers; against somebody who recomputes it, signatures and checkpoints
-- are the defence. Null in rows that are older than the column.
alter table ves_events add column row_check integer;
alter table events add column row_check integer;
-- The same over the columns of the group's row.
alter table ves_sequencer_receipts add column row_check integer;

-- When a key was replaced; null while it may sign. Receipts and checkpoints it signed before stay valid.
alter table sequencer_keys add column valid_to timestamptz;

-- Full tiles (256 hashes, c2sp.org/tlog-tiles) of the streams' logs; partial ones are derived from the events when asked for. Tiles
-- are derived data, written in the background after the commit: losing them loses nothing. root_hash is the tile's own root,
-- which is its entry in the tile above.
create table ves_log_tiles (
  tenant_id  uuid     not null,
  store_id   uuid     not null,
  level      smallint not null check (level between 0 and 6),
  tile_index bigint   not null check (tile_index >= 0),
  root_hash  bytea    not null check (octet_length(root_hash) = 32),
  hashes     bytea    not null check (octet_length(hashes) = 8192),
  primary key (tenant_id, store_id, level, tile_index)
);
-- Hashes do not compress: do not try.
alter table ves_log_tiles alter column hashes set storage external;

-- Roots that were signed at sizes inside a group (the roots at the ends of groups are in ves_sequencer_receipts). The primary key
-- is the compare-and-swap behind L5: whoever comes second gets the first one's root or refuses to sign.
create table ves_log_roots (
  tenant_id   uuid        not null,
  store_id    uuid        not null,
  tree_size   bigint      not null check (tree_size >= 0),
  root_hash   bytea       not null check (octet_length(root_hash) = 32),
  recorded_at timestamptz not null,
  row_check   integer     not null,
  primary key (tenant_id, store_id, tree_size)
);

create trigger ves_log_tiles_append_only before update or delete on ves_log_tiles for each row execute function refuse_change();
create trigger ves_log_tiles_no_truncate before truncate on ves_log_tiles for each statement execute function refuse_change();
create trigger ves_log_roots_append_only before update or delete on ves_log_roots for each row execute function refuse_change();
create trigger ves_log_roots_no_truncate before truncate on ves_log_roots for each statement execute function refuse_change();
