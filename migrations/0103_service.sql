-- The state of a warehouse is read from few rows, however many records it has.

set local lock_timeout = '10s';

alter table argos_sync.coverage add column deleted integer not null default 0;
comment on column argos_sync.coverage.deleted is
    'Number of deleted records of the day when the pass ended.';
update argos_sync.coverage set deleted = known.deleted
from (
    select project, stream, window_day, count(*) as deleted from argos_sync.record
    where deleted_at is not null group by project, stream, window_day
) as known
where known.project = coverage.project and known.stream = coverage.stream
    and known.window_day = coverage.day;

alter table argos_sync.project add column paused_at timestamptz;
comment on column argos_sync.project.paused_at is
    'Time at which an operator paused the project. Null: it is not paused.';

-- Passes that did not read their window are few, and others are kept for weeks.
-- squawk-ignore require-concurrent-index-creation
create index pass_unread on argos_sync.pass (project, stream, window_from)
    where state in ('open', 'blocked', 'empty_unverified');

-- A round may end before all work is done, although nothing failed. Both tables have few rows:
-- checking them is quick.
-- squawk-ignore ban-drop-constraint
alter table argos_sync.run drop constraint run_outcome_check;
alter table argos_sync.run add constraint run_outcome_check check (outcome in (
    'complete', 'complete_empty', 'in_progress', 'empty_unverified', 'partial', 'blocked',
    'interrupted', 'failed')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table argos_sync.run validate constraint run_outcome_check;
-- squawk-ignore ban-drop-constraint
alter table argos_sync.project drop constraint project_last_outcome_check;
alter table argos_sync.project add constraint project_last_outcome_check check (last_outcome in (
    'complete', 'complete_empty', 'in_progress', 'empty_unverified', 'partial', 'blocked',
    'interrupted', 'failed')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table argos_sync.project validate constraint project_last_outcome_check;
comment on column argos_sync.run.outcome is
    'Result of the run: complete; complete_empty (verified that there is no data); in_progress '
    '(nothing failed, and work is left for a later run or another process); empty_unverified (no '
    'data, which proves nothing); partial (a part could not be read); blocked (the vendor refuses '
    'a key); interrupted; failed. Null: it has not ended.';
