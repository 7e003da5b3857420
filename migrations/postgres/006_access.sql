-- Who may do what: keys that end by themselves, agents that registered themselves, and what agents may write.

-- From this instant on the key is refused. Null: it ends when it is revoked.
alter table api_keys add column expires_at timestamptz;

-- Agents that registered themselves. Others are known by their keys only.
create table agents (
  tenant_id   uuid        not null,
  agent_id    uuid        not null,
  name        text        not null check (name <> ''),
  description text,
  created_at  timestamptz not null default now(),
  primary key (tenant_id, agent_id)
);

-- What an agent may write. Rules are names, or beginnings of names followed by one asterisk.
create table agent_policies (
  tenant_id            uuid        not null,
  agent_id             uuid        not null,
  allowed_event_types  text[]      not null check (cardinality(allowed_event_types) <= 128),
  allowed_entity_types text[]      not null check (cardinality(allowed_entity_types) <= 128),
  require_base_version boolean     not null default true,
  max_payload_bytes    bigint      check (max_payload_bytes >= 0),
  enabled              boolean     not null default true,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  primary key (tenant_id, agent_id)
);

-- A changed policy reaches the caches of every process over the channel of the agents' keys, under a name that no key has.
create function notify_agent_policy() returns trigger language plpgsql as $$
begin
  perform pg_notify('agent_keys', 'policy/' || coalesce(new.tenant_id, old.tenant_id) || '/' || coalesce(new.agent_id, old.agent_id));
  return null;
end $$;
create trigger agent_policies_notify after insert or update or delete on agent_policies for each row execute function notify_agent_policy();
