-- Before the first observation, a deletion is reported with the vendor's own time. Since 0015 deleted_at is the time of
-- argos-sync's proof, which is never before the first observation, so no deletion was reported.
do $migration$
declare
    change record;
    body text;
begin
    for change in
        select * from (values (
            'argos.faceauth_by_vendor_times(timestamptz)',
            'case when held.first_seen_at <= faceauth_by_vendor_times.at or state.deleted_at <= faceauth_by_vendor_times.at
                then state.deleted_at end',
            'case when held.first_seen_at <= faceauth_by_vendor_times.at then state.deleted_at
                when held.vendor_deleted_at <= faceauth_by_vendor_times.at then held.vendor_deleted_at end'
        ), (
            'argos.submission_by_vendor_times(timestamptz)',
            'case when known.source = ''history'' then known.deleted_at end',
            'case when known.source = ''history'' then known.deleted_at
                when held.vendor_deleted_at <= submission_by_vendor_times.at then held.vendor_deleted_at end'
        )) as change (name, before, after)
    loop
        body := pg_get_functiondef(change.name::regprocedure);
        if position(change.before in body) = 0 then
            raise exception '% is not the function of migration 0018', change.name;
        end if;
        execute replace(body, change.before, change.after);
    end loop;
end
$migration$;
comment on function argos.submission_by_vendor_times(timestamptz) is
    'Like submission_as_of, and what the vendor''s own times tell of records that were observed later only. source says '
    'what the row rests on: history, kyc_result_at, pending_at, created_at, or unknown (it existed; its result is null). '
    'deleted_at is then the vendor''s own time, where it gave one.';
