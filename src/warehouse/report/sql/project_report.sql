-- The state of each project that was ever synced. $1: the first day of the warehouse. $2: queues with more rows are
-- not counted: their length is estimated.
select
    project.project,
    case project.kind when 'idcheck' then 'submission' else 'faceauth' end as "stream!",
    coalesce(covered.records, 0) + coalesce(unread.received, 0) as "records!",
    coalesce(covered.deleted, 0) as "deleted!",
    covered.covered_from,
    covered.covered_to,
    coalesce(covered.covered_days, 0) as "covered_days!",
    coalesce(covered.covered_days_before, 0) as "covered_days_before!",
    coalesce(covered.covered_days_since, 0) as "covered_days_since!",
    coalesce(covered.records_before, 0) as "records_before!",
    greatest(coalesce((argos_sync.clock() at time zone 'UTC')::date - $1::date, 0), 0)::bigint as "days_since!",
    covered.oldest_as_of,
    covered.newest_as_of,
    -- A project's part of all rows of the table, by the number of rows that were counted.
    case when queued.details_due <= $2 then queued.details_due
        else greatest(queued.details_due, (queued.details_due / sum(queued.details_due) over ()
            * pg_stat_get_live_tuples('argos_sync.detail_due'::regclass))::bigint) end as "details_due!",
    queued.details_due > $2 as "is_details_due_estimated!",
    case when queued.quarantined <= $2 then queued.quarantined
        else greatest(queued.quarantined, (queued.quarantined / sum(queued.quarantined) over ()
            * pg_stat_get_live_tuples('argos_sync.quarantine'::regclass))::bigint) end as "quarantined!",
    coalesce(unread.passes_open, 0) as "passes_open!",
    coalesce(unread.empty_unverified, 0) as "empty_unverified!",
    coalesce(unread.is_doubted, false) as "is_doubted!",
    queued.suspects as "suspects!",
    queued.alarms as "alarms!",
    queued.drift_paths as "drift_paths!",
    queued.claims as "claims!",
    project.paused_at,
    project.blocked_at,
    project.blocked_reason,
    unread.last_error as open_pass_error,
    project.last_outcome,
    project.last_ended_at,
    project.last_run_error
from argos_sync.project
left join lateral (
    select sum(records)::bigint as records, sum(deleted)::bigint as deleted,
        coalesce(sum(records) filter (where day < $1), 0)::bigint as records_before,
        -- The newest window reaches some days ahead.
        min(day) filter (where day <= (as_of at time zone 'utc')::date) as covered_from,
        max(day) filter (where day <= (as_of at time zone 'utc')::date) as covered_to,
        count(*) filter (where day <= (as_of at time zone 'utc')::date) as covered_days,
        count(*) filter (where day < $1) as covered_days_before,
        count(*) filter (where day >= $1 and day < (argos_sync.clock() at time zone 'UTC')::date) as covered_days_since,
        min(as_of) filter (where day <= (as_of at time zone 'utc')::date) as oldest_as_of,
        max(as_of) filter (where day <= (as_of at time zone 'utc')::date) as newest_as_of
    from argos_sync.coverage where coverage.project = project.project
) as covered on true
left join lateral (
    select
        (select count(*) from (
            select from argos_sync.detail_due as own
            where own.project = project.project and own.due_at <= argos_sync.clock() limit $2 + 1) as few)
            as details_due,
        (select count(*) from (
            select from argos_sync.quarantine as own where own.project = project.project limit $2 + 1) as few)
            as quarantined,
        (select count(*) from (
            select from argos_sync.suspect as own where own.project = project.project limit $2 + 1) as few)
            as suspects,
        (select count(*) from argos_sync.deletion_alarm as own where own.project = project.project) as alarms,
        (select count(distinct path) from argos_sync.schema_drift as own where own.project = project.project)
            as drift_paths,
        (select count(*) from argos_sync.claim as own
            where own.project = project.project and own.expires_at > argos_sync.clock()) as claims
) as queued on true
left join lateral (
    select count(*) filter (where state = 'open') as passes_open,
        count(*) filter (where state = 'empty_unverified' and not is_covered_since) as empty_unverified,
        bool_or(unverified = 'records') filter (where state = 'empty_unverified') as is_doubted,
        coalesce(sum(in_window) filter (where state = 'open' and not is_covered), 0)::bigint as received,
        (array_agg(last_error order by pass_id desc) filter (where state = 'open' and last_error is not null))[1]
            as last_error
    from (
        select newest.*,
            -- Only windows that no later pass has covered.
            coalesce(day.fence > newest.fence, false) as is_covered_since,
            day.day is not null as is_covered
        from (
            select distinct on (stream, window_from, window_to, state)
                stream, window_from, state, unverified, in_window, last_error, fence, pass_id
            from argos_sync.pass
            where pass.project = project.project and state in ('open', 'empty_unverified')
            order by stream, window_from, window_to, state, pass_id desc
        ) as newest
        left join argos_sync.coverage as day on day.project = project.project and day.stream = newest.stream
            and day.day = newest.window_from
    ) as windows
) as unread on true
order by project.project
