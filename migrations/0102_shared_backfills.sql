-- A backfill is a list of windows that any number of processes share.

set local lock_timeout = '10s';

-- The windows of an open backfill were not stored. It is requested again.
update argos_sync.pass set state = 'dropped', ended_at = argos_sync.clock()
from argos_sync.backfill
where pass.backfill_id = backfill.backfill_id and backfill.ended_at is null
    and pass.state = 'open';
update argos_sync.backfill set ended_at = argos_sync.clock(), outcome = 'replaced'
where ended_at is null;

alter table argos_sync.backfill
    add column fence bigint not null default 0,
    add column jobs text[] not null default '{}';
-- The next constraint allows one more outcome. The table has few rows: checking them is quick.
-- squawk-ignore ban-drop-constraint
alter table argos_sync.backfill drop constraint backfill_outcome_check;
alter table argos_sync.backfill add constraint backfill_outcome_check
    check (outcome in ('complete', 'replaced', 'cancelled')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table argos_sync.backfill validate constraint backfill_outcome_check;
comment on column argos_sync.backfill.outcome is
    'Result of the backfill: complete (every day was read), replaced (requested again with '
    '--restart) or cancelled (with --cancel). Null: it is open.';
comment on table argos_sync.backfill is
    'Requested backfills. A day is done once a pass that began after the request has read it '
    'completely.';
comment on column argos_sync.backfill.requested_at is
    'Start of the run that requested the backfill.';
comment on column argos_sync.backfill.fence is
    'Fencing number of the run that requested the backfill. Reads under later numbers count.';
comment on column argos_sync.backfill.jobs is
    'Names (--job) under which the backfill was requested.';

create table argos_sync.backfill_window (
    backfill_id bigint not null,
    project text collate "C" not null,
    window_from date not null,
    window_to date not null check (window_from < window_to),
    primary key (backfill_id, window_from)
);
comment on table argos_sync.backfill_window is
    'Windows of open backfills that are not read yet. Processes claim them from here.';
comment on column argos_sync.backfill_window.backfill_id is 'Number of the backfill.';
comment on column argos_sync.backfill_window.project is 'Name of the project.';
comment on column argos_sync.backfill_window.window_from is 'First day of the window.';
comment on column argos_sync.backfill_window.window_to is 'Day after the last day of the window.';
