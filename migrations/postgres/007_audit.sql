-- Administrative acts: who did what to which resource, when, and with what result. One chain per database: each record's hash covers
-- the hash before it, so that a changed, moved or removed record shows.
create table audit_log (
  sequence      bigint      primary key check (sequence > 0),
  id            uuid        not null unique,
  "timestamp"   timestamptz not null,
  action        text        not null,
  actor         text        not null,
  actor_type    text        not null,
  tenant_id     uuid,
  resource_type text        not null,
  resource_id   text,
  request_id    text,
  ip_address    text,
  user_agent    text,
  -- The canonical JSON text that was hashed.
  details       text        not null,
  success       boolean     not null,
  error_message text,
  prev_hash     bytea       not null check (octet_length(prev_hash) = 32),
  hash          bytea       not null check (octet_length(hash) = 32),
  check (success or error_message is not null)
);
-- Queries go through the chain's order, newest first, within one of these.
create index audit_log_tenant on audit_log (tenant_id, sequence);
create index audit_log_action on audit_log (action, sequence);
create index audit_log_actor on audit_log (actor, sequence);
create index audit_log_resource on audit_log (resource_type, resource_id, sequence);
create index audit_log_timestamp on audit_log ("timestamp");

-- The end of the chain, and the lock under which it grows: whoever holds the row may append. It also shows when the last records
-- have been cut off, which the chain alone would not.
create table audit_log_head (
  only_row    boolean     primary key default true check (only_row),
  sequence    bigint      not null check (sequence >= 0),
  hash        bytea       not null check (octet_length(hash) = 32),
  "timestamp" timestamptz not null
) with (fillfactor = 50);
insert into audit_log_head (sequence, hash, "timestamp") values (0, decode(repeat('00', 32), 'hex'), to_timestamp(0));

create trigger audit_log_append_only before update or delete on audit_log for each row execute function refuse_change();
create trigger audit_log_no_truncate before truncate on audit_log for each statement execute function refuse_change();

-- The end only moves forward, one record at a time.
create function refuse_audit_head_change() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if new.sequence = old.sequence + 1 and new."timestamp" >= old."timestamp" then
      return new;
    end if;
  end if;
  raise exception '% only moves forward: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
create trigger audit_log_head_forward before update or delete on audit_log_head for each row execute function refuse_audit_head_change();
create trigger audit_log_head_no_truncate before truncate on audit_log_head for each statement execute function refuse_change();
