-- What it takes to converge: how much stands on a day, what is expected to move, what went missing, and who decided.

-- How many live records a day held when it was last read: what another look will cost, and what it should find.
alter table argos_sync.coverage add column records integer not null default 0;

alter table argos_sync.record
    -- Its state is expected to move: pending, incomplete, or unknown to us.
    add column unsettled boolean not null default false,
    -- When it was last seen to change; null: never since it became known.
    add column moved_at timestamptz,
    -- It is there, but windows of its day do not list it: only a walk without a date filter can miss it.
    add column unlisted boolean not null default false,
    -- Deleted because it was proven absent, and not by the vendor's own mark: seen again, it is restored.
    add column absent boolean not null default false,
    -- The read number that made it known: a walk that began earlier proves nothing about it.
    add column first_no bigint not null default 0;
create index record_unsettled on argos_sync.record (project, stream, window_day) where unsettled;
create index record_moved on argos_sync.record (project, stream, moved_at) where moved_at is not null;
create index record_unfiltered on argos_sync.record (project, stream) where undated or unlisted;

update argos_sync.record set unsettled = true
from argos.submission
where record.stream = 'submission' and submission.project = record.project and submission.submission_id = record.id
    and record.deleted_at is null and submission.kyc_result is distinct from 'approved'
    and submission.kyc_result is distinct from 'rejected';

-- 0: what changed lately or may be gone; 1: what a backfill brought; 2: the slow cycle through all records.
alter table argos_sync.detail_due add column rank smallint not null default 0;
drop index argos_sync.detail_due_order;
create index detail_due_order on argos_sync.detail_due (project, stream, rank, due_at);

-- The slow cycle of single calls through all records, and when all was last listed without a date filter.
alter table argos_sync.project
    add column unfiltered_as_of timestamptz,
    add column cycle_started_at timestamptz,
    add column cycle_id text collate "C" not null default '',
    add column cycle_done bigint not null default 0;

-- A walk over everything, without a date filter; its window is a day that holds no record.
alter table argos_sync.pass
    add column filtered boolean not null default true;

-- Records that a complete walk did not find where they were: two single calls decide.
create table argos_sync.suspect (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    missed_at timestamptz not null,
    pass_id bigint not null,
    -- When a single call, beside one that found a live record, did not find it for the first time.
    absent_at timestamptz,
    primary key (project, stream, id)
);

-- Days of which the last walk missed more records than is plausible, and what was decided.
create table argos_sync.deletion_alarm (
    project text collate "C" not null,
    stream text collate "C" not null,
    -- Missed by a walk of these days, or by one without a date filter.
    filtered boolean not null,
    day date not null,
    raised_at timestamptz not null,
    pass_id bigint not null,
    live integer not null,
    missing integer not null,
    primary key (project, stream, filtered, day)
);

create table argos_sync.deletion_decision (
    decision_id bigint generated always as identity primary key,
    project text collate "C" not null,
    stream text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    approved boolean not null,
    decided_at timestamptz not null,
    until_at timestamptz not null
);
create index deletion_decision_project on argos_sync.deletion_decision (project, stream, until_at);

-- Single calls that were made, for a while: unchanged records keep no trace of being looked at.
create table argos_sync.detail_call (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    called_at timestamptz not null,
    answer text not null check (answer in ('found', 'not found', 'failed'))
);
create index detail_call_record on argos_sync.detail_call (project, stream, id, called_at);
create index detail_call_age on argos_sync.detail_call using brin (called_at);
