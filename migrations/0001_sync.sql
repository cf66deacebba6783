-- The four schemas, and what argos-sync needs to know about its own work.
--
-- argos       facts without direct identifiers, for analysts
-- argos_pii   what names or describes a person, for few
-- argos_raw   the last items as the vendor sent them, for recovery, merging and new columns
-- argos_sync  coverage, checkpoints, runs and what is due, for operators

create schema if not exists argos;
create schema if not exists argos_pii;
create schema if not exists argos_raw;
create schema if not exists argos_sync;

-- The only clock. Tests replace this function; nothing else asks for the time.
create function argos_sync.clock() returns timestamptz
    language sql stable parallel safe
    as $$ select now() $$;

-- Orders observations: drawn just before the HTTP attempt that answers.
create sequence argos_sync.read_number;

-- Orders claims: a writer with an older number has lost its right to write.
create sequence argos_sync.fence;

-- One row for each project that was ever synced.
create table argos_sync.project (
    project text collate "C" primary key,
    kind text not null check (kind in ('idcheck', 'faceauth')),
    parent text,
    -- The date filter has been seen to return an item inside the window asked for. Until then an empty window proves nothing.
    filter_proven boolean not null default false,
    -- Set while the vendor refuses the key; the reason is the vendor's answer, cleaned.
    blocked_at timestamptz,
    blocked_reason text,
    -- The vendor asked for quiet until then.
    not_before timestamptz
);

-- One row for each run of the program, and how it ended.
create table argos_sync.run (
    run_id bigint generated always as identity primary key,
    command text not null,
    version text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    outcome text check (outcome in ('complete', 'complete_empty', 'empty_unproven', 'partial', 'blocked', 'interrupted', 'failed'))
);

-- What a run received, by project and stream:
-- received = inserted + updated + unchanged + quarantined + duplicate.
create table argos_sync.run_stream (
    run_id bigint not null,
    project text collate "C" not null,
    stream text collate "C" not null,
    pages bigint not null default 0,
    details bigint not null default 0,
    received bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    unchanged bigint not null default 0,
    quarantined bigint not null default 0,
    duplicate bigint not null default 0,
    primary key (run_id, project, stream),
    check (received = inserted + updated + unchanged + quarantined + duplicate)
);

-- The right to read and write a window of days: no two live claims of a stream overlap.
create table argos_sync.claim (
    claim_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    fence bigint not null,
    holder text not null,
    until_at timestamptz not null
);
create index claim_window on argos_sync.claim (project, stream, window_from);

-- A backfill that was asked for; its windows are done when a pass of it completed them.
create table argos_sync.backfill (
    backfill_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    requested_at timestamptz not null,
    ended_at timestamptz,
    -- complete: every window was read; replaced: asked for again with --restart.
    outcome text check (outcome in ('complete', 'replaced'))
);
create unique index backfill_open on argos_sync.backfill (project, stream, window_from, window_to)
    where ended_at is null;

-- One walk over a window, with its checkpoint: the cursor of the last page that was stored, and its number.
-- The checkpoint moves only from page n-1 to page n, in the transaction that stores page n.
create table argos_sync.pass (
    pass_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    lane text not null check (lane in ('fresh', 'unsettled', 'detail', 'backfill', 'audit')),
    backfill_id bigint,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    state text not null check (state in ('open', 'complete', 'complete_empty', 'empty_unproven', 'split', 'blocked', 'dropped')),
    fence bigint not null,
    started_at timestamptz not null,
    moved_at timestamptz not null,
    ended_at timestamptz,
    page integer not null default 0,
    cursor_id text,
    cursor_date text,
    trail_anchor bytea,
    trail_steps bigint not null default 0,
    trail_reach bigint not null default 0,
    -- Failures at this cursor, and how often the window began again because of them.
    failures integer not null default 0,
    restarts integer not null default 0,
    last_error text,
    received bigint not null default 0,
    -- Items of this pass that were created inside the window asked for.
    inside bigint not null default 0,
    check ((cursor_id is null) = (cursor_date is null))
);
create unique index pass_open on argos_sync.pass (project, stream, window_from, window_to, coalesce(backfill_id, 0))
    where state = 'open';
create index pass_backfill on argos_sync.pass (backfill_id) where backfill_id is not null;
create index pass_window on argos_sync.pass (project, stream, window_from);

-- The ledger: when each day was last read completely, as of the moment the walk began.
create table argos_sync.coverage (
    project text collate "C" not null,
    stream text collate "C" not null,
    day date not null,
    as_of timestamptz not null,
    pass_id bigint not null,
    primary key (project, stream, day)
);

-- All that an unchanged item touches, and only by reading.
create table argos_sync.record (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    list_digest bytea,
    list_no bigint,
    detail_digest bytea,
    detail_no bigint,
    -- List and detail say different things, so that seeing either again may change the row.
    contested boolean not null default false,
    normalizer_version smallint not null,
    -- The day of creation; for an undated record the first day of the window that listed it.
    window_day date not null,
    undated boolean not null default false,
    deleted_at timestamptz,
    primary key (project, stream, id)
);
create index record_window_day on argos_sync.record (project, stream, window_day);

-- Records whose single call is due.
create table argos_sync.detail_due (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    due_at timestamptz not null,
    failures integer not null default 0,
    -- Held by a worker until then.
    fence bigint not null default 0,
    holder text,
    until_at timestamptz not null default '-infinity',
    primary key (project, stream, id)
);
create index detail_due_order on argos_sync.detail_due (project, stream, due_at);

-- What was stored with a part missing: where, and what was found there; never the value.
create table argos_sync.repair (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    path text not null,
    found text not null,
    json_type text not null,
    noted_at timestamptz not null,
    primary key (project, stream, id, path, found, json_type)
);

-- Every kind of deviation from the documented shape, once.
create table argos_sync.schema_drift (
    project text collate "C" not null,
    stream text collate "C" not null,
    path text not null,
    found text not null,
    json_type text not null,
    first_seen_at timestamptz not null,
    primary key (project, stream, path, found, json_type)
);

-- Items that could not be stored in their tables; the whole item is in argos_raw.quarantine.
create table argos_sync.quarantine (
    project text collate "C" not null,
    stream text collate "C" not null,
    digest bytea not null,
    call text not null check (call in ('list', 'detail')),
    reason text not null,
    bytes integer not null,
    first_seen_at timestamptz not null,
    pass_id bigint,
    primary key (project, stream, digest)
);

create table argos_raw.quarantine (
    project text collate "C" not null,
    stream text collate "C" not null,
    digest bytea not null,
    encoding text not null,
    body bytea not null,
    primary key (project, stream, digest)
);
alter table argos_raw.quarantine alter column body set storage external;

-- The last items as they came, compressed by argos-sync; PostgreSQL need not try again.
create table argos_raw.submission (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    encoding text not null,
    list_body bytea,
    detail_body bytea,
    primary key (project, submission_id)
);
alter table argos_raw.submission alter column list_body set storage external,
    alter column detail_body set storage external;

create table argos_raw.faceauth (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    encoding text not null,
    list_body bytea,
    detail_body bytea,
    primary key (project, auth_id)
);
alter table argos_raw.faceauth alter column list_body set storage external,
    alter column detail_body set storage external;
