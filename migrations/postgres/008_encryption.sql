-- Payloads encrypted at rest: the keys, what was done with them, and the one change of a stored event that they make necessary.
-- A sealed payload is text that begins with 'SSE' (JSON never does); docs/encryption-at-rest.md has the format.

-- Keys of tenants, wrapped by a master key that is never in the database (master_key names it). Destroying the wrapped key is what
-- erases a tenant's payloads. Writers use the highest version that is neither retired nor destroyed.
create table vault_tenant_keys (
  tenant_id    uuid        not null,
  key_version  integer     not null check (key_version > 0),
  master_key   text        not null,
  wrapped_key  bytea       check (octet_length(wrapped_key) > 0),
  created_at   timestamptz not null default now(),
  retired_at   timestamptz,
  destroyed_at timestamptz,
  primary key (tenant_id, key_version),
  check ((wrapped_key is null) = (destroyed_at is not null)),
  check (destroyed_at is null or retired_at is not null)
);

-- Keys that encrypt payloads, wrapped by a tenant key. One thread of one process makes each of them, is the only one that ever encrypts
-- with it, and forgets it when it ends.
create table vault_data_keys (
  tenant_id   uuid        not null,
  data_key_id uuid        not null,
  key_version integer     not null,
  wrapped_key bytea       not null,
  created_at  timestamptz not null default now(),
  primary key (tenant_id, data_key_id),
  foreign key (tenant_id, key_version) references vault_tenant_keys
);

-- What was done with keys, by whom. Append-only.
create table vault_acts (
  act_id    bigint generated always as identity primary key,
  at        timestamptz not null default now(),
  act       text        not null,
  tenant_id uuid,
  actor     text        not null,
  detail    jsonb       not null default '{}'
);

-- How far re-encryption has come in a stream, and to which version of the tenant's key. Its row lock is the lock of the job.
create table vault_reencryptions (
  tenant_id       uuid        not null,
  store_id        uuid        not null,
  stream          text        not null check (stream in ('ves', 'legacy')),
  key_version     integer     not null,
  sequence_number bigint      not null check (sequence_number >= 0),
  updated_at      timestamptz not null default now(),
  primary key (tenant_id, store_id, stream)
);

-- A tenant's key may change its wrapping, be retired, be destroyed. Nothing brings it back, and nothing else of it changes.
create function guard_tenant_key() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.destroyed_at is null and new.tenant_id = old.tenant_id and new.key_version = old.key_version
       and new.created_at = old.created_at and (old.retired_at is null or new.retired_at = old.retired_at) then
      return new;
    end if;
  end if;
  raise exception '% of a tenant key refused', tg_op using errcode = 'restrict_violation';
end $$;
create trigger vault_tenant_keys_guard before update or delete on vault_tenant_keys for each row execute function guard_tenant_key();
create trigger vault_tenant_keys_no_truncate before truncate on vault_tenant_keys for each statement execute function refuse_change();
create trigger vault_data_keys_append_only before update or delete on vault_data_keys for each row execute function refuse_change();
create trigger vault_data_keys_no_truncate before truncate on vault_data_keys for each statement execute function refuse_change();
create trigger vault_acts_append_only before update or delete on vault_acts for each row execute function refuse_change();
create trigger vault_acts_no_truncate before truncate on vault_acts for each statement execute function refuse_change();

-- Events stay append-only. The one exception is re-encryption, in a transaction that says so (set local vault.reseal = 'on'): payload and
-- row_check may be replaced when the new payload is sealed, and nothing else may differ. What the payload says cannot change unnoticed:
-- its hash is in the row and under the signature or commitment, and fsck opens every sealed payload.
create function refuse_event_change() returns trigger language plpgsql as $$
declare
  sealing constant text[] := array['payload', 'row_check'];
begin
  if tg_op = 'UPDATE' and current_setting('vault.reseal', true) = 'on' then
    if starts_with(new.payload, 'SSE2') and to_jsonb(new) - sealing = to_jsonb(old) - sealing then
      return new;
    end if;
  end if;
  raise exception '% is append-only: % refused', tg_table_name, tg_op
    using errcode = 'restrict_violation', hint = 'Write a compensating event instead.';
end $$;
create or replace trigger ves_events_append_only before update or delete on ves_events for each row execute function refuse_event_change();
create or replace trigger events_append_only before update or delete on events for each row execute function refuse_event_change();

-- SQL cannot open sealed payloads.
create or replace view ves_events_readable as
select tenant_id, store_id, sequence_number, sequenced_at, event_id, command_id, ves_version, source_agent_id, agent_key_id,
       entity_type, entity_id, event_type, created_at_str, base_version, payload_kind,
       case when payload_kind = 0 and not starts_with(payload, 'SSE') then payload::jsonb end as payload,
       case when payload_kind = 1 and not starts_with(payload, 'SSE') then payload::jsonb end as payload_encrypted,
       substr(hashes, 1, 32) as event_signing_hash,
       substr(hashes, 33, 64) as agent_signature,
       substr(hashes, 97, 32) as payload_plain_hash,
       case when payload_kind = 1 then substr(hashes, 129, 32) else decode(repeat('00', 32), 'hex') end as payload_cipher_hash,
       starts_with(payload, 'SSE') as payload_sealed
from ves_events;
