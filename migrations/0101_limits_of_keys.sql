-- Limits belong to the API key: projects and configurations that use one key share its rate and its
-- budget.

set local lock_timeout = '10s';

create table argos_sync.key_budget (
    key_id bytea not null,
    day date not null,
    lane text collate "C" not null
        check (lane in ('recent', 'unsettled', 'detail', 'backfill', 'audit')),
    taken bigint not null default 0 check (taken >= 0),
    lapsed bigint not null default 0 check (lapsed >= 0),
    primary key (key_id, day, lane)
);
comment on table argos_sync.key_budget is
    'Number of calls per API key, UTC day and lane. Rows are deleted after 40 days.';
comment on column argos_sync.key_budget.key_id is 'HMAC of the API key, as in project_key.';
comment on column argos_sync.key_budget.day is 'UTC day of the calls.';
comment on column argos_sync.key_budget.lane is
    'Class of work: recent, unsettled, detail, backfill or audit.';
comment on column argos_sync.key_budget.taken is
    'Number of calls that the lane has taken: calls made, and calls reserved by running processes.';
comment on column argos_sync.key_budget.lapsed is
    'Number of calls that the lane did not take in time from its share. Other lanes may take them.';

-- The calls of a project were made with the key that was bound last.
insert into argos_sync.key_budget (key_id, day, lane, taken, lapsed)
select key_id, day, lane, sum(taken), sum(lapsed)
from argos_sync.budget
join (
    select distinct on (project) project, key_id from argos_sync.project_key
    order by project, bound_at desc
) as bound using (project)
group by key_id, day, lane;

create table argos_sync.key_rate (
    key_id bytea primary key,
    free_at timestamptz not null,
    paused_until timestamptz,
    calls_per_second double precision check (calls_per_second > 0),
    cause text collate "C" check (cause in ('healthy', 'refused', 'timed_out', 'slow')),
    refused_calls_per_second double precision,
    cuts bigint not null default 0,
    adjusted_at timestamptz,
    changed_at timestamptz,
    list_seconds double precision,
    list_slow_seconds double precision,
    list_slow_at timestamptz,
    list_slow_cuts integer,
    detail_seconds double precision,
    detail_slow_seconds double precision,
    detail_slow_at timestamptz,
    detail_slow_cuts integer
);
comment on table argos_sync.key_rate is
    'Rate limiter of each API key. A process locks the row before it takes calls.';
comment on column argos_sync.key_rate.key_id is 'HMAC of the API key, as in project_key.';
comment on column argos_sync.key_rate.free_at is
    'Time up to which all calls that the rate limit allows are taken.';
comment on column argos_sync.key_rate.paused_until is
    'Time before which the vendor asked not to call (Retry-After). Null: never.';
comment on column argos_sync.key_rate.calls_per_second is
    'Current adaptive rate. Null: every process fixes the rate by its configuration.';
comment on column argos_sync.key_rate.cause is
    'Reason for the last change of the rate. healthy: the vendor answered in time. refused: it '
    'refused calls with 429 or 503. timed_out: it did not answer in time. slow: its answers took '
    'twice as long as usual.';
comment on column argos_sync.key_rate.refused_calls_per_second is
    'Rate at which the vendor last refused calls or slowed down. Null: it never did.';
comment on column argos_sync.key_rate.cuts is
    'Number of cuts of the rate. Refusals of calls that were granted before the last cut do not '
    'count.';
comment on column argos_sync.key_rate.adjusted_at is
    'Time at which a process last reported answers.';
comment on column argos_sync.key_rate.changed_at is 'Time at which the rate last changed.';
comment on column argos_sync.key_rate.list_seconds is 'Usual latency of list calls in seconds.';
comment on column argos_sync.key_rate.list_slow_seconds is
    'Latency of list calls in seconds when it was last too high. Null: it is not too high.';
comment on column argos_sync.key_rate.list_slow_at is 'Time at which list_slow_seconds was set.';
comment on column argos_sync.key_rate.list_slow_cuts is
    'Number of the last cuts in a row that did not change the latency of list calls.';
comment on column argos_sync.key_rate.detail_seconds is
    'Usual latency of detail calls in seconds.';
comment on column argos_sync.key_rate.detail_slow_seconds is
    'Latency of detail calls in seconds when it was last too high. Null: it is not too high.';
comment on column argos_sync.key_rate.detail_slow_at is
    'Time at which detail_slow_seconds was set.';
comment on column argos_sync.key_rate.detail_slow_cuts is
    'Number of the last cuts in a row that did not change the latency of detail calls.';

-- No release has used these tables, and only argos-sync reads them.
-- squawk-ignore ban-drop-table
drop table argos_sync.budget;
-- squawk-ignore ban-drop-table
drop table argos_sync.rate;
