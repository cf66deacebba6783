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
        'Personal data: names, contacts, documents, images. For few roles.';
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
    'The clock of argos-sync: the start of the transaction. Tests replace this function.';

create function argos_sync.clock_ahead(other timestamptz) returns interval
    language sql volatile parallel safe
    as $$ select other - clock_timestamp() $$;
comment on function argos_sync.clock_ahead(timestamptz) is
    'How far another clock is ahead of the server''s; negative: behind. Tests replace this '
    'function.';

create sequence argos_sync.read_number;
comment on sequence argos_sync.read_number is
    'Orders observations: drawn just before the HTTP request that returns the item.';

create sequence argos_sync.fence;
comment on sequence argos_sync.fence is
    'Fencing numbers: a writer with a number lower than the claim''s has lost its right to write.';

create table argos_sync.clock_mark (
    is_only boolean primary key default true check (is_only),
    seen_at timestamptz not null
);
comment on table argos_sync.clock_mark is
    'The latest time that a run has read from the clock. A clock that shows less was set back. '
    'One row.';
comment on column argos_sync.clock_mark.is_only is 'Always true: there is one row at most.';
comment on column argos_sync.clock_mark.seen_at is 'The latest time.';

create table argos_sync.high_water_mark (
    project text collate "C" not null,
    stream text collate "C" not null,
    read_number bigint not null,
    fence bigint not null,
    primary key (project, stream)
);
comment on table argos_sync.high_water_mark is
    'The highest numbers committed per project and stream. A sequence below them, for example '
    'after a restore, would make new observations look old, and is raised.';
comment on column argos_sync.high_water_mark.project is 'Name of the project.';
comment on column argos_sync.high_water_mark.stream is 'submission or faceauth.';
comment on column argos_sync.high_water_mark.read_number is 'Highest read number; 0: none.';
comment on column argos_sync.high_water_mark.fence is 'Highest fencing number; 0: none.';


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
    'Runs of the program. Rows are deleted 90 days after the end of the run.';
comment on column argos_sync.run.run_id is 'Number of the run.';
comment on column argos_sync.run.command is 'The command that was run, such as run or backfill.';
comment on column argos_sync.run.version is 'Version of the program.';
comment on column argos_sync.run.started_at is 'When the run started.';
comment on column argos_sync.run.ended_at is 'When the run ended. Null: it has not ended.';
comment on column argos_sync.run.outcome is
    'How the run ended: complete; complete_empty (verified that there is no data); '
    'empty_unverified (no data, which proves nothing); partial (a part could not be read); '
    'blocked (the vendor refuses a key); interrupted; failed. Null: it has not ended.';
comment on column argos_sync.run.holder is
    'The process that runs it: boot and process namespace of its machine, process number, start. '
    'Null: not recorded.';
comment on column argos_sync.run.expires_at is
    'The process renews this time while it works. A run past it counts as interrupted.';
comment on column argos_sync.run.fence is
    'Fencing number at the start: orders runs without a clock. 0: not recorded.';

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
    'What a run received, per project and stream. '
    'received = inserted + updated + unchanged + quarantined + duplicate + skipped.';
comment on column argos_sync.run_counter.run_id is 'The run.';
comment on column argos_sync.run_counter.project is 'Name of the project.';
comment on column argos_sync.run_counter.stream is 'submission or faceauth.';
comment on column argos_sync.run_counter.pages is 'List pages stored.';
comment on column argos_sync.run_counter.details is 'Detail calls whose answers were stored.';
comment on column argos_sync.run_counter.received is 'Items received.';
comment on column argos_sync.run_counter.inserted is 'Items of records that were not known.';
comment on column argos_sync.run_counter.updated is 'Items that differ from the stored ones.';
comment on column argos_sync.run_counter.unchanged is 'Items that equal the stored ones.';
comment on column argos_sync.run_counter.quarantined is 'Items that could not be stored.';
comment on column argos_sync.run_counter.duplicate is
    'Items that another item of the answer, or the pass of another window, represents.';
comment on column argos_sync.run_counter.skipped is
    'Items of unknown records from before sync.since, which are not stored.';


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
comment on column argos_sync.project.kind is 'idcheck (submissions) or faceauth.';
comment on column argos_sync.project.parent is
    'For faceauth: the project that has the submissions. Null: idcheck.';
comment on column argos_sync.project.filter_proven is
    'A list with a date filter has returned an item inside the requested window. Until then an '
    'empty window proves nothing.';
comment on column argos_sync.project.blocked_at is
    'Since when the vendor refuses the key. Null: it does not.';
comment on column argos_sync.project.blocked_reason is
    'The vendor''s answer, without secrets. Null: not blocked.';
comment on column argos_sync.project.not_before is
    'The vendor asked for no calls until then. Null: it has not asked.';
comment on column argos_sync.project.unfiltered_as_of is
    'When the last complete pass without a date filter started. Null: there was none.';
comment on column argos_sync.project.detail_cycle_started_at is
    'When the current cycle of detail calls through all records started. Null: there was none.';
comment on column argos_sync.project.detail_cycle_after_id is
    'The cycle has scheduled all records up to this id. Empty: none yet.';
comment on column argos_sync.project.detail_cycle_count is
    'Records that the cycle has scheduled.';
comment on column argos_sync.project.last_outcome is
    'How the last run ended for this project: words as in run.outcome. Null: no run has ended.';
comment on column argos_sync.project.last_ended_at is
    'When the last run ended for this project. Null: no run has ended.';
comment on column argos_sync.project.last_run_error is
    'What failed in the last run, with advice; no personal value. Null: nothing.';
comment on column argos_sync.project.end_marked is
    'A list has returned a next-page key. Until then a full page without a key may not be the '
    'last page of its list.';
comment on column argos_sync.project.sparse_records is
    'Number of records with record.sparse at sparse_counted_at.';
comment on column argos_sync.project.sparse_counted_at is
    'When sparse_records was counted. Null: never.';
comment on column argos_sync.project.sparse_drawn_at is
    'Detail calls for sparse records are allotted up to this time. Null: none were allotted.';
comment on column argos_sync.project.vendor_project is
    'faceAuth_projectId of the answers, to which the project is bound. Null: no answer had one.';
comment on column argos_sync.project.account_first_read is
    'Records whose first_read is from account_first_read to account_last_read belong to the bound '
    'account. Set to a new read number when the project is bound again.';
comment on column argos_sync.project.account_last_read is
    'See account_first_read. Null: no record is known to belong to the account yet.';
comment on column argos_sync.project.unfiltered_fence is
    'Fencing number of the last complete pass without a date filter; 0: there was none.';
comment on column argos_sync.project.vendor_ahead_seconds is
    'Seconds by which the vendor''s clock was ahead of the server''s when last compared; negative: '
    'behind. Null: not compared yet.';
comment on column argos_sync.project.hint_started_at is
    'When the current or last cycle of lists with request_type=aml started. These lists cover all '
    'history from the newest record to the oldest. Null: there was none.';
comment on column argos_sync.project.hint_before is
    'Days before this one are still to be listed in the cycle. Null: the cycle is complete.';
comment on column argos_sync.project.hint_until is
    'List calls of the cycle are allotted up to this time. Null: none were allotted.';

create table argos_sync.key_secret (
    is_only_row boolean primary key default true check (is_only_row),
    value bytea not null
);
insert into argos_sync.key_secret (value)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
comment on table argos_sync.key_secret is
    'A random value, drawn once when the schema is created. API keys are identified by their HMAC '
    'under it; no key is stored. One row.';
comment on column argos_sync.key_secret.is_only_row is 'Always true: there is one row at most.';
comment on column argos_sync.key_secret.value is 'The key of the HMAC, 32 bytes.';

create table argos_sync.project_key (
    project text collate "C" not null,
    key_id bytea not null,
    bound_at timestamptz not null,
    proof text not null check (proof in ('record', 'vendor_project', 'first')),
    primary key (project, key_id)
);
comment on table argos_sync.project_key is
    'API keys that are verified to open the account to which the project is bound. Several are '
    'valid at a time, so that keys can be rotated.';
comment on column argos_sync.project_key.project is 'Name of the project.';
comment on column argos_sync.project_key.key_id is 'HMAC of the key under key_secret.';
comment on column argos_sync.project_key.bound_at is 'When the key was bound.';
comment on column argos_sync.project_key.proof is
    'record: a detail call found a known record. vendor_project: the answers name the bound vendor '
    'project. first: no record was known that could be requested.';

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
    'Observed behavior of the vendor''s API where its documentation is unclear. No personal '
    'values. Runs are cheaper with these rows, and correct without them.';
comment on column argos_sync.api_finding.project is 'Name of the project.';
comment on column argos_sync.api_finding.fact is 'The question, such as: date style.';
comment on column argos_sync.api_finding.finding is 'The answer, such as: compact.';
comment on column argos_sync.api_finding.learned_at is 'When the question was first answered.';
comment on column argos_sync.api_finding.changed_at is
    'When the vendor''s behavior last changed. Null: it has not changed.';
comment on column argos_sync.api_finding.before is
    'The finding before that change. Null: it has not changed.';


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
    'Calls per project, UTC day and lane. Rows are deleted after 40 days.';
comment on column argos_sync.budget.project is 'Name of the project.';
comment on column argos_sync.budget.day is 'The UTC day.';
comment on column argos_sync.budget.lane is 'recent, unsettled, detail, backfill or audit.';
comment on column argos_sync.budget.taken is
    'Calls taken by the lane: those made, and those that a running process still holds.';
comment on column argos_sync.budget.lapsed is
    'Calls of the lane''s share that it did not take in time, and that other lanes may take.';

create table argos_sync.rate (
    project text collate "C" primary key,
    free_at timestamptz not null
);
comment on table argos_sync.rate is
    'The rate limiter of each project. A process locks the row before it takes calls.';
comment on column argos_sync.rate.project is 'Name of the project.';
comment on column argos_sync.rate.free_at is
    'All calls that the limit per second allows before this time are taken.';


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
comment on column argos_sync.claim.stream is 'submission or faceauth.';
comment on column argos_sync.claim.window_from is 'First day of the window.';
comment on column argos_sync.claim.window_to is 'The day after the last day of the window.';
comment on column argos_sync.claim.fence is
    'Fencing number; every writing transaction of the holder compares it first.';
comment on column argos_sync.claim.holder is 'The process that holds it, as in run.holder.';
comment on column argos_sync.claim.expires_at is 'When the claim ends unless it is renewed.';

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
comment on column argos_sync.backfill.stream is 'submission or faceauth.';
comment on column argos_sync.backfill.window_from is 'First day to read.';
comment on column argos_sync.backfill.window_to is 'The day after the last day to read.';
comment on column argos_sync.backfill.requested_at is 'When it was requested.';
comment on column argos_sync.backfill.ended_at is 'When it ended. Null: it is open.';
comment on column argos_sync.backfill.outcome is
    'complete: every day was read. replaced: requested again with --restart. Null: it is open.';

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
    'checkpoint moves only from page n-1 to page n, in the transaction that stores page n.';
comment on column argos_sync.pass.pass_id is 'Number of the pass.';
comment on column argos_sync.pass.project is 'Name of the project.';
comment on column argos_sync.pass.stream is 'submission or faceauth.';
comment on column argos_sync.pass.lane is
    'The class of work that started it: recent, unsettled, detail, backfill or audit.';
comment on column argos_sync.pass.backfill_id is 'The backfill it belongs to. Null: none.';
comment on column argos_sync.pass.window_from is
    'First day of the window; without a date filter a day that has no record.';
comment on column argos_sync.pass.window_to is 'The day after the last day of the window.';
comment on column argos_sync.pass.state is
    'open; complete; complete_empty (verified that the window has no records); empty_unverified '
    '(no records, which proves nothing, see unverified); split (the window was halved); blocked '
    '(a single day keeps failing); dropped (the checkpoint is no longer valid). Only complete and '
    'complete_empty cover days.';
comment on column argos_sync.pass.fence is
    'Fencing number of the claim under which the pass last continued.';
comment on column argos_sync.pass.started_at is
    'When the first page was requested. Records created later may be missing.';
comment on column argos_sync.pass.advanced_at is 'When the checkpoint last moved.';
comment on column argos_sync.pass.ended_at is 'When the pass ended. Null: it is open.';
comment on column argos_sync.pass.page is 'Number of the last stored page, from 1; 0: none.';
comment on column argos_sync.pass.cursor_id is
    'The id in the vendor''s key of the next page. Null: no page is stored, or there is no next.';
comment on column argos_sync.pass.cursor_date is
    'The date in the vendor''s key of the next page. Null: as cursor_id.';
comment on column argos_sync.pass.cycle_anchor is
    'State of the cycle detector (Brent''s algorithm): digest of the cursor that later ones are '
    'compared with. Null: no cursor yet.';
comment on column argos_sync.pass.cycle_steps is 'Cursors since cycle_anchor was set.';
comment on column argos_sync.pass.cycle_limit is
    'cycle_anchor is set again after this number of cursors.';
comment on column argos_sync.pass.failures is 'Failed attempts since the checkpoint last moved.';
comment on column argos_sync.pass.restarts is
    'How many times the window was restarted from its first page after failures.';
comment on column argos_sync.pass.last_error is
    'The last error; no personal value. Null: there was none, or the pass has succeeded.';
comment on column argos_sync.pass.received is 'Items received so far.';
comment on column argos_sync.pass.in_window is
    'Items received so far that were created inside the window.';
comment on column argos_sync.pass.filtered is
    'True: a list with a date filter. False: a list of everything.';
comment on column argos_sync.pass.unverified is
    'Why an empty window proves nothing. filter: the date filter has never returned an item. '
    'records: live records are known in the window, and detail calls have not shown that they are '
    'gone. Null: state is not empty_unverified.';

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
comment on table argos_sync.coverage is 'When each day was last read completely.';
comment on column argos_sync.coverage.project is 'Name of the project.';
comment on column argos_sync.coverage.stream is 'submission or faceauth.';
comment on column argos_sync.coverage.day is 'The day of creation of its records.';
comment on column argos_sync.coverage.as_of is
    'The day is complete as of this time: when the pass started.';
comment on column argos_sync.coverage.pass_id is 'The pass that read the day.';
comment on column argos_sync.coverage.records is 'Live records of the day at that time.';
comment on column argos_sync.coverage.fence is
    'Fencing number of the pass: a pass with a lower one does not replace the row.';


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
    'Every known record with the digests of its last items. An unchanged item reads this row and '
    'writes nothing.';
comment on column argos_sync.record.project is 'Name of the project.';
comment on column argos_sync.record.stream is 'submission or faceauth.';
comment on column argos_sync.record.id is 'The record''s id, as the vendor gave it.';
comment on column argos_sync.record.list_digest is
    'Digest of the last list item. Null: no list has shown the record.';
comment on column argos_sync.record.list_read is
    'Read number of the last stored list item. Null: no list has shown the record.';
comment on column argos_sync.record.detail_digest is
    'Digest of the last detail. Null: no detail call has found the record.';
comment on column argos_sync.record.detail_read is
    'Read number of the last stored detail. Null: no detail call has found the record.';
comment on column argos_sync.record.sources_differ is
    'List item and detail contradict each other, so that receiving either again may change rows.';
comment on column argos_sync.record.normalizer_version is
    'Version of the normalizer that made the rows.';
comment on column argos_sync.record.window_day is
    'The day of creation; of an undated record the first day of the window that listed it.';
comment on column argos_sync.record.undated is 'The items have no valid time of creation.';
comment on column argos_sync.record.deleted_at is
    'When argos-sync had proof of the deletion. Null: the record is live.';
comment on column argos_sync.record.unsettled is
    'The state is expected to change: it is pending, incomplete or not known to argos-sync.';
comment on column argos_sync.record.changed_at is
    'When an item last changed. Null: never since the record became known.';
comment on column argos_sync.record.unlisted is
    'The record is live, but lists of its day do not show it: only a pass without a date filter '
    'can miss it.';
comment on column argos_sync.record.deleted_by_absence is
    'Deleted because it was proven absent, not because of the vendor''s mark. It is restored if '
    'any item shows it again.';
comment on column argos_sync.record.first_read is
    'Read number of the first item. A pass that started earlier proves nothing about the record.';
comment on column argos_sync.record.doubted_digest is
    'Digest of a list item that is older than the record by the vendor''s times. Its content is '
    'not stored; a detail call decides. Null: the last list item is not in doubt.';
comment on column argos_sync.record.doubted_read is
    'Read number of the last comparison of that list item. Null: as doubted_digest.';
comment on column argos_sync.record.sparse is
    'List items lack the object kyc or aml that details have, so that only detail calls show '
    'changes in it. 0: approved and screened. 1: any other state. Null: lists show both objects, '
    'or nothing is known yet.';
comment on column argos_sync.record.detail_next_at is
    'When the next detail call of a sparse record is due. Null: not computed since the record '
    'was last written.';
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
comment on column argos_sync.detail_due.stream is 'submission or faceauth.';
comment on column argos_sync.detail_due.id is 'The record''s id.';
comment on column argos_sync.detail_due.due_at is 'When the call is due.';
comment on column argos_sync.detail_due.failures is 'Failed attempts since the call became due.';
comment on column argos_sync.detail_due.fence is
    'Fencing number of the worker that makes the call; 0: none.';
comment on column argos_sync.detail_due.holder is
    'The process that makes the call, as in run.holder. Null: none has claimed it.';
comment on column argos_sync.detail_due.expires_at is
    'When the worker''s claim ends; -infinity: it is free.';
comment on column argos_sync.detail_due.priority is
    'Lower first. 0: changed recently, may be deleted, or sparse. 1: from a backfill. 2: the cycle '
    'through all records.';

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
    'Log of detail calls, since unchanged records keep no trace of them. Rows are deleted after '
    '30 days.';
comment on column argos_sync.detail_call.project is 'Name of the project.';
comment on column argos_sync.detail_call.stream is 'submission or faceauth.';
comment on column argos_sync.detail_call.id is 'The record''s id.';
comment on column argos_sync.detail_call.called_at is 'When the answer was stored.';
comment on column argos_sync.detail_call.answer is 'found, not found or failed.';

create table argos_sync.detail_objects (
    project text collate "C" not null,
    kyc_result text collate "C" not null,
    details bigint not null,
    with_kyc bigint not null,
    with_aml bigint not null,
    primary key (project, kyc_result)
);
comment on table argos_sync.detail_objects is
    'How many details of submissions have the objects kyc and aml, per state. Where most have '
    'one, a list item without it is sparse.';
comment on column argos_sync.detail_objects.project is 'Name of the project.';
comment on column argos_sync.detail_objects.kyc_result is
    'The state of the submission; empty: it has none.';
comment on column argos_sync.detail_objects.details is 'Details counted.';
comment on column argos_sync.detail_objects.with_kyc is 'Those with the object kyc.';
comment on column argos_sync.detail_objects.with_aml is 'Those with the object aml.';


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
    'mark, or both.';
comment on column argos_sync.suspect.project is 'Name of the project.';
comment on column argos_sync.suspect.stream is 'submission or faceauth.';
comment on column argos_sync.suspect.id is 'The record''s id.';
comment on column argos_sync.suspect.missed_at is
    'When a pass first missed the record. Null: no pass did.';
comment on column argos_sync.suspect.pass_id is 'That pass. Null: no pass missed the record.';
comment on column argos_sync.suspect.absent_at is
    'When a detail call first did not find the record while another one found a live record. '
    'Null: none yet.';
comment on column argos_sync.suspect.marked_at is
    'When an item first showed the vendor''s mark. Null: none did.';
comment on column argos_sync.suspect.mark_found_at is
    'When a detail call first showed the mark. Null: none did.';

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
    'Days with implausibly many missing records. None of them is deleted until a person decides.';
comment on column argos_sync.deletion_alarm.project is 'Name of the project.';
comment on column argos_sync.deletion_alarm.stream is 'submission or faceauth.';
comment on column argos_sync.deletion_alarm.filtered is
    'True: missed by a pass of the day. False: missed by a pass without a date filter.';
comment on column argos_sync.deletion_alarm.day is 'The day of creation of the records.';
comment on column argos_sync.deletion_alarm.raised_at is 'When the alarm was last raised.';
comment on column argos_sync.deletion_alarm.pass_id is 'The pass that missed the records.';
comment on column argos_sync.deletion_alarm.live is 'Live records that should have been listed.';
comment on column argos_sync.deletion_alarm.missing is 'Those that were missing.';
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
    'Decisions about missing records. The newest unexpired decision about a day applies.';
comment on column argos_sync.deletion_decision.decision_id is 'Number of the decision.';
comment on column argos_sync.deletion_decision.project is 'Name of the project.';
comment on column argos_sync.deletion_decision.stream is 'submission or faceauth.';
comment on column argos_sync.deletion_decision.window_from is 'First day it is about.';
comment on column argos_sync.deletion_decision.window_to is 'The day after the last day.';
comment on column argos_sync.deletion_decision.approved is
    'True: missing records may be deleted. False: they are kept.';
comment on column argos_sync.deletion_decision.decided_at is 'When it was made.';
comment on column argos_sync.deletion_decision.expires_at is 'Until when it applies.';


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
comment on column argos_sync.quarantine.stream is 'submission or faceauth.';
comment on column argos_sync.quarantine.digest is 'Digest of the item, which may have no id.';
comment on column argos_sync.quarantine.call is 'The call that returned it: list or detail.';
comment on column argos_sync.quarantine.reason is
    'Why it could not be stored, such as: unreadable, not an object, id missing, id too long.';
comment on column argos_sync.quarantine.bytes is 'Size of the uncompressed body in bytes.';
comment on column argos_sync.quarantine.first_seen_at is 'When it was first received.';
comment on column argos_sync.quarantine.pass_id is 'The pass that received it. Null: none.';
comment on column argos_sync.quarantine.read_number is
    'Its read number, so that a retry does not overwrite newer rows. Null: not known; a retry may '
    'only add a new record.';

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
comment on column argos_sync.repair.stream is 'submission or faceauth.';
comment on column argos_sync.repair.id is 'The record''s id.';
comment on column argos_sync.repair.path is 'Path of the part in the item.';
comment on column argos_sync.repair.found is
    'What was found there, such as: wrong type, invalid timestamp, number out of range.';
comment on column argos_sync.repair.json_type is 'The JSON type that was found there.';
comment on column argos_sync.repair.noted_at is 'When the record was stored so.';

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
comment on column argos_sync.schema_drift.stream is 'submission or faceauth.';
comment on column argos_sync.schema_drift.path is 'Path of the deviation in the item.';
comment on column argos_sync.schema_drift.found is
    'What was found there: words as in repair.found, or unknown field.';
comment on column argos_sync.schema_drift.json_type is 'The JSON type that was found there.';
comment on column argos_sync.schema_drift.first_seen_at is 'When it was first found.';


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
    'Records that were drawn at random and compared, per UTC day. Rows are deleted after 7 days.';
comment on column argos_sync.verification.project is 'Name of the project.';
comment on column argos_sync.verification.stream is 'submission or faceauth.';
comment on column argos_sync.verification.day is 'The UTC day of the comparison.';
comment on column argos_sync.verification.compared is 'Records compared.';
comment on column argos_sync.verification.differing is
    'Those with a row that was changed, missing or surplus.';

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
    'Records that were found damaged and are not repaired: rows differ, or raw items are lost.';
comment on column argos_sync.difference.project is 'Name of the project.';
comment on column argos_sync.difference.stream is 'submission or faceauth.';
comment on column argos_sync.difference.id is 'The record''s id.';
comment on column argos_sync.difference.tables is
    'Tables in which rows differ; the table of raw items if one is lost.';
comment on column argos_sync.difference.found_at is 'When the damage was found.';
comment on column argos_sync.difference.checked_at is 'When the record was last compared.';


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
    'Lines of change numbers: one per database, server and timeline that wrote rows.';
comment on column argos_sync.change_line.line is
    'Change numbers of the line are line * 2^40 + the transaction''s number.';
comment on column argos_sync.change_line.identity is
    'What the line belongs to: a value of argos_sync.database_identity().';
comment on column argos_sync.change_line.token is
    'What consumers compare: two restores of one backup may start the same line.';
comment on column argos_sync.change_line.begun_at is 'When the line was started.';

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
    'The server, its timeline, the database, and the oid of a table, which a restore changes. '
    'The server is unknown to roles that may not read it; the oid then serves alone.';

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
    'The number of the calling transaction. Statements call it once, in a scalar subquery, and '
    'only when they write a row.';

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
comment on table argos_raw.submission is 'The last items of each submission, as received.';
comment on column argos_raw.submission.project is 'Name of the project.';
comment on column argos_raw.submission.submission_id is 'The submission''s id.';
comment on column argos_raw.submission.list_body is
    'The last list item: a format byte (1: zstd), then the compressed JSON. Null: none is stored.';
comment on column argos_raw.submission.detail_body is
    'The last detail: a format byte (1: zstd), then the compressed JSON. Null: none is stored.';

create table argos_raw.faceauth (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    list_body bytea,
    detail_body bytea,
    primary key (auth_id, project)
);
alter table argos_raw.faceauth
    alter column list_body set storage external, alter column detail_body set storage external;
comment on table argos_raw.faceauth is 'The last items of each face authentication, as received.';
comment on column argos_raw.faceauth.project is 'Name of the project.';
comment on column argos_raw.faceauth.auth_id is 'The face authentication''s id.';
comment on column argos_raw.faceauth.list_body is
    'The last list item: a format byte (1: zstd), then the compressed JSON. Null: none is stored.';
comment on column argos_raw.faceauth.detail_body is
    'The last detail: a format byte (1: zstd), then the compressed JSON. Null: none is stored.';

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
comment on column argos_raw.quarantine.stream is 'submission or faceauth.';
comment on column argos_raw.quarantine.digest is 'Digest of the item.';
comment on column argos_raw.quarantine.body is
    'The item as received: a format byte (1: zstd), then the compressed bytes.';


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
    'When a detail call last returned the record, whether or not anything had changed. Null: none '
    'has. [fact]';

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
comment on table argos.submission_change is 'Observed changes of submissions.';
comment on column argos.submission_change.project is
    'The project''s name in the configuration of argos-sync.';
comment on column argos.submission_change.submission_id is
    'The record''s id, as the vendor gave it. [identifier]';
comment on column argos.submission_change.change_id is
    'Orders the changes of a record by their commits. [fact]';
comment on column argos.submission_change.field is
    'What changed: kyc_result, reviewer, aml_status, aml_risk_level, deleted_at, aml_match (a '
    'match appeared or vanished), or identity and the column''s name. [fact]';
comment on column argos.submission_change.old_value is
    'The value before; for aml_match the resource_id that vanished, null once the record is '
    'deleted; always null for identity fields. [identifier]';
comment on column argos.submission_change.new_value is
    'The value after; for aml_match the resource_id that appeared, null once the record is '
    'deleted; always null for identity fields. [identifier]';
comment on column argos.submission_change.changed_at is
    'When argos-sync stored the change. [fact]';
comment on column argos.submission_change.lane is
    'The class of work that observed it: recent, unsettled, detail, backfill or audit. [fact]';
comment on column argos.submission_change.change_number is
    'The transaction that stored the change, for consumers: see argos.change_watermark(). [fact]';

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
comment on table argos.faceauth_change is 'Observed changes of face authentications.';
comment on column argos.faceauth_change.project is
    'The project''s name in the configuration of argos-sync.';
comment on column argos.faceauth_change.auth_id is
    'The record''s id, as the vendor gave it. [identifier]';
comment on column argos.faceauth_change.change_id is
    'Orders the changes of a record by their commits. [fact]';
comment on column argos.faceauth_change.field is 'What changed: status or deleted_at. [fact]';
comment on column argos.faceauth_change.old_value is 'The value before. [fact]';
comment on column argos.faceauth_change.new_value is 'The value after. [fact]';
comment on column argos.faceauth_change.changed_at is 'When argos-sync stored the change. [fact]';
comment on column argos.faceauth_change.lane is
    'The class of work that observed it: recent, unsettled, detail, backfill or audit. [fact]';
comment on column argos.faceauth_change.change_number is
    'The transaction that stored the change, for consumers: see argos.change_watermark(). [fact]';


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
    'No row with a change_number below it can appear or change any more. Read it before the rows, '
    'or in one statement with them.';

create function argos.change_line() returns text
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$ select token::text from argos_sync.change_line order by line desc limit 1 $$;
comment on function argos.change_line() is
    'Changes after the database was restored or failed over. Commits may be lost then, so that a '
    'consumer has to read everything again.';


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
comment on type argos.submission_then is 'A row of argos.submission_as_of().';

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
comment on type argos.submission_estimate is 'A row of argos.submission_by_vendor_times().';

create type argos.faceauth_then as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz
);
comment on type argos.faceauth_then is 'A row of argos.faceauth_as_of().';

create type argos.faceauth_estimate as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz,
    source text,
    first_seen_at timestamptz
);
comment on type argos.faceauth_estimate is 'A row of argos.faceauth_by_vendor_times().';

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
    'Part of the as_of functions. Raises 22023 with the earliest time that history reaches if no '
    'record of the stream, and of the project if given, was observed by then.';

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
    'Like submission_as_of, with records that were observed later only, by the vendor''s own '
    'times. source is the evidence for the row: history, kyc_result_at, pending_at, created_at, or '
    'unknown (the record existed; its result is null). Except for history, deleted_at is the '
    'vendor''s own time, if it gave one.';

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
    'Every submission known at that time, as it was known then; aml_matches are resource ids, '
    'sorted. Fails if no submission was observed yet.';

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
    'The same for one project. Fails if no submission of that project was observed yet.';

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
    'Like faceauth_as_of, with records that were observed later only, by the vendor''s own times. '
    'source is the evidence for the row: history, or created_at (the status at the first '
    'observation; deleted_at is the vendor''s own time, if it gave one).';

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
    'Every face authentication known at that time, as it was known then. Fails if none was '
    'observed yet.';

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
    'The same for one project. Fails if none of that project was observed yet.';
