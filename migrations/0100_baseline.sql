-- The whole schema of release 1. Later changes are migrations with higher numbers.
--
--  1. schemas
--  2. argos_sync: the state of argos-sync, grouped by purpose
--  3. argos_raw: items as received, compressed
--  4. argos and argos_pii: the data tables, submissions first
--  5. storage and compression of the data tables
--  6. functions for analysts and consumers
--
-- Comments on data tables and their columns are missing here: `argos-sync migrate` writes them
-- from the catalogue in the code (src/normalize/catalogue). A test compares the catalogue's
-- columns with this file.
--
-- Rules for all tables:
--
--  - Ids and project names have the collation "C": the vendor's ids are opaque, all writers lock
--    rows in the same order, and of two compared columns with different collations PostgreSQL
--    uses "C", so that an index under another collation would not serve a join.
--  - There are no foreign keys and no constraints across records, so that the tables can be
--    distributed by the record's id.
--  - Primary keys of tables with a row per record begin with the record's id, except where rows
--    are few. Every look-up gives the whole key; comparing the id first is cheaper than comparing
--    the project, which most rows share. An id alone also finds its rows by the key.
--  - No other index of a large table begins with the project, unless it has a condition. Until a
--    table is analyzed, PostgreSQL rates any index that begins with the project as highly as the
--    primary key, and may look one record up by reading all records of its project. Some indexes
--    therefore have a condition that is always true: PostgreSQL uses them only for statements
--    that name the column.

-- The database has no tables yet, so that no lock is waited for.
-- squawk-ignore-file require-lock-timeout

create schema if not exists argos;
create schema if not exists argos_pii;
create schema if not exists argos_raw;
create schema if not exists argos_sync;

-- A schema that existed before may belong to another role, which alone may comment on it.
do $$
begin
    comment on schema argos is 'Facts without direct identifiers, for analysts.';
    comment on schema argos_pii is
        'Personal data for few readers: names, contacts, documents, images.';
    comment on schema argos_raw is
        'Items as the vendor sent them, compressed: for recovery, merging and new columns.';
    comment on schema argos_sync is
        'State of argos-sync for operators: runs, coverage, checkpoints, due calls, alarms.';
exception when insufficient_privilege then
    null;
end
$$;


-- argos_sync: clock and sequences

create function argos_sync.clock() returns timestamptz
    language sql stable parallel safe
    as $$ select now() $$;
comment on function argos_sync.clock() is
    'Returns the current time of argos-sync: the start of the transaction. Tests replace this '
    'function.';

create function argos_sync.clock_ahead(other timestamptz) returns interval
    language sql volatile parallel safe
    as $$ select other - clock_timestamp() $$;
comment on function argos_sync.clock_ahead(timestamptz) is
    'Returns how far another clock is ahead of the server''s. Negative: behind. Tests replace this '
    'function.';

create sequence argos_sync.read_number;
comment on sequence argos_sync.read_number is
    'Read numbers, which order observations. Drawn just before the HTTP request that returns the '
    'item.';

create sequence argos_sync.fence;
comment on sequence argos_sync.fence is
    'Fencing numbers. A writer with a number lower than the claim''s may no longer write.';

create table argos_sync.clock_mark (
    is_only boolean primary key default true check (is_only),
    seen_at timestamptz not null
);
comment on table argos_sync.clock_mark is
    'Latest time that a run has read from the clock. If the clock shows less, it was set back. At '
    'most one row.';
comment on column argos_sync.clock_mark.is_only is
    'Always true, so that the table has at most one row.';
comment on column argos_sync.clock_mark.seen_at is
    'Latest time that a run has read from the clock.';

create table argos_sync.high_water_mark (
    project text collate "C" not null,
    stream text collate "C" not null,
    read_number bigint not null,
    fence bigint not null,
    primary key (project, stream)
);
comment on table argos_sync.high_water_mark is
    'Highest numbers committed per project and stream. A sequence below them, for example after a '
    'restore, is raised, because it would make new observations look old.';
comment on column argos_sync.high_water_mark.project is 'Name of the project.';
comment on column argos_sync.high_water_mark.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.high_water_mark.read_number is
    'Highest committed read number. 0: none.';
comment on column argos_sync.high_water_mark.fence is 'Highest committed fencing number. 0: none.';


-- argos_sync: runs

create table argos_sync.run (
    run_id bigint generated always as identity primary key,
    command text not null,
    version text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    outcome text check (outcome in (
        'complete', 'complete_empty', 'empty_unverified', 'partial', 'blocked', 'interrupted',
        'failed')),
    holder text,
    expires_at timestamptz not null default argos_sync.clock() + interval '1 day',
    fence bigint not null default 0
);
create index run_unended on argos_sync.run (expires_at) where ended_at is null;
create index run_ended_at on argos_sync.run (ended_at);
comment on table argos_sync.run is
    'Runs of argos-sync. Rows are deleted 90 days after the end of the run.';
comment on column argos_sync.run.run_id is 'Number of the run.';
comment on column argos_sync.run.command is 'Command that was run, such as run or backfill.';
comment on column argos_sync.run.version is 'Version of argos-sync.';
comment on column argos_sync.run.started_at is 'Start of the run.';
comment on column argos_sync.run.ended_at is 'End of the run. Null: it has not ended.';
comment on column argos_sync.run.outcome is
    'Result of the run: complete; complete_empty (verified that there is no data); '
    'empty_unverified (no data, which proves nothing); partial (a part could not be read); blocked '
    '(the vendor refuses a key); interrupted; failed. Null: it has not ended.';
comment on column argos_sync.run.holder is
    'Process that executes the run: boot and process namespace of its machine, process number, '
    'start. Null: not recorded.';
comment on column argos_sync.run.expires_at is
    'Time after which the run counts as interrupted. The process renews it while it works.';
comment on column argos_sync.run.fence is
    'Fencing number at the start of the run. It orders runs without a clock. 0: not recorded.';

create table argos_sync.run_counter (
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
    skipped bigint not null default 0,
    primary key (run_id, project, stream),
    check (received = inserted + updated + unchanged + quarantined + duplicate + skipped)
);
comment on table argos_sync.run_counter is
    'Items and calls of a run, per project and stream. received = inserted + updated + unchanged + '
    'quarantined + duplicate + skipped.';
comment on column argos_sync.run_counter.run_id is 'Number of the run.';
comment on column argos_sync.run_counter.project is 'Name of the project.';
comment on column argos_sync.run_counter.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.run_counter.pages is 'Number of list pages stored.';
comment on column argos_sync.run_counter.details is
    'Number of detail calls whose responses were stored.';
comment on column argos_sync.run_counter.received is 'Number of items received.';
comment on column argos_sync.run_counter.inserted is 'Number of items of unknown records.';
comment on column argos_sync.run_counter.updated is
    'Number of items that differ from the stored ones.';
comment on column argos_sync.run_counter.unchanged is 'Number of items that equal the stored ones.';
comment on column argos_sync.run_counter.quarantined is 'Number of items that could not be stored.';
comment on column argos_sync.run_counter.duplicate is
    'Number of items that occur elsewhere in the response, or that belong to the pass of another '
    'window.';
comment on column argos_sync.run_counter.skipped is
    'Number of items of unknown records from before sync.since, which are not stored.';


-- argos_sync: projects and their accounts

create table argos_sync.project (
    project text collate "C" primary key,
    kind text not null check (kind in ('idcheck', 'faceauth')),
    parent text collate "C",
    filter_proven boolean not null default false,
    blocked_at timestamptz,
    blocked_reason text,
    not_before timestamptz,
    unfiltered_as_of timestamptz,
    detail_cycle_started_at timestamptz,
    detail_cycle_after_id text collate "C" not null default '',
    detail_cycle_count bigint not null default 0,
    last_outcome text check (last_outcome in (
        'complete', 'complete_empty', 'empty_unverified', 'partial', 'blocked', 'interrupted',
        'failed')),
    last_ended_at timestamptz,
    last_run_error text,
    end_marked boolean not null default false,
    sparse_records bigint not null default 0,
    sparse_counted_at timestamptz,
    sparse_drawn_at timestamptz,
    vendor_project text,
    account_first_read bigint not null default 0,
    account_last_read bigint,
    unfiltered_fence bigint not null default 0,
    vendor_ahead_seconds double precision,
    hint_started_at timestamptz,
    hint_before date,
    hint_until timestamptz
);
comment on table argos_sync.project is 'Every project that was ever synced.';
comment on column argos_sync.project.project is 'Name of the project in the configuration.';
comment on column argos_sync.project.kind is
    'Kind of the project: idcheck (submissions) or faceauth (face authentications).';
comment on column argos_sync.project.parent is
    'Project with the submissions that a faceauth project refers to. Null for idcheck.';
comment on column argos_sync.project.filter_proven is
    'True once a list with a date filter has returned an item inside the requested window. Until '
    'then an empty window proves nothing.';
comment on column argos_sync.project.blocked_at is
    'Time since which the vendor refuses the key. Null: not refused.';
comment on column argos_sync.project.blocked_reason is
    'Vendor''s response when it refused the key, without secrets. Null: not refused.';
comment on column argos_sync.project.not_before is
    'Time until which the vendor asked for no calls. Null: it has not asked.';
comment on column argos_sync.project.unfiltered_as_of is
    'Start of the last complete pass without a date filter. Null: none.';
comment on column argos_sync.project.detail_cycle_started_at is
    'Start of the current cycle of detail calls through all records. Null: none.';
comment on column argos_sync.project.detail_cycle_after_id is
    'Id up to which the current cycle of detail calls has scheduled all records. Empty: none.';
comment on column argos_sync.project.detail_cycle_count is
    'Number of records that the current cycle of detail calls has scheduled.';
comment on column argos_sync.project.last_outcome is
    'Result of the last run for this project, with the values of run.outcome. Null: no run has '
    'ended.';
comment on column argos_sync.project.last_ended_at is
    'End of the last run for this project. Null: no run has ended.';
comment on column argos_sync.project.last_run_error is
    'Failure of the last run for this project, with advice and without personal values. Null: '
    'none.';
comment on column argos_sync.project.end_marked is
    'True once a list has returned a next-page key. Until then a full page without a key may not '
    'be the last page of its list.';
comment on column argos_sync.project.sparse_records is
    'Number of records with record.sparse at the time sparse_counted_at.';
comment on column argos_sync.project.sparse_counted_at is
    'Time at which sparse_records was counted. Null: never.';
comment on column argos_sync.project.sparse_drawn_at is
    'Time up to which detail calls for sparse records are allotted. Null: none are allotted.';
comment on column argos_sync.project.vendor_project is
    'Vendor''s id (faceAuth_projectId) of the project to which this one is bound. Null: no '
    'response contained one.';
comment on column argos_sync.project.account_first_read is
    'Records whose first_read is from account_first_read to account_last_read belong to the bound '
    'account. Set to a new read number when the project is bound again.';
comment on column argos_sync.project.account_last_read is
    'Last read number of the range that starts at account_first_read. Null: no record is known to '
    'belong to the account yet.';
comment on column argos_sync.project.unfiltered_fence is
    'Fencing number of the last complete pass without a date filter. 0: none.';
comment on column argos_sync.project.vendor_ahead_seconds is
    'Seconds by which the vendor''s clock was ahead of the server''s at the last comparison. '
    'Negative: behind. Null: not compared yet.';
comment on column argos_sync.project.hint_started_at is
    'Start of the current or last cycle of lists with request_type=aml. The cycle reads all '
    'history from the newest record to the oldest. Null: none.';
comment on column argos_sync.project.hint_before is
    'Days before this one are still to be listed in the current cycle of lists with '
    'request_type=aml. Null: the cycle is complete.';
comment on column argos_sync.project.hint_until is
    'Time up to which list calls with request_type=aml are allotted. Null: none are allotted.';

create table argos_sync.key_secret (
    is_only_row boolean primary key default true check (is_only_row),
    value bytea not null
);
insert into argos_sync.key_secret (value)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
comment on table argos_sync.key_secret is
    'Random value, drawn when the schema is created. API keys are identified by their HMAC with '
    'this value; no key is stored. One row.';
comment on column argos_sync.key_secret.is_only_row is
    'Always true, so that the table has at most one row.';
comment on column argos_sync.key_secret.value is 'Key of the HMAC, 32 bytes.';

create table argos_sync.project_key (
    project text collate "C" not null,
    key_id bytea not null,
    bound_at timestamptz not null,
    proof text not null check (proof in ('record', 'vendor_project', 'first')),
    primary key (project, key_id)
);
comment on table argos_sync.project_key is
    'API keys that are verified to open the account to which the project is bound. Several can be '
    'valid at a time, so that keys can be rotated.';
comment on column argos_sync.project_key.project is 'Name of the project.';
comment on column argos_sync.project_key.key_id is 'HMAC of the API key with key_secret.value.';
comment on column argos_sync.project_key.bound_at is
    'Time at which the key was bound to the project.';
comment on column argos_sync.project_key.proof is
    'Proof of the account. record: a detail call found a known record. vendor_project: the '
    'responses name the bound vendor project. first: no known record could be requested.';

create table argos_sync.api_finding (
    project text collate "C" not null,
    fact text collate "C" not null,
    finding text not null,
    learned_at timestamptz not null,
    changed_at timestamptz,
    before text,
    primary key (project, fact)
);
comment on table argos_sync.api_finding is
    'Observed behavior of the vendor''s API where its documentation is unclear, without personal '
    'values. The rows save calls; results are correct without them.';
comment on column argos_sync.api_finding.project is 'Name of the project.';
comment on column argos_sync.api_finding.fact is
    'Aspect of the API that was examined, such as: date style.';
comment on column argos_sync.api_finding.finding is 'Observed behavior, such as: compact.';
comment on column argos_sync.api_finding.learned_at is
    'Time of the first finding about this aspect.';
comment on column argos_sync.api_finding.changed_at is
    'Time at which a change of the vendor''s behavior was last found. Null: none.';
comment on column argos_sync.api_finding.before is
    'Finding before the last change of the vendor''s behavior. Null: no change.';


-- argos_sync: call budget and rate limit
--
-- Every HTTP attempt counts. Processes take calls in blocks, so that restarts and replicas share
-- both limits.

create table argos_sync.budget (
    project text collate "C" not null,
    day date not null,
    lane text collate "C" not null
        check (lane in ('recent', 'unsettled', 'detail', 'backfill', 'audit')),
    taken bigint not null default 0 check (taken >= 0),
    lapsed bigint not null default 0 check (lapsed >= 0),
    primary key (project, day, lane)
);
comment on table argos_sync.budget is
    'Number of calls per project, UTC day and lane. Rows are deleted after 40 days.';
comment on column argos_sync.budget.project is 'Name of the project.';
comment on column argos_sync.budget.day is 'UTC day of the calls.';
comment on column argos_sync.budget.lane is
    'Class of work: recent, unsettled, detail, backfill or audit.';
comment on column argos_sync.budget.taken is
    'Number of calls that the lane has taken: calls made, and calls reserved by running processes.';
comment on column argos_sync.budget.lapsed is
    'Number of calls that the lane did not take in time from its share. Other lanes may take them.';

create table argos_sync.rate (
    project text collate "C" primary key,
    free_at timestamptz not null
);
comment on table argos_sync.rate is
    'Rate limiter of each project. A process locks the row before it takes calls.';
comment on column argos_sync.rate.project is 'Name of the project.';
comment on column argos_sync.rate.free_at is
    'Time up to which all calls that the rate limit allows are taken.';


-- argos_sync: windows of days

create table argos_sync.claim (
    claim_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    fence bigint not null,
    holder text not null,
    expires_at timestamptz not null
);
create index claim_window on argos_sync.claim (project, stream, window_from);
comment on table argos_sync.claim is
    'Leases: the right to read and write a window of days. No two unexpired claims of a stream '
    'overlap.';
comment on column argos_sync.claim.claim_id is 'Number of the claim.';
comment on column argos_sync.claim.project is 'Name of the project.';
comment on column argos_sync.claim.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.claim.window_from is 'First day of the window.';
comment on column argos_sync.claim.window_to is 'Day after the last day of the window.';
comment on column argos_sync.claim.fence is
    'Fencing number of the claim. Every writing transaction of the holder compares it first.';
comment on column argos_sync.claim.holder is
    'Process that holds the claim, in the form of run.holder.';
comment on column argos_sync.claim.expires_at is
    'Time at which the claim ends unless it is renewed.';

create table argos_sync.backfill (
    backfill_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    requested_at timestamptz not null,
    ended_at timestamptz,
    outcome text check (outcome in ('complete', 'replaced'))
);
create unique index backfill_open
    on argos_sync.backfill (project, stream, window_from, window_to) where ended_at is null;
comment on table argos_sync.backfill is
    'Requested backfills. A day is done when a pass of the backfill has read it completely.';
comment on column argos_sync.backfill.backfill_id is 'Number of the backfill.';
comment on column argos_sync.backfill.project is 'Name of the project.';
comment on column argos_sync.backfill.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.backfill.window_from is 'First day to read.';
comment on column argos_sync.backfill.window_to is 'Day after the last day to read.';
comment on column argos_sync.backfill.requested_at is 'Time at which the backfill was requested.';
comment on column argos_sync.backfill.ended_at is 'End of the backfill. Null: it is open.';
comment on column argos_sync.backfill.outcome is
    'Result of the backfill: complete (every day was read) or replaced (requested again with '
    '--restart). Null: it is open.';

create table argos_sync.pass (
    pass_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    lane text not null check (lane in ('recent', 'unsettled', 'detail', 'backfill', 'audit')),
    backfill_id bigint,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    state text not null check (state in (
        'open', 'complete', 'complete_empty', 'empty_unverified', 'split', 'blocked', 'dropped')),
    fence bigint not null,
    started_at timestamptz not null,
    advanced_at timestamptz not null,
    ended_at timestamptz,
    page integer not null default 0,
    cursor_id text,
    cursor_date text,
    cycle_anchor bytea,
    cycle_steps bigint not null default 0,
    cycle_limit bigint not null default 0,
    failures integer not null default 0,
    restarts integer not null default 0,
    last_error text,
    received bigint not null default 0,
    in_window bigint not null default 0,
    filtered boolean not null default true,
    unverified text check (unverified in ('filter', 'records')),
    check ((cursor_id is null) = (cursor_date is null))
);
create unique index pass_open
    on argos_sync.pass (project, stream, window_from, window_to, coalesce(backfill_id, 0))
    where state = 'open';
create index pass_backfill on argos_sync.pass (backfill_id) where backfill_id is not null;
create index pass_window on argos_sync.pass (project, stream, window_from);
create index pass_ended_at on argos_sync.pass (ended_at) where ended_at is not null;
comment on table argos_sync.pass is
    'Passes: reads of a window from the first list page to the last, with their checkpoints. The '
    'checkpoint advances only from page n-1 to page n, in the transaction that stores page n.';
comment on column argos_sync.pass.pass_id is 'Number of the pass.';
comment on column argos_sync.pass.project is 'Name of the project.';
comment on column argos_sync.pass.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.pass.lane is
    'Class of work that started the pass: recent, unsettled, detail, backfill or audit.';
comment on column argos_sync.pass.backfill_id is 'Backfill that the pass belongs to. Null: none.';
comment on column argos_sync.pass.window_from is
    'First day of the window. Without a date filter: a day that has no record.';
comment on column argos_sync.pass.window_to is 'Day after the last day of the window.';
comment on column argos_sync.pass.state is
    'State of the pass: open; complete; complete_empty (verified that the window has no records); '
    'empty_unverified (no records, which proves nothing, see unverified); split (the window was '
    'halved); blocked (a single day failed repeatedly); dropped (the checkpoint is no longer valid). '
    'Only complete and complete_empty cover days.';
comment on column argos_sync.pass.fence is
    'Fencing number of the claim under which the pass last continued.';
comment on column argos_sync.pass.started_at is
    'Time of the request for the first page. Records created later may be missing.';
comment on column argos_sync.pass.advanced_at is 'Time at which the checkpoint last advanced.';
comment on column argos_sync.pass.ended_at is 'End of the pass. Null: it is open.';
comment on column argos_sync.pass.page is 'Number of the last stored page, from 1. 0: none.';
comment on column argos_sync.pass.cursor_id is
    'Id in the vendor''s key of the next page. Null: no page is stored, or there is no next page.';
comment on column argos_sync.pass.cursor_date is
    'Date in the vendor''s key of the next page. Null: no page is stored, or there is no next '
    'page.';
comment on column argos_sync.pass.cycle_anchor is
    'State of the cycle detector (Brent''s algorithm): digest of the cursor that later cursors are '
    'compared with. Null: no cursor yet.';
comment on column argos_sync.pass.cycle_steps is 'Number of cursors since cycle_anchor was set.';
comment on column argos_sync.pass.cycle_limit is
    'Number of cursors after which cycle_anchor is set again.';
comment on column argos_sync.pass.failures is
    'Number of failed attempts since the checkpoint last advanced.';
comment on column argos_sync.pass.restarts is
    'Number of times that the window was restarted from its first page after failures.';
comment on column argos_sync.pass.last_error is
    'Last error of the pass, without personal values. Null: none, or the pass has succeeded.';
comment on column argos_sync.pass.received is 'Number of items received so far.';
comment on column argos_sync.pass.in_window is
    'Number of items received so far that were created inside the window.';
comment on column argos_sync.pass.filtered is
    'True: a list with a date filter. False: a list of all records.';
comment on column argos_sync.pass.unverified is
    'Reason why an empty window proves nothing. filter: the date filter has never returned an '
    'item. records: live records are known in the window, and detail calls have not shown that '
    'they are deleted. Null: state is not empty_unverified.';

create table argos_sync.coverage (
    project text collate "C" not null,
    stream text collate "C" not null,
    day date not null,
    as_of timestamptz not null,
    pass_id bigint not null,
    records integer not null default 0,
    fence bigint not null default 0,
    primary key (project, stream, day)
);
comment on table argos_sync.coverage is
    'Days that were read completely, each with the time of its last complete read.';
comment on column argos_sync.coverage.project is 'Name of the project.';
comment on column argos_sync.coverage.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.coverage.day is 'UTC day of creation of the records.';
comment on column argos_sync.coverage.as_of is
    'Time as of which the day is complete: the start of the pass that read it.';
comment on column argos_sync.coverage.pass_id is 'Pass that read the day.';
comment on column argos_sync.coverage.records is
    'Number of live records of the day when the pass ended.';
comment on column argos_sync.coverage.fence is
    'Fencing number of the pass. A pass with a lower one does not replace the row.';


-- argos_sync: records and their detail calls

create table argos_sync.record (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    list_digest bytea,
    list_read bigint,
    detail_digest bytea,
    detail_read bigint,
    sources_differ boolean not null default false,
    normalizer_version smallint not null,
    window_day date not null,
    undated boolean not null default false,
    deleted_at timestamptz,
    unsettled boolean not null default false,
    changed_at timestamptz,
    unlisted boolean not null default false,
    deleted_by_absence boolean not null default false,
    first_read bigint not null default 0,
    doubted_digest bytea,
    doubted_read bigint,
    sparse smallint,
    detail_next_at timestamptz,
    hint_digest bytea,
    primary key (id, project, stream)
);
-- The conditions of record_window_day and record_normalizer_version are always true, see the top.
create index record_window_day on argos_sync.record (project, stream, window_day)
    where window_day is not null;
create index record_unsettled on argos_sync.record (project, stream, window_day) where unsettled;
create index record_changed_at on argos_sync.record (project, stream, changed_at)
    where changed_at is not null;
create index record_unfiltered on argos_sync.record (project, stream) where undated or unlisted;
-- Without the id, one index entry serves many records, and only renormalizing writes to it.
create index record_normalizer_version on argos_sync.record (project, stream, normalizer_version)
    where normalizer_version is not null;
create index record_sparse on argos_sync.record (project, stream, sparse, detail_next_at)
    where sparse is not null;
create index record_deleted_by_absence on argos_sync.record (project, stream, deleted_at)
    where deleted_by_absence;
comment on table argos_sync.record is
    'Every known record with the digests of its last items. For an unchanged item this row is read '
    'and nothing is written.';
comment on column argos_sync.record.project is 'Name of the project.';
comment on column argos_sync.record.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.record.id is 'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.record.list_digest is
    'Digest of the last item from a list. Null: no list has shown the record.';
comment on column argos_sync.record.list_read is
    'Read number of the last stored item from a list. Null: no list has shown the record.';
comment on column argos_sync.record.detail_digest is
    'Digest of the last item from a detail call. Null: no detail call has found the record.';
comment on column argos_sync.record.detail_read is
    'Read number of the last stored item from a detail call. Null: no detail call has found the '
    'record.';
comment on column argos_sync.record.sources_differ is
    'True if the items from list and detail call contradict each other, so that receiving either '
    'again may change rows.';
comment on column argos_sync.record.normalizer_version is
    'Version of the normalizer that created the rows.';
comment on column argos_sync.record.window_day is
    'UTC day of creation. For an undated record: first day of the window that listed it.';
comment on column argos_sync.record.undated is 'True if the items have no valid time of creation.';
comment on column argos_sync.record.deleted_at is
    'Time at which argos-sync had proof of the deletion. Null: the record is live.';
comment on column argos_sync.record.unsettled is
    'True if the state is expected to change: it is pending, incomplete or unknown to argos-sync.';
comment on column argos_sync.record.changed_at is
    'Time at which an item last changed. Null: never since the record became known.';
comment on column argos_sync.record.unlisted is
    'True if the record is live, but lists of its day do not show it: only a pass without a date '
    'filter can miss it.';
comment on column argos_sync.record.deleted_by_absence is
    'True if the record was deleted because it was proven absent, not because of the vendor''s '
    'mark. It is restored if any item shows it again.';
comment on column argos_sync.record.first_read is
    'Read number of the first item. A pass that started earlier proves nothing about the record.';
comment on column argos_sync.record.doubted_digest is
    'Digest of a list item that is older than the record by the vendor''s times. Its content is '
    'not stored; a detail call decides. Null: the last list item is not in doubt.';
comment on column argos_sync.record.doubted_read is
    'Read number of the last comparison of the list item in doubt. Null: the last list item is not '
    'in doubt.';
comment on column argos_sync.record.sparse is
    'Set if items from lists lack the object kyc or aml that items from detail calls have, so that '
    'only detail calls show changes. 0: approved and screened. 1: any other state. Null: lists '
    'show both objects, or nothing is known yet.';
comment on column argos_sync.record.detail_next_at is
    'Time at which the next detail call of a sparse record is due. Null: not computed since the '
    'record was last written.';
comment on column argos_sync.record.hint_digest is
    'Digest of the object aml in the last list with request_type=aml. Null: no such list had it.';

create table argos_sync.detail_due (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    due_at timestamptz not null,
    failures integer not null default 0,
    fence bigint not null default 0,
    holder text,
    expires_at timestamptz not null default '-infinity',
    priority smallint not null default 0,
    primary key (project, stream, id)
);
-- The condition is always true, see the top.
create index detail_due_order on argos_sync.detail_due (project, stream, priority, due_at)
    where priority is not null;
comment on table argos_sync.detail_due is 'Queue of detail calls.';
comment on column argos_sync.detail_due.project is 'Name of the project.';
comment on column argos_sync.detail_due.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.detail_due.id is
    'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.detail_due.due_at is 'Time at which the call is due.';
comment on column argos_sync.detail_due.failures is
    'Number of failed attempts since the call became due.';
comment on column argos_sync.detail_due.fence is
    'Fencing number of the worker that makes the call. 0: none.';
comment on column argos_sync.detail_due.holder is
    'Process that makes the call, in the form of run.holder. Null: none.';
comment on column argos_sync.detail_due.expires_at is
    'Time at which the worker''s claim ends. -infinity: not claimed.';
comment on column argos_sync.detail_due.priority is
    'Priority of the call, lower first. 0: changed recently, may be deleted, or sparse. 1: from a '
    'backfill. 2: from the cycle through all records.';

create table argos_sync.detail_call (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    called_at timestamptz not null,
    answer text not null check (answer in ('found', 'not found', 'failed'))
);
create index detail_call_record on argos_sync.detail_call (project, stream, id, called_at);
create index detail_call_age on argos_sync.detail_call using brin (called_at);
comment on table argos_sync.detail_call is
    'Log of detail calls, including those that changed nothing. Rows are deleted after 30 days.';
comment on column argos_sync.detail_call.project is 'Name of the project.';
comment on column argos_sync.detail_call.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.detail_call.id is
    'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.detail_call.called_at is 'Time at which the response was stored.';
comment on column argos_sync.detail_call.answer is
    'Result of the call: found, not found or failed.';

create table argos_sync.detail_objects (
    project text collate "C" not null,
    kyc_result text collate "C" not null,
    details bigint not null,
    with_kyc bigint not null,
    with_aml bigint not null,
    primary key (project, kyc_result)
);
comment on table argos_sync.detail_objects is
    'Number of items from detail calls that contain the objects kyc and aml, per state of the '
    'submission. A list item without an object that most of these items have is sparse.';
comment on column argos_sync.detail_objects.project is 'Name of the project.';
comment on column argos_sync.detail_objects.kyc_result is
    'State of the submissions (kyc_result). Empty: no state.';
comment on column argos_sync.detail_objects.details is 'Number of items from detail calls.';
comment on column argos_sync.detail_objects.with_kyc is
    'Number of items from detail calls with the object kyc.';
comment on column argos_sync.detail_objects.with_aml is
    'Number of items from detail calls with the object aml.';


-- argos_sync: deletions
--
-- Deletions by the vendor's mark and by absence are proven alike: two detail calls decide about a
-- suspect.

create table argos_sync.suspect (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    missed_at timestamptz,
    pass_id bigint,
    absent_at timestamptz,
    marked_at timestamptz,
    mark_found_at timestamptz,
    constraint suspect_evidence check (missed_at is not null or marked_at is not null),
    primary key (project, stream, id)
);
comment on table argos_sync.suspect is
    'Live records that may be deleted: a complete pass missed them, an item shows the vendor''s '
    'deletion mark, or both.';
comment on column argos_sync.suspect.project is 'Name of the project.';
comment on column argos_sync.suspect.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.suspect.id is 'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.suspect.missed_at is
    'Time at which a pass first missed the record. Null: no pass did.';
comment on column argos_sync.suspect.pass_id is
    'Pass that first missed the record. Null: no pass did.';
comment on column argos_sync.suspect.absent_at is
    'Time at which a detail call first did not find the record while another one found a live '
    'record. Null: none yet.';
comment on column argos_sync.suspect.marked_at is
    'Time at which an item first showed the vendor''s deletion mark. Null: none did.';
comment on column argos_sync.suspect.mark_found_at is
    'Time at which a detail call first showed the vendor''s deletion mark. Null: none did.';

create table argos_sync.deletion_alarm (
    project text collate "C" not null,
    stream text collate "C" not null,
    filtered boolean not null,
    day date not null,
    raised_at timestamptz not null,
    pass_id bigint not null,
    live integer not null,
    missing integer not null,
    confirmed boolean not null default false,
    primary key (project, stream, filtered, day)
);
comment on table argos_sync.deletion_alarm is
    'Days with implausibly many missing records. None of them is deleted until an operator '
    'decides.';
comment on column argos_sync.deletion_alarm.project is 'Name of the project.';
comment on column argos_sync.deletion_alarm.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.deletion_alarm.filtered is
    'True: missed by a pass of the day. False: missed by a pass without a date filter.';
comment on column argos_sync.deletion_alarm.day is 'UTC day of creation of the records.';
comment on column argos_sync.deletion_alarm.raised_at is 'Time at which the alarm was last raised.';
comment on column argos_sync.deletion_alarm.pass_id is 'Pass that missed the records.';
comment on column argos_sync.deletion_alarm.live is
    'Number of live records that should have been listed.';
comment on column argos_sync.deletion_alarm.missing is 'Number of live records that were missing.';
comment on column argos_sync.deletion_alarm.confirmed is
    'True: raised because detail calls confirmed too many absences within 24 hours. '
    'False: raised by a pass.';

create table argos_sync.deletion_decision (
    decision_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    approved boolean not null,
    decided_at timestamptz not null,
    expires_at timestamptz not null
);
create index deletion_decision_project
    on argos_sync.deletion_decision (project, stream, expires_at);
comment on table argos_sync.deletion_decision is
    'Decisions of operators about missing records. The newest unexpired decision about a day '
    'applies.';
comment on column argos_sync.deletion_decision.decision_id is 'Number of the decision.';
comment on column argos_sync.deletion_decision.project is 'Name of the project.';
comment on column argos_sync.deletion_decision.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.deletion_decision.window_from is
    'First day that the decision applies to.';
comment on column argos_sync.deletion_decision.window_to is
    'Day after the last day that the decision applies to.';
comment on column argos_sync.deletion_decision.approved is
    'True: missing records may be deleted. False: they are kept.';
comment on column argos_sync.deletion_decision.decided_at is 'Time of the decision.';
comment on column argos_sync.deletion_decision.expires_at is
    'Time until which the decision applies.';


-- argos_sync: items that deviate from the documented shape
--
-- Paths, words and types; never a value.

create table argos_sync.quarantine (
    project text collate "C" not null,
    stream text collate "C" not null,
    digest bytea not null,
    call text not null check (call in ('list', 'detail')),
    reason text not null,
    bytes integer not null,
    first_seen_at timestamptz not null,
    pass_id bigint,
    read_number bigint,
    primary key (project, stream, digest)
);
comment on table argos_sync.quarantine is
    'Items that could not be stored. Their bodies are in argos_raw.quarantine.';
comment on column argos_sync.quarantine.project is 'Name of the project.';
comment on column argos_sync.quarantine.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.quarantine.digest is 'Digest of the item, which may have no id.';
comment on column argos_sync.quarantine.call is 'Call that returned the item: list or detail.';
comment on column argos_sync.quarantine.reason is
    'Reason why the item could not be stored, such as: unreadable, not an object, id missing, id '
    'too long.';
comment on column argos_sync.quarantine.bytes is 'Size of the uncompressed body in bytes.';
comment on column argos_sync.quarantine.first_seen_at is
    'Time at which the item was first received.';
comment on column argos_sync.quarantine.pass_id is 'Pass that received the item. Null: none.';
comment on column argos_sync.quarantine.read_number is
    'Read number of the item, so that a retry does not overwrite newer rows. Null: not known; a '
    'retry may only add a new record.';

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
comment on table argos_sync.repair is 'Records that were stored without a part of their item.';
comment on column argos_sync.repair.project is 'Name of the project.';
comment on column argos_sync.repair.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.repair.id is 'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.repair.path is 'Path of the part in the item.';
comment on column argos_sync.repair.found is
    'Kind of deviation, such as: wrong type, invalid timestamp, number out of range.';
comment on column argos_sync.repair.json_type is 'JSON type that was found at the path.';
comment on column argos_sync.repair.noted_at is
    'Time at which the record was stored without the part.';

create table argos_sync.schema_drift (
    project text collate "C" not null,
    stream text collate "C" not null,
    path text not null,
    found text not null,
    json_type text not null,
    first_seen_at timestamptz not null,
    primary key (project, stream, path, found, json_type)
);
comment on table argos_sync.schema_drift is
    'Each kind of deviation from the documented shape, once.';
comment on column argos_sync.schema_drift.project is 'Name of the project.';
comment on column argos_sync.schema_drift.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.schema_drift.path is 'Path of the deviation in the item.';
comment on column argos_sync.schema_drift.found is
    'Kind of deviation, with the values of repair.found, or unknown field.';
comment on column argos_sync.schema_drift.json_type is 'JSON type that was found at the path.';
comment on column argos_sync.schema_drift.first_seen_at is
    'Time at which the deviation was first found.';


-- argos_sync: comparison of records with their raw items
--
-- Counters and ids; never a value of a record.

create table argos_sync.verification (
    project text collate "C" not null,
    stream text collate "C" not null,
    day date not null,
    compared bigint not null,
    differing bigint not null,
    primary key (project, stream, day)
);
comment on table argos_sync.verification is
    'Number of records that were drawn at random and compared with their raw items, per UTC day. '
    'Rows are deleted after 7 days.';
comment on column argos_sync.verification.project is 'Name of the project.';
comment on column argos_sync.verification.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.verification.day is 'UTC day of the comparison.';
comment on column argos_sync.verification.compared is 'Number of records compared.';
comment on column argos_sync.verification.differing is
    'Number of compared records with a row that was changed, missing or surplus.';

create table argos_sync.difference (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    tables text[] not null,
    found_at timestamptz not null,
    checked_at timestamptz not null,
    primary key (id, project, stream)
);
create index difference_checked_at on argos_sync.difference (checked_at, project);
comment on table argos_sync.difference is
    'Damaged records that are not repaired yet: rows differ, or raw items are lost.';
comment on column argos_sync.difference.project is 'Name of the project.';
comment on column argos_sync.difference.stream is 'Stream: submission or faceauth.';
comment on column argos_sync.difference.id is
    'Vendor''s id of the submission or face authentication.';
comment on column argos_sync.difference.tables is
    'Tables with rows that differ, and the table of raw items if one is lost.';
comment on column argos_sync.difference.found_at is 'Time at which the damage was found.';
comment on column argos_sync.difference.checked_at is 'Time at which the record was last compared.';


-- argos_sync: change numbers
--
-- Times do not order changes: a transaction that waited for a lock commits times older than those
-- of transactions that committed before it. A row therefore has the number of the transaction that
-- wrote it, and a reader's snapshot tells below which number every transaction has ended.
--
-- Transaction numbers belong to one database cluster: after a dump and restore they start again,
-- and after a recovery to an earlier time those of the lost transactions are used again. Numbers
-- are therefore counted in lines of 2^40. A line belongs to one database, on one server, on one
-- timeline; the first writer elsewhere starts the next line.

create table argos_sync.change_line (
    line integer primary key check (line > 0),
    identity text not null,
    token uuid not null default gen_random_uuid(),
    begun_at timestamptz not null default argos_sync.clock()
);
comment on table argos_sync.change_line is
    'Lines of change numbers: one for each combination of database, server and timeline that wrote '
    'rows.';
comment on column argos_sync.change_line.line is
    'Number of the line. Change numbers of the line are line * 2^40 + the transaction''s number.';
comment on column argos_sync.change_line.identity is
    'Database that the line belongs to: a value of argos_sync.database_identity().';
comment on column argos_sync.change_line.token is
    'Random id of the line, which consumers compare: two restores of one backup may start the same '
    'line.';
comment on column argos_sync.change_line.begun_at is 'Time at which the line was started.';

create function argos_sync.database_identity() returns text
    language plpgsql stable
    as $$
declare
    server text := 'unknown';
begin
    begin
        server := (select system_identifier::text from pg_control_system())
            || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
    exception when insufficient_privilege or undefined_function or feature_not_supported then
        null;
    end;
    return concat_ws('/', server, (select oid from pg_database where datname = current_database()),
        'argos_sync.change_line'::regclass::oid);
end
$$;
comment on function argos_sync.database_identity() is
    'Returns the server, its timeline, the database, and the oid of a table, which a restore '
    'changes. Without the privilege to read the server, only the oids distinguish databases.';

create function argos_sync.change_number() returns bigint
    language plpgsql volatile
    as $$
declare
    here constant text := argos_sync.database_identity();
    latest argos_sync.change_line;
begin
    select * into latest from argos_sync.change_line order by line desc limit 1;
    if latest.identity is distinct from here then
        -- One writer starts the line; the others wait for its commit and use it.
        lock table argos_sync.change_line in share row exclusive mode;
        select * into latest from argos_sync.change_line order by line desc limit 1;
        if latest.identity is distinct from here then
            -- Rows may have been copied without the lines in which they were numbered.
            insert into argos_sync.change_line (line, identity)
            select 1 + greatest(coalesce(latest.line, 0), coalesce(max(number), 0) >> 40), here
            from (
                select max(change_number) from argos.submission
                union all select max(change_number) from argos.faceauth
                union all select max(change_number) from argos.submission_change
                union all select max(change_number) from argos.faceauth_change
            ) as held (number)
            returning * into latest;
        end if;
    end if;
    return latest.line * (1::bigint << 40) + pg_current_xact_id()::text::bigint;
end
$$;
comment on function argos_sync.change_number() is
    'Returns the change number of the calling transaction. Statements call it once, in a scalar '
    'subquery, and only when they write a row.';

insert into argos_sync.change_line (line, identity) values (1, argos_sync.database_identity());

-- `alter sequence` locks out nextval until the transaction ends. The function has the rights of
-- the role that migrated, since only the owner may alter a sequence.
create function argos_sync.raise_sequences(drawn bigint, out floor bigint, out was_behind boolean)
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
        declare
            read_min bigint;
            fence_min bigint;
        begin
            -- One at a time: a second call would set a sequence back that the first has raised and
            -- others have drawn from.
            perform pg_advisory_xact_lock(hashtext('argos_sync.raise_sequences'));
            select greatest(coalesce(max(mark.read_number), 0), drawn), coalesce(max(mark.fence), 0)
                into read_min, fence_min from argos_sync.high_water_mark as mark;
            select greatest(fence_min, coalesce(max(claim.fence), 0))
                into fence_min from argos_sync.claim;
            select greatest(fence_min, coalesce(max(run.fence), 0))
                into fence_min from argos_sync.run;
            -- A sequence that was just restarted has not returned its last_value.
            select last_value - (not is_called)::int into floor from argos_sync.read_number;
            was_behind := floor < read_min;
            if was_behind then
                execute format(
                    'alter sequence argos_sync.read_number restart with %s', read_min + 1);
                floor := read_min;
            end if;
            if (select last_value - (not is_called)::int from argos_sync.fence) < fence_min then
                execute format('alter sequence argos_sync.fence restart with %s', fence_min + 1);
                was_behind := true;
            end if;
        end
    $$;
comment on function argos_sync.raise_sequences(bigint) is
    'Raises the sequences that are below the committed numbers or the given read number. Returns '
    'a read number lower than every one drawn from now on, and whether a sequence was raised.';


-- argos_raw
--
-- A body is a format byte and a payload, see src/warehouse/raw/codec.rs. Bodies are compressed
-- already: `storage external` keeps PostgreSQL from trying again.

create table argos_raw.submission (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    list_body bytea,
    detail_body bytea,
    primary key (submission_id, project)
);
alter table argos_raw.submission
    alter column list_body set storage external, alter column detail_body set storage external;
comment on table argos_raw.submission is 'Last items of each submission, as received.';
comment on column argos_raw.submission.project is 'Name of the project.';
comment on column argos_raw.submission.submission_id is 'Vendor''s id of the submission.';
comment on column argos_raw.submission.list_body is
    'Last item from a list: a format byte (1: zstd), then the compressed JSON. Null: none is '
    'stored.';
comment on column argos_raw.submission.detail_body is
    'Last item from a detail call: a format byte (1: zstd), then the compressed JSON. Null: none '
    'is stored.';

create table argos_raw.faceauth (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    list_body bytea,
    detail_body bytea,
    primary key (auth_id, project)
);
alter table argos_raw.faceauth
    alter column list_body set storage external, alter column detail_body set storage external;
comment on table argos_raw.faceauth is 'Last items of each face authentication, as received.';
comment on column argos_raw.faceauth.project is 'Name of the project.';
comment on column argos_raw.faceauth.auth_id is 'Vendor''s id of the face authentication.';
comment on column argos_raw.faceauth.list_body is
    'Last item from a list: a format byte (1: zstd), then the compressed JSON. Null: none is '
    'stored.';
comment on column argos_raw.faceauth.detail_body is
    'Last item from a detail call: a format byte (1: zstd), then the compressed JSON. Null: none '
    'is stored.';

create table argos_raw.quarantine (
    project text collate "C" not null,
    stream text collate "C" not null,
    digest bytea not null,
    body bytea not null,
    primary key (project, stream, digest)
);
alter table argos_raw.quarantine alter column body set storage external;
comment on table argos_raw.quarantine is 'Bodies of the items in argos_sync.quarantine.';
comment on column argos_raw.quarantine.project is 'Name of the project.';
comment on column argos_raw.quarantine.stream is 'Stream: submission or faceauth.';
comment on column argos_raw.quarantine.digest is 'Digest of the item.';
comment on column argos_raw.quarantine.body is
    'Item as received: a format byte (1: zstd), then the compressed bytes.';


-- argos and argos_pii: submissions
--
-- `change_number` has a default for other programs that write rows; argos-sync always gives it.
-- A changed row moves to a new place, which needs a new entry in each index of its table unless its
-- page has room. Tables that a decision changes leave some (`fillfactor = 90`). Others do not: a
-- page holds three identities or seven raw items, and each would need room for one more.

create table argos.submission (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    created_at timestamptz,
    kyc_result text,
    kyc_result_at timestamptz,
    pending_at timestamptz,
    updated_at timestamptz,
    reviewer text,
    recognition_score double precision,
    argos_score double precision,
    age_group text,
    gender text,
    nationality text,
    id_type text,
    idcard_issuing_country text,
    aml_status text,
    aml_risk_level text,
    id_liveness_screen_play double precision,
    id_liveness_paper_printed double precision,
    id_liveness_replace_portraits double precision,
    pre_verification_request_id text,
    pre_verification_at timestamptz,
    pre_verification_fraud_score double precision,
    pre_verification_attempts_frequency text,
    pre_verification_country_code text,
    pre_verification_connection_type text,
    pre_verification_is_valid boolean,
    projection_id text,
    projection_name text,
    start_button_click_at timestamptz,
    memo_updated_at timestamptz,
    admin_updated_at timestamptz,
    kyc_policy_id text collate "C",
    userid_pseudonym text,
    email_pseudonym text,
    deleted_at timestamptz,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    vendor_deleted_at timestamptz,
    detail_read_at timestamptz,
    change_number bigint not null default argos_sync.change_number(),
    primary key (submission_id, project)
) with (fillfactor = 90);
-- The time first: an index that begins with the project would mislead the planner, see the top.
create index submission_created_at on argos.submission (created_at, project);
create index submission_change_number on argos.submission (change_number);
comment on column argos.submission.detail_read_at is
    'Time of the last request for this submission alone (detail call) that returned it, even if '
    'nothing had changed. Null: none yet, so that values that lists omit are null. [fact]';

create table argos.kyc_attempt (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    attempt_count bigint,
    step1_1st_at timestamptz,
    step1_2nd_at timestamptz,
    step1_3rd_at timestamptz,
    step2_1st_at timestamptz,
    step2_2nd_at timestamptz,
    step2_3rd_at timestamptz,
    ocr_result text,
    verification_result text,
    id_barcode_result text,
    face_similarity_score double precision,
    liveness_score double precision,
    liveness_detail_score double precision,
    liveness_probability double precision,
    liveness_quality double precision,
    retry_code text[],
    error_code text,
    primary key (submission_id, project, ordinal)
) with (fillfactor = 90);

create table argos.kyc_reject_reason (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    comment_code text,
    has_comment boolean,
    primary key (submission_id, project, ordinal)
);

create table argos.aml_match (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    risk_level text,
    resource_id text,
    argos_number text,
    score double precision,
    risk_icons text[],
    primary key (submission_id, project, ordinal)
);

create table argos.submission_duplicate (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    kind text not null,
    duplicate_submission_id text collate "C" not null,
    primary key (submission_id, project, kind, duplicate_submission_id)
);

create table argos.injection_action (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    type text,
    injected_at timestamptz,
    primary key (submission_id, project, ordinal)
);

create table argos.camera_process (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    type text,
    process_start_at timestamptz,
    process_end_at timestamptz,
    error text,
    primary key (submission_id, project, ordinal)
);

create table argos.bank_verification (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    result text,
    type text,
    bank_code text,
    retry_count bigint,
    primary key (submission_id, project)
);

create table argos.kyc_policy (
    project text collate "C" not null,
    policy_id text collate "C" not null,
    option_aml boolean,
    option_address_data boolean,
    option_id_number boolean,
    option_mask_document_number boolean,
    option_validation_gov boolean,
    option_mask_id_number boolean,
    option_document_number boolean,
    option_ai_only boolean,
    policy_approve_period double precision,
    policy_age_limit double precision,
    policy_blacklist_countries text[],
    policy_accepted_id text[],
    primary key (project, policy_id)
);

create table argos_pii.submission_identity (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    email text,
    userid text,
    applicant_id text,
    token_id text,
    duplicated_information text,
    custom_duplicated_information text,
    name text,
    first_name text,
    last_name text,
    full_name text,
    date_of_birth date,
    ip_address text,
    idcard_issue_date date,
    idcard_expire_date date,
    document_number text,
    identity_number text,
    ssn_number text,
    phone_number text,
    type_of_permit text,
    type_of_permit_gov_kor text,
    expiry_date_of_stay_kor date,
    nationality_gov_kor text,
    address_city text,
    address_state text,
    address_street text,
    address_street2 text,
    address_zipcode text,
    address_country text,
    address_global_code text,
    address_compound_code text,
    address_formatted text,
    address_input text,
    address_detail text,
    cf1 text,
    cf2 text,
    cf3 text,
    memo text,
    kyc_comment text[],
    kyc_retry jsonb,
    ocr jsonb,
    ocr_raw jsonb,
    review jsonb,
    confidence jsonb,
    verification_face_age jsonb,
    signals_face_age jsonb,
    warning jsonb,
    aml_raw_data jsonb,
    admin_email text,
    pre_verification_ip_address text,
    account_number text,
    id_image text,
    id_back_image text,
    selfie_image text,
    address_image text,
    primary key (submission_id, project)
);

create table argos_pii.kyc_attempt_verification (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    result_code text,
    result_message text,
    result_transaction_id text,
    result_extra_message text,
    res_authenticity text,
    res_expiration_date text,
    res_nationality text,
    res_authenticity_desc text,
    res_status text,
    user_name text,
    params_id_type text,
    params_nationality text,
    params_birth_date date,
    params_document_number text,
    retry_message text[],
    error_message text,
    error text,
    selfie_image text,
    primary key (submission_id, project, ordinal)
) with (fillfactor = 90);

create table argos_pii.additional_answer (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    ordinal integer not null,
    answer text,
    input_value text,
    block_type text,
    primary key (submission_id, project, ordinal)
);


-- argos and argos_pii: face authentications

create table argos.faceauth (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    created_at timestamptz,
    status text,
    submit_type text,
    kyc_submission_id text collate "C",
    kyc_project text collate "C",
    active_liveness_score double precision,
    face_similarity double precision,
    detect_occluded boolean,
    faceauth_policy_id text collate "C",
    deleted_at timestamptz,
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    vendor_deleted_at timestamptz,
    change_number bigint not null default argos_sync.change_number(),
    primary key (auth_id, project)
) with (fillfactor = 90);
-- The time first: an index that begins with the project would mislead the planner, see the top.
create index faceauth_created_at on argos.faceauth (created_at, project);
create index faceauth_change_number on argos.faceauth (change_number);
create index faceauth_kyc_submission_id on argos.faceauth (kyc_submission_id, kyc_project);

create table argos.faceauth_failure (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    ordinal integer not null,
    fail_code text,
    has_comment boolean,
    primary key (auth_id, project, ordinal)
);

create table argos.faceauth_policy (
    project text collate "C" not null,
    policy_id text collate "C" not null,
    face_similarity_threshold double precision,
    occluded_threshold boolean,
    face_cover_threshold double precision,
    head_cover_threshold double precision,
    liveness_threshold double precision,
    active_liveness_threshold double precision,
    primary key (project, policy_id)
);

create table argos_pii.faceauth_comment (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    reject_comment text[],
    primary key (auth_id, project)
);


-- argos: history
--
-- One row per observed change of a field whose history is recorded. The first observation of a
-- record is not a change, nor is its first detail call where that only adds what list items leave
-- out. Rows are written from locked records, in the transaction that commits the change. Their
-- order is change_id: changed_at is the start of that transaction.

create table argos.submission_change (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    change_id bigint generated always as identity,
    field text not null,
    old_value text,
    new_value text,
    changed_at timestamptz not null,
    lane text not null,
    change_number bigint not null default argos_sync.change_number(),
    primary key (submission_id, project, change_id)
);
create index submission_change_changed_at on argos.submission_change (changed_at);
create index submission_change_change_number on argos.submission_change (change_number);
comment on table argos.submission_change is
    'One row for each observed change of a field of a submission whose history is recorded.';
comment on column argos.submission_change.project is
    'Name of the project in the configuration of argos-sync.';
comment on column argos.submission_change.submission_id is
    'Id that the vendor gave the record. It identifies the record only together with project. '
    '[identifier]';
comment on column argos.submission_change.change_id is
    'Number of the change. It orders the changes of a submission. [fact]';
comment on column argos.submission_change.field is
    'Field that changed: kyc_result, reviewer, aml_status, aml_risk_level, deleted_at, aml_match '
    '(a match was added or removed), or `identity.` followed by the name of a column that '
    'identifies the applicant. [fact]';
comment on column argos.submission_change.old_value is
    'Value before the change, null if there was none. Times are texts in ISO 8601, UTC. For '
    'aml_match: resource_id of a removed match, cleared by a deletion. Always null for identity '
    'fields. [identifier]';
comment on column argos.submission_change.new_value is
    'Value after the change, null if there is none. Times are texts in ISO 8601, UTC. For '
    'aml_match: resource_id of an added match, cleared by a deletion. Always null for identity '
    'fields. [identifier]';
comment on column argos.submission_change.changed_at is
    'Time at which argos-sync stored the change, which is later than the change itself. [fact]';
comment on column argos.submission_change.lane is
    'Class of work that observed the change: recent (newest days), unsettled (days with records '
    'that are expected to change), detail (requests for single records), backfill (requested or '
    'missing days) or audit (all history again). [fact]';
comment on column argos.submission_change.change_number is
    'Number that orders stored changes for consumers, see argos.change_watermark(). [fact]';

create table argos.faceauth_change (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    change_id bigint generated always as identity,
    field text not null,
    old_value text,
    new_value text,
    changed_at timestamptz not null,
    lane text not null,
    change_number bigint not null default argos_sync.change_number(),
    primary key (auth_id, project, change_id)
);
create index faceauth_change_changed_at on argos.faceauth_change (changed_at);
create index faceauth_change_change_number on argos.faceauth_change (change_number);
comment on table argos.faceauth_change is
    'One row for each observed change of the status or the deletion of a face authentication.';
comment on column argos.faceauth_change.project is
    'Name of the project in the configuration of argos-sync.';
comment on column argos.faceauth_change.auth_id is
    'Id that the vendor gave the record. It identifies the record only together with project. '
    '[identifier]';
comment on column argos.faceauth_change.change_id is
    'Number of the change. It orders the changes of a face authentication. [fact]';
comment on column argos.faceauth_change.field is 'Field that changed: status or deleted_at. [fact]';
comment on column argos.faceauth_change.old_value is
    'Value before the change, null if there was none. Times are texts in ISO 8601, UTC. [fact]';
comment on column argos.faceauth_change.new_value is
    'Value after the change, null if there is none. Times are texts in ISO 8601, UTC. [fact]';
comment on column argos.faceauth_change.changed_at is
    'Time at which argos-sync stored the change, which is later than the change itself. [fact]';
comment on column argos.faceauth_change.lane is
    'Class of work that observed the change: recent (newest days), unsettled (days with records '
    'that are expected to change), detail (requests for single records), backfill (requested or '
    'missing days) or audit (all history again). [fact]';
comment on column argos.faceauth_change.change_number is
    'Number that orders stored changes for consumers, see argos.change_watermark(). [fact]';


-- Storage and compression of the data tables

-- A row of an identity is larger than what PostgreSQL keeps in one piece by default. With
-- `storage main` its values stay in the row: a TOAST table costs a row and an index entry each.
do $$
declare
    wide record;
begin
    for wide in
        select attname as column_name from pg_attribute
        where attrelid = 'argos_pii.submission_identity'::regclass and attnum > 0
            and attstorage = 'x'
    loop
        execute format(
            'alter table argos_pii.submission_identity alter column %I set storage main',
            wide.column_name);
    end loop;
end
$$;

-- lz4 compresses jsonb several times faster than pglz, and takes a little more space. Servers that
-- were built without lz4 keep pglz.
do $$
declare
    wide record;
begin
    for wide in
        select attrelid::regclass as table_name, attname as column_name
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        where relnamespace in ('argos'::regnamespace, 'argos_pii'::regnamespace) and relkind = 'r'
            and attnum > 0 and attstorage in ('x', 'm')
    loop
        execute format(
            'alter table %s alter column %I set compression lz4',
            wide.table_name, wide.column_name);
    end loop;
exception when feature_not_supported then
    null;
end
$$;


-- Functions for consumers of changes
--
-- Analysts may not read argos_sync, hence `security definer`.

-- The snapshot is that of the calling query.
create function argos.change_watermark() returns bigint
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$
        select coalesce(max(line), 1) * (1::bigint << 40)
            + pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        from argos_sync.change_line
    $$;
comment on function argos.change_watermark() is
    'Returns a change number. No row with a lower one can appear or change any more. Read it '
    'before the rows, or in one statement with them.';

create function argos.change_line() returns text
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$ select token::text from argos_sync.change_line order by line desc limit 1 $$;
comment on function argos.change_line() is
    'Returns a text that changes after the database was restored or failed over. Commits may be '
    'lost then, so that a consumer has to read everything again.';


-- Functions for the state at an earlier time
--
-- The functions return types of their own, since `returns table` drops the collation, and with it
-- the index for a condition on the id.

create type argos.submission_then as (
    project text collate "C",
    submission_id text collate "C",
    kyc_result text,
    reviewer text,
    aml_status text,
    aml_risk_level text,
    aml_matches text[],
    deleted_at timestamptz
);
comment on type argos.submission_then is 'Row of argos.submission_as_of().';

create type argos.submission_estimate as (
    project text collate "C",
    submission_id text collate "C",
    kyc_result text,
    reviewer text,
    aml_status text,
    aml_risk_level text,
    aml_matches text[],
    deleted_at timestamptz,
    source text,
    first_seen_at timestamptz
);
comment on type argos.submission_estimate is 'Row of argos.submission_by_vendor_times().';

create type argos.faceauth_then as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz
);
comment on type argos.faceauth_then is 'Row of argos.faceauth_as_of().';

create type argos.faceauth_estimate as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz,
    source text,
    first_seen_at timestamptz
);
comment on type argos.faceauth_estimate is 'Row of argos.faceauth_by_vendor_times().';

-- The oldest rows usually come first in their table, so that this ends at once.
create function argos.check_observed(stream text, at timestamptz, of_project text default null)
    returns boolean
    language plpgsql stable parallel safe
    as $$
declare
    earliest timestamptz;
    is_observed boolean;
begin
    is_observed := case stream
        when 'submission' then exists (
            select from argos.submission as held
            where held.first_seen_at <= at and (of_project is null or held.project = of_project))
        else exists (
            select from argos.faceauth as held
            where held.first_seen_at <= at and (of_project is null or held.project = of_project))
    end;
    if is_observed then
        return true;
    end if;
    earliest := case stream
        when 'submission' then (
            select min(held.first_seen_at) from argos.submission as held
            where of_project is null or held.project = of_project)
        else (
            select min(held.first_seen_at) from argos.faceauth as held
            where of_project is null or held.project = of_project)
    end;
    raise exception using
        errcode = 'invalid_parameter_value',
        message = format('history of %ss%s ', stream, ' of project ' || of_project)
            || coalesce(
                'begins at '
                    || to_char(earliest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'is empty: none was observed yet'),
        hint = format(
            'Ask for a later moment, or ask argos.%s_by_vendor_times(..), which uses the vendor''s '
            'own times.', stream);
end
$$;
comment on function argos.check_observed(text, timestamptz, text) is
    'Part of the as_of functions. Raises 22023 with the earliest time of history if no record of '
    'the stream, and of the project if given, was observed by the given time.';

-- The state now with every later change undone is the state at the time, or at the first
-- observation of the record if that was later. Each record is looked up by its key, so that
-- statistics cannot mislead the planner.
create function argos.submission_by_vendor_times(at timestamptz)
    returns setof argos.submission_estimate
    language sql stable parallel safe
    as $$
        select held.project, held.submission_id,
            case when known.source <> 'unknown' then known.kyc_result end,
            case
                when known.source in ('history', 'kyc_result_at')
                        and 'reviewer' = any(changed.fields)
                    then case known.source when 'history' then changed.reviewer end
                when known.source in ('history', 'kyc_result_at') then held.reviewer
            end,
            case when known.source = 'history' then
                case when 'aml_status' = any(changed.fields)
                    then changed.aml_status else held.aml_status end end,
            case when known.source = 'history' then
                case when 'aml_risk_level' = any(changed.fields)
                    then changed.aml_risk_level else held.aml_risk_level end end,
            case when known.source = 'history' then coalesce(matched.resource_ids, '{}') end,
            case when known.source = 'history' then known.deleted_at
                when held.vendor_deleted_at <= submission_by_vendor_times.at
                    then held.vendor_deleted_at end,
            known.source, held.first_seen_at
        from argos.submission as held
        cross join lateral (
            select array_agg(field) as fields,
                max(old_value) filter (where field = 'kyc_result') as kyc_result,
                max(old_value) filter (where field = 'reviewer') as reviewer,
                max(old_value) filter (where field = 'aml_status') as aml_status,
                max(old_value) filter (where field = 'aml_risk_level') as aml_risk_level,
                max(old_value) filter (where field = 'deleted_at')::timestamptz as deleted_at
            from (
                select distinct on (field) field, old_value
                from argos.submission_change as change
                where change.project = held.project and change.submission_id = held.submission_id
                    and change.changed_at > submission_by_vendor_times.at
                    and field in (
                        'kyc_result', 'reviewer', 'aml_status', 'aml_risk_level', 'deleted_at')
                order by field, change_id
            ) as first_change
        ) as changed
        cross join lateral (
            select array_agg(resource_id order by resource_id collate "C") as resource_ids
            from (
                select distinct on (resource_id) resource_id, was_there
                from (
                    select coalesce(old_value, new_value), old_value is not null, change_id
                    from argos.submission_change as change
                    where change.project = held.project
                        and change.submission_id = held.submission_id
                        and change.changed_at > submission_by_vendor_times.at
                        and field = 'aml_match'
                    union all
                    -- A present match counts unless there is a later change of it.
                    select resource_id, true, null
                    from argos.aml_match as present
                    where present.project = held.project
                        and present.submission_id = held.submission_id
                        and resource_id is not null
                ) as evidence (resource_id, was_there, change_id)
                order by resource_id, change_id nulls last
            ) as first_evidence
            where was_there
        ) as matched
        cross join lateral (
            select state.kyc_result, state.deleted_at,
                case
                    when held.first_seen_at <= submission_by_vendor_times.at then 'history'
                    -- What a deletion removed is unknown, and so is when it happened.
                    when state.deleted_at is not null then 'unknown'
                    -- kyc_result_at is the time of the last decision. Of an earlier decision that
                    -- was revised, the time is lost.
                    when state.kyc_result in ('approved', 'rejected')
                        and not coalesce('kyc_result' = any(changed.fields), false)
                        and held.kyc_result_at <= submission_by_vendor_times.at then 'kyc_result_at'
                    when state.kyc_result = 'pending'
                        and held.pending_at <= submission_by_vendor_times.at then 'pending_at'
                    when state.kyc_result = 'incomplete' then 'created_at'
                    else 'unknown'
                end as source
            from (
                select
                    case when 'kyc_result' = any(changed.fields)
                        then changed.kyc_result else held.kyc_result end,
                    case when 'deleted_at' = any(changed.fields)
                        then changed.deleted_at else held.deleted_at end
            ) as state (kyc_result, deleted_at)
        ) as known
        where held.first_seen_at <= submission_by_vendor_times.at
            or held.created_at <= submission_by_vendor_times.at
    $$;
comment on function argos.submission_by_vendor_times(timestamptz) is
    'Returns the rows of submission_as_of, and records that were observed later, estimated by the '
    'vendor''s times. source is the basis of the row: history, kyc_result_at, pending_at, '
    'created_at, or unknown (the record existed; its result is null). Except for history, '
    'deleted_at is the vendor''s own time, if it gave one.';

create function argos.submission_as_of(at timestamptz)
    returns setof argos.submission_then
    language sql stable parallel safe
    as $$
        select project, submission_id, kyc_result, reviewer, aml_status, aml_risk_level,
            aml_matches, deleted_at
        from argos.submission_by_vendor_times(submission_as_of.at)
        where (select argos.check_observed('submission', submission_as_of.at))
            and first_seen_at <= submission_as_of.at
    $$;
comment on function argos.submission_as_of(timestamptz) is
    'Returns every submission known at the given time, in the state known then. aml_matches are '
    'resource ids, sorted. Fails if no submission was observed yet.';

create function argos.submission_as_of(at timestamptz, of_project text)
    returns setof argos.submission_then
    language sql stable parallel safe
    as $$
        select project, submission_id, kyc_result, reviewer, aml_status, aml_risk_level,
            aml_matches, deleted_at
        from argos.submission_by_vendor_times(submission_as_of.at)
        where (select argos.check_observed(
                'submission', submission_as_of.at, submission_as_of.of_project))
            and first_seen_at <= submission_as_of.at and project = submission_as_of.of_project
    $$;
comment on function argos.submission_as_of(timestamptz, text) is
    'Returns every submission of one project known at the given time, in the state known then. '
    'Fails if no submission of the project was observed yet.';

create function argos.faceauth_by_vendor_times(at timestamptz)
    returns setof argos.faceauth_estimate
    language sql stable parallel safe
    as $$
        select held.project, held.auth_id,
            case when 'status' = any(changed.fields) then changed.status else held.status end,
            case when held.first_seen_at <= faceauth_by_vendor_times.at then state.deleted_at
                when held.vendor_deleted_at <= faceauth_by_vendor_times.at
                    then held.vendor_deleted_at end,
            case when held.first_seen_at <= faceauth_by_vendor_times.at
                then 'history' else 'created_at' end,
            held.first_seen_at
        from argos.faceauth as held
        cross join lateral (
            select array_agg(field) as fields,
                max(old_value) filter (where field = 'status') as status,
                max(old_value) filter (where field = 'deleted_at')::timestamptz as deleted_at
            from (
                select distinct on (field) field, old_value
                from argos.faceauth_change as change
                where change.project = held.project and change.auth_id = held.auth_id
                    and change.changed_at > faceauth_by_vendor_times.at
                order by field, change_id
            ) as first_change
        ) as changed
        cross join lateral (
            select case when 'deleted_at' = any(changed.fields)
                then changed.deleted_at else held.deleted_at end
        ) as state (deleted_at)
        where held.first_seen_at <= faceauth_by_vendor_times.at
            or held.created_at <= faceauth_by_vendor_times.at
    $$;
comment on function argos.faceauth_by_vendor_times(timestamptz) is
    'Returns the rows of faceauth_as_of, and records that were observed later, estimated by the '
    'vendor''s times. source is the basis of the row: history, or created_at (the status at the '
    'first observation; deleted_at is the vendor''s own time, if it gave one).';

create function argos.faceauth_as_of(at timestamptz)
    returns setof argos.faceauth_then
    language sql stable parallel safe
    as $$
        select project, auth_id, status, deleted_at
        from argos.faceauth_by_vendor_times(faceauth_as_of.at)
        where (select argos.check_observed('faceauth', faceauth_as_of.at))
            and first_seen_at <= faceauth_as_of.at
    $$;
comment on function argos.faceauth_as_of(timestamptz) is
    'Returns every face authentication known at the given time, in the state known then. Fails if '
    'none was observed yet.';

create function argos.faceauth_as_of(at timestamptz, of_project text)
    returns setof argos.faceauth_then
    language sql stable parallel safe
    as $$
        select project, auth_id, status, deleted_at
        from argos.faceauth_by_vendor_times(faceauth_as_of.at)
        where (select argos.check_observed(
                'faceauth', faceauth_as_of.at, faceauth_as_of.of_project))
            and first_seen_at <= faceauth_as_of.at and project = faceauth_as_of.of_project
    $$;
comment on function argos.faceauth_as_of(timestamptz, text) is
    'Returns every face authentication of one project known at the given time, in the state known '
    'then. Fails if none of the project was observed yet.';
