-- The notary: one RFC 6962 log over the checkpoints of all streams, its checkpoints, and what witnesses signed. There is one for the
-- whole database, so nothing here begins with tenant_id but the entries' own reference to their stream.

-- Where the notary log ends. Who appends swaps this row against the one he built upon, in the statement that inserts the entries, so that
-- several processes make one history. `frontier` as in ves_sequence_counters.
create table notary_log (
  only_row  boolean primary key default true check (only_row),
  tree_size bigint  not null default 0 check (tree_size >= 0),
  frontier  bytea   not null default ''
) with (fillfactor = 50);
insert into notary_log default values;
create function refuse_shorter_log() returns trigger language plpgsql as $$
begin
  raise exception '% only grows: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
create trigger notary_log_grows before update on notary_log for each row when (new.tree_size <= old.tree_size) execute function refuse_shorter_log();
create trigger notary_log_no_delete before delete on notary_log for each row execute function refuse_change();
create trigger notary_log_no_truncate before truncate on notary_log for each statement execute function refuse_change();

-- One row per notarised stream checkpoint. The log entry is made from the columns (it shows hashes only), so it is not stored.
-- origin, tree_size and root_hash are the stream's; a stream is notarised once at a size.
create table notary_entries (
  leaf_index   bigint      primary key check (leaf_index >= 0),
  tenant_id    uuid        not null,
  store_id     uuid        not null,
  origin       text        not null,
  tree_size    bigint      not null check (tree_size > 0),
  root_hash    bytea       not null check (octet_length(root_hash) = 32),
  notarised_at timestamptz not null,
  row_check    integer     not null
);
create unique index notary_entries_stream on notary_entries (tenant_id, store_id, tree_size);

-- Full tiles of the notary log, as ves_log_tiles.
create table notary_tiles (
  level      smallint not null check (level between 0 and 6),
  tile_index bigint   not null check (tile_index >= 0),
  root_hash  bytea    not null check (octet_length(root_hash) = 32),
  hashes     bytea    not null check (octet_length(hashes) = 8192),
  primary key (level, tile_index)
);
alter table notary_tiles alter column hashes set storage external;

-- Roots of the notary log that may be signed: at the ends of appends by the append itself, at sizes in between by whoever signs first.
-- The primary key is the compare-and-swap behind L5: a root is committed here before anybody signs it, and whoever comes second signs
-- the first one's root or nothing.
create table notary_roots (
  tree_size   bigint      primary key check (tree_size >= 0),
  root_hash   bytea       not null check (octet_length(root_hash) = 32),
  recorded_at timestamptz not null,
  row_check   integer     not null
);

-- Signed checkpoints of the notary log (the note as it was given out: text, blank line, the log's signature line). The same size is
-- signed again when the key or the configured origin has changed, always with the root recorded above.
create table notary_checkpoints (
  origin      text        not null,
  tree_size   bigint      not null check (tree_size > 0),
  key_version integer     not null check (key_version >= 0),
  root_hash   bytea       not null check (octet_length(root_hash) = 32),
  issued_at   timestamptz not null,
  note        text        not null,
  row_check   integer     not null,
  primary key (origin, tree_size, key_version)
);

-- Witnesses' signature lines under those checkpoints, verified before they were stored. cosigned_at is the witness's clock.
create table notary_cosignatures (
  origin         text        not null,
  tree_size      bigint      not null check (tree_size > 0),
  witness_name   text        not null,
  key_id         bytea       not null check (octet_length(key_id) = 4),
  signature_line text        not null,
  cosigned_at    timestamptz not null,
  row_check      integer     not null,
  primary key (origin, tree_size, witness_name, key_id)
);
-- How far each witness has come bounds the search for the latest quorum, however long some of them have been away.
create index notary_cosignatures_witness on notary_cosignatures (origin, witness_name, tree_size);

-- The size each witness (its verifier key) last said it had cosigned. A memory, not the truth: the witness corrects it.
create table witness_states (
  witness    text        not null,
  origin     text        not null,
  tree_size  bigint      not null check (tree_size >= 0),
  updated_at timestamptz not null,
  primary key (witness, origin)
);

create trigger notary_entries_append_only before update or delete on notary_entries for each row execute function refuse_change();
create trigger notary_entries_no_truncate before truncate on notary_entries for each statement execute function refuse_change();
create trigger notary_tiles_append_only before update or delete on notary_tiles for each row execute function refuse_change();
create trigger notary_tiles_no_truncate before truncate on notary_tiles for each statement execute function refuse_change();
create trigger notary_roots_append_only before update or delete on notary_roots for each row execute function refuse_change();
create trigger notary_roots_no_truncate before truncate on notary_roots for each statement execute function refuse_change();
create trigger notary_checkpoints_append_only before update or delete on notary_checkpoints for each row execute function refuse_change();
create trigger notary_checkpoints_no_truncate before truncate on notary_checkpoints for each statement execute function refuse_change();
create trigger notary_cosignatures_append_only before update or delete on notary_cosignatures for each row execute function refuse_change();
create trigger notary_cosignatures_no_truncate before truncate on notary_cosignatures for each statement execute function refuse_change();
