-- Where every project stands: one row for each that was ever synced. $1: how far back the warehouse reaches.
select
    project.project,
    case project.kind when 'idcheck' then 'submission' else 'faceauth' end as "stream!",
    coalesce(known.records, 0) as "records!",
    coalesce(known.deleted, 0) as "deleted!",
    covered.covered_from,
    covered.covered_to,
    coalesce(covered.covered_days, 0) as "covered_days!",
    coalesce(covered.covered_days_before, 0) as "covered_days_before!",
    coalesce(covered.covered_days_since, 0) as "covered_days_since!",
    coalesce(known.records_before, 0) as "records_before!",
    greatest(coalesce((argos_sync.clock() at time zone 'UTC')::date - $1::date, 0), 0)::bigint as "days_since!",
    covered.oldest_as_of,
    covered.newest_as_of,
    coalesce(due.details_due, 0) as "details_due!",
    coalesce(kept.quarantined, 0) as "quarantined!",
    coalesce(walked.passes_open, 0) as "passes_open!",
    coalesce(walked.empty_unverified, 0) as "empty_unverified!",
    coalesce(walked.is_doubted, false) as "is_doubted!",
    coalesce(missed.suspects, 0) as "suspects!",
    coalesce(missed.alarms, 0) as "alarms!",
    project.blocked_at,
    project.blocked_reason,
    walked.last_error as open_pass_error,
    project.last_outcome,
    project.last_ended_at,
    project.last_run_error
from argos_sync.project
left join lateral (
    select count(*) as records, count(deleted_at) as deleted,
        count(*) filter (where window_day < $1) as records_before
    from argos_sync.record where record.project = project.project
) as known on true
left join lateral (
    select min(day) as covered_from, max(day) as covered_to, count(*) as covered_days,
        count(*) filter (where day < $1) as covered_days_before,
        count(*) filter (where day >= $1 and day < (argos_sync.clock() at time zone 'UTC')::date) as covered_days_since,
        min(as_of) as oldest_as_of, max(as_of) as newest_as_of
    -- The newest window reaches some days ahead.
    from argos_sync.coverage
    where coverage.project = project.project and day <= (as_of at time zone 'utc')::date
) as covered on true
left join lateral (
    select (select count(*) from argos_sync.suspect where suspect.project = project.project) as suspects,
        (select count(*) from argos_sync.deletion_alarm where deletion_alarm.project = project.project) as alarms
) as missed on true
left join lateral (
    select count(*) as details_due from argos_sync.detail_due where detail_due.project = project.project
) as due on true
left join lateral (
    select count(*) as quarantined from argos_sync.quarantine where quarantine.project = project.project
) as kept on true
left join lateral (
    select count(*) filter (where state = 'open') as passes_open,
        -- Only windows that no later pass has covered.
        count(distinct (window_from, window_to)) filter (where state = 'empty_unverified' and not exists (
            select from argos_sync.coverage
            where coverage.project = pass.project and coverage.stream = pass.stream
                and coverage.day = pass.window_from and coverage.fence > pass.fence)) as empty_unverified,
        bool_or(unverified = 'records') filter (where state = 'empty_unverified') as is_doubted,
        (array_agg(last_error order by pass_id desc) filter (where state = 'open' and last_error is not null))[1] as last_error
    from argos_sync.pass where pass.project = project.project
) as walked on true
order by project.project
