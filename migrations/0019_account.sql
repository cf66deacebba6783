-- A project is bound to the vendor account that it was first read from (I12).

-- A random value, made once. API keys are identified by their HMAC under it; no key is stored.
create table argos_sync.key_secret (
    is_only_row boolean primary key default true check (is_only_row),
    value bytea not null
);
insert into argos_sync.key_secret (value)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- The API keys that open a project's account. They are valid side by side, so that keys can be rotated.
create table argos_sync.project_key (
    project text collate "C" not null,
    key_id bytea not null,
    bound_at timestamptz not null,
    -- record: a detail call found a known record; vendor_project: the answers name the bound vendor project;
    -- first: no record was known that could have been asked for.
    proof text not null check (proof in ('record', 'vendor_project', 'first')),
    primary key (project, key_id)
);

alter table argos_sync.project
    -- faceAuth_projectId of the answers, where answers carry one.
    add column vendor_project text,
    -- Records with a first_no from account_from to account_no belong to the bound account. account_from moves when the
    -- project is bound again; account_no is null until the first run has ended.
    add column account_from bigint not null default 0,
    add column account_no bigint;

-- Confirmed absences, counted by their time. Few rows; no other statement has this condition.
create index record_absent on argos_sync.record (project, stream, deleted_at) where absent;

-- Raised because detail calls confirmed too many absences within 24 hours, and not by a pass.
alter table argos_sync.deletion_alarm add column confirmed boolean not null default false;
