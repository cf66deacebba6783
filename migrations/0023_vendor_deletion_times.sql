-- For moments that history does not reach, a deletion is told by the vendor's own time of it. Since 0015 deleted_at is when
-- argos-sync had proof, which is never before the first observation, so that none was told.

create or replace function argos.faceauth_by_vendor_times(at timestamptz)
    returns setof argos.faceauth_estimate
    language sql stable parallel safe
    as $$
        select held.project, held.auth_id,
            case when 'status' = any(moved.fields) then moved.status else held.status end,
            case when held.first_seen_at <= faceauth_by_vendor_times.at then state.deleted_at
                when held.vendor_deleted_at <= faceauth_by_vendor_times.at then held.vendor_deleted_at end,
            case when held.first_seen_at <= faceauth_by_vendor_times.at then 'history' else 'created_at' end,
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
            ) as first_move
        ) as moved
        cross join lateral (
            select case when 'deleted_at' = any(moved.fields) then moved.deleted_at else held.deleted_at end
        ) as state (deleted_at)
        where held.first_seen_at <= faceauth_by_vendor_times.at
            or held.created_at <= faceauth_by_vendor_times.at
    $$;

do $migration$
declare
    body text := pg_get_functiondef('argos.submission_by_vendor_times(timestamptz)'::regprocedure);
    history_only text := 'case when known.source = ''history'' then known.deleted_at end';
    with_the_vendor_s text := 'case when known.source = ''history'' then known.deleted_at
                when held.vendor_deleted_at <= submission_by_vendor_times.at then held.vendor_deleted_at end';
begin
    if position(history_only in body) = 0 then
        raise exception 'argos.submission_by_vendor_times is not that of migration 0018';
    end if;
    execute replace(body, history_only, with_the_vendor_s);
end
$migration$;
comment on function argos.submission_by_vendor_times(timestamptz) is
    'Like submission_as_of, and what the vendor''s own times tell of records that were observed later only. source says '
    'what the row rests on: history, kyc_result_at, pending_at, created_at, or unknown (it existed; its result is null). '
    'deleted_at is then the vendor''s own time, where it gave one.';
