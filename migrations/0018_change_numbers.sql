-- Change numbers and their watermark, one collation for ids that are joined, and moments before the first observation.

-- Change numbers.
--
-- Times order nothing: a transaction that waited for a lock commits times older than those of transactions that committed
-- before it. A row therefore carries the number of the transaction that wrote it, and a reader's snapshot says under which
-- number every transaction has ended.
--
-- Transaction numbers belong to one database cluster: after a dump and restore they begin again, and after a recovery to an
-- earlier point those of the lost transactions are used again. Numbers are therefore counted in lines of 2^40. Each line
-- belongs to one database, on one server, on one timeline; the first writer elsewhere begins the next line.

create table argos_sync.change_line (
    -- Numbers of this line are line * 2^40 + the transaction's.
    line integer primary key check (line > 0),
    -- Which database it belongs to, see argos_sync.database_identity().
    identity text not null,
    -- What a consumer compares: two restores of one backup may begin the same line.
    token uuid not null default gen_random_uuid(),
    begun_at timestamptz not null default argos_sync.clock()
);

-- The server, its timeline, the database and a table in it. A role that may not ask for the server has its table's number,
-- which a restore changes too.
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

-- The number of the calling transaction. Statements call it once, in a scalar subquery, and only when they write a row.
create function argos_sync.change_number() returns bigint
    language plpgsql volatile
    as $$
declare
    here constant text := argos_sync.database_identity();
    latest argos_sync.change_line;
begin
    select * into latest from argos_sync.change_line order by line desc limit 1;
    if latest.identity is distinct from here then
        -- One writer begins the line; the others wait for its commit and use it.
        lock table argos_sync.change_line in share row exclusive mode;
        select * into latest from argos_sync.change_line order by line desc limit 1;
        if latest.identity is distinct from here then
            -- Rows may have come without the lines that they were numbered in.
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

insert into argos_sync.change_line (line, identity) values (1, argos_sync.database_identity());

-- Rows that are there already get the first number of the first line, 2^40: a constant, so that no row is rewritten.
alter table argos.submission add column change_number bigint not null default 1099511627776;
alter table argos.faceauth add column change_number bigint not null default 1099511627776;
alter table argos.submission_change add column change_number bigint not null default 1099511627776;
alter table argos.faceauth_change add column change_number bigint not null default 1099511627776;
-- For programs that do not know of it; ours always gives the number.
alter table argos.submission alter column change_number set default argos_sync.change_number();
alter table argos.faceauth alter column change_number set default argos_sync.change_number();
alter table argos.submission_change alter column change_number set default argos_sync.change_number();
alter table argos.faceauth_change alter column change_number set default argos_sync.change_number();
comment on column argos.submission_change.change_number is
    'The transaction that stored the move, for consumers: see argos.change_watermark(). [fact]';
comment on column argos.faceauth_change.change_number is
    'The transaction that stored the move, for consumers: see argos.change_watermark(). [fact]';

create index submission_change_number on argos.submission (change_number);
create index faceauth_change_number on argos.faceauth (change_number);
create index submission_change_change_number on argos.submission_change (change_number);
create index faceauth_change_change_number on argos.faceauth_change (change_number);

-- Analysts may not read argos_sync, hence `security definer`. The snapshot is that of the calling query.
create function argos.change_watermark() returns bigint
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$
        select coalesce(max(line), 1) * (1::bigint << 40) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        from argos_sync.change_line
    $$;
comment on function argos.change_watermark() is
    'No row with a change_number below it can appear or change any more. Read it before the rows, or in one statement with them.';

create function argos.change_line() returns text
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$ select token::text from argos_sync.change_line order by line desc limit 1 $$;
comment on function argos.change_line() is
    'Changes after the database was restored or failed over: commits may be lost, so that a consumer reads everything again.';

-- Collations.
--
-- An index serves a join only under the collation of the join's comparison, and of two columns with different collations
-- the comparison takes "C". Columns that name a record, a policy or a project therefore all have "C". A column that
-- somebody's view reads cannot be changed; its index is under "C" all the same.
drop index argos.faceauth_kyc_submission_id;
do $$
declare
    held record;
begin
    for held in
        select * from (values
            ('argos.faceauth', 'kyc_submission_id'),
            ('argos.faceauth', 'kyc_project'),
            ('argos.faceauth', 'faceauth_policy_id'),
            ('argos.faceauth_policy', 'policy_id'),
            ('argos.submission', 'kyc_policy_id'),
            ('argos.kyc_policy', 'policy_id'),
            ('argos.submission_duplicate', 'duplicate_submission_id'),
            ('argos_sync.project', 'parent')
        ) as held (name, part)
    loop
        begin
            execute format('alter table %s alter column %I type text collate "C"', held.name, held.part);
        exception when feature_not_supported then
            raise warning 'a view reads %.%: it keeps its collation', held.name, held.part;
        end;
    end loop;
end
$$;
create index faceauth_kyc_submission_id
    on argos.faceauth (kyc_submission_id collate "C", kyc_project collate "C");

-- What was known at a moment.
--
-- The functions return types of their own, since `returns table` gives up the collation, and with it
-- the index of a condition on the id. Where somebody's view uses one of them, it keeps its type.
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
create type argos.faceauth_then as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz
);
create type argos.faceauth_estimate as (
    project text collate "C",
    auth_id text collate "C",
    status text,
    deleted_at timestamptz,
    source text,
    first_seen_at timestamptz
);

-- Raises an error unless a record of the stream, and of the project where one is given, was observed by then. The oldest
-- rows stand first in their table as a rule, so that this ends at once.
create function argos.check_observed(stream text, at timestamptz, of_project text default null) returns boolean
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
            || coalesce('begins at ' || to_char(earliest at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'is empty: none was observed yet'),
        hint = format(
            'Ask for a later moment, or ask argos.%s_by_vendor_times(..), which uses the vendor''s own times.', stream);
end
$$;
comment on function argos.check_observed(text, timestamptz, text) is
    'Raises 22023 with the earliest moment that history reaches, where the given one is before it; part of the as_of functions.';

-- The state now with every later change taken back is the state at the moment, or at the record's first observation where
-- that was later. Each record is looked up by its key, so that no statistics can mislead the planner.
create function argos.submission_by_vendor_times(at timestamptz)
    returns setof argos.submission_estimate
    language sql stable parallel safe
    as $$
        select held.project, held.submission_id,
            case when known.source <> 'unknown' then known.kyc_result end,
            case
                when known.source in ('history', 'kyc_result_at') and 'reviewer' = any(moved.fields)
                    then case known.source when 'history' then moved.reviewer end
                when known.source in ('history', 'kyc_result_at') then held.reviewer
            end,
            case when known.source = 'history' then
                case when 'aml_status' = any(moved.fields) then moved.aml_status else held.aml_status end end,
            case when known.source = 'history' then
                case when 'aml_risk_level' = any(moved.fields) then moved.aml_risk_level else held.aml_risk_level end end,
            case when known.source = 'history' then coalesce(matched.resource_ids, '{}') end,
            case when known.source = 'history' then known.deleted_at end,
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
                    and field in ('kyc_result', 'reviewer', 'aml_status', 'aml_risk_level', 'deleted_at')
                order by field, change_id
            ) as first_move
        ) as moved
        cross join lateral (
            select array_agg(resource_id order by resource_id collate "C") as resource_ids
            from (
                select distinct on (resource_id) resource_id, was_there
                from (
                    select coalesce(old_value, new_value), old_value is not null, change_id
                    from argos.submission_change as change
                    where change.project = held.project and change.submission_id = held.submission_id
                        and change.changed_at > submission_by_vendor_times.at and field = 'aml_match'
                    union all
                    -- What stands there now counts where no later move tells of it.
                    select resource_id, true, null
                    from argos.aml_match as present
                    where present.project = held.project and present.submission_id = held.submission_id
                        and resource_id is not null
                ) as told (resource_id, was_there, change_id)
                order by resource_id, change_id nulls last
            ) as first_told
            where was_there
        ) as matched
        cross join lateral (
            select state.kyc_result, state.deleted_at,
                case
                    when held.first_seen_at <= submission_by_vendor_times.at then 'history'
                    -- What a deletion removed is unknown, and so is when it happened.
                    when state.deleted_at is not null then 'unknown'
                    -- kyc_result_at is the last decision's: of one that was revised later the time is lost.
                    when state.kyc_result in ('approved', 'rejected')
                        and not coalesce('kyc_result' = any(moved.fields), false)
                        and held.kyc_result_at <= submission_by_vendor_times.at then 'kyc_result_at'
                    when state.kyc_result = 'pending' and held.pending_at <= submission_by_vendor_times.at
                        then 'pending_at'
                    when state.kyc_result = 'incomplete' then 'created_at'
                    else 'unknown'
                end as source
            from (
                select
                    case when 'kyc_result' = any(moved.fields) then moved.kyc_result else held.kyc_result end,
                    case when 'deleted_at' = any(moved.fields) then moved.deleted_at else held.deleted_at end
            ) as state (kyc_result, deleted_at)
        ) as known
        where held.first_seen_at <= submission_by_vendor_times.at
            or held.created_at <= submission_by_vendor_times.at
    $$;
comment on function argos.submission_by_vendor_times(timestamptz) is
    'Like submission_as_of, and what the vendor''s own times tell of records that were observed later only. source says '
    'what the row rests on: history, kyc_result_at, pending_at, created_at, or unknown (it existed; its result is null).';

do $migration$
declare
    type text := 'setof argos.submission_then';
begin
    begin
        drop function argos.submission_as_of(timestamptz);
    exception when dependent_objects_still_exist then
        type := 'table (project text, submission_id text, kyc_result text, reviewer text, aml_status text, '
            'aml_risk_level text, aml_matches text[], deleted_at timestamptz)';
    end;
    execute format($create$
        create or replace function argos.submission_as_of(at timestamptz)
            returns %s
            language sql stable parallel safe
            as $$
                select state.project, state.submission_id, state.kyc_result, state.reviewer, state.aml_status,
                    state.aml_risk_level, state.aml_matches, state.deleted_at
                from argos.submission_by_vendor_times(submission_as_of.at) as state
                where (select argos.check_observed('submission', submission_as_of.at))
                    and state.first_seen_at <= submission_as_of.at
            $$
    $create$, type);
end
$migration$;
comment on function argos.submission_as_of(timestamptz) is
    'Each submission known at that moment, with what was known of it then; aml_matches are resource ids, sorted. An error '
    'where no project was observed yet.';

create function argos.submission_as_of(at timestamptz, of_project text)
    returns setof argos.submission_then
    language sql stable parallel safe
    as $$
        select project, submission_id, kyc_result, reviewer, aml_status, aml_risk_level, aml_matches, deleted_at
        from argos.submission_by_vendor_times(submission_as_of.at)
        where (select argos.check_observed('submission', submission_as_of.at, submission_as_of.of_project))
            and first_seen_at <= submission_as_of.at and project = submission_as_of.of_project
    $$;
comment on function argos.submission_as_of(timestamptz, text) is
    'The same for one project; an error where that project was not observed yet.';

create function argos.faceauth_by_vendor_times(at timestamptz)
    returns setof argos.faceauth_estimate
    language sql stable parallel safe
    as $$
        select held.project, held.auth_id,
            case when 'status' = any(moved.fields) then moved.status else held.status end,
            case when held.first_seen_at <= faceauth_by_vendor_times.at or state.deleted_at <= faceauth_by_vendor_times.at
                then state.deleted_at end,
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
comment on function argos.faceauth_by_vendor_times(timestamptz) is
    'Like faceauth_as_of, and what the vendor''s own times tell of records that were observed later only. source says what '
    'the row rests on: history, or created_at (the status at the first observation, deleted_at where the vendor gave it).';

do $migration$
declare
    type text := 'setof argos.faceauth_then';
begin
    begin
        drop function argos.faceauth_as_of(timestamptz);
    exception when dependent_objects_still_exist then
        type := 'table (project text, auth_id text, status text, deleted_at timestamptz)';
    end;
    execute format($create$
        create or replace function argos.faceauth_as_of(at timestamptz)
            returns %s
            language sql stable parallel safe
            as $$
                select state.project, state.auth_id, state.status, state.deleted_at
                from argos.faceauth_by_vendor_times(faceauth_as_of.at) as state
                where (select argos.check_observed('faceauth', faceauth_as_of.at))
                    and state.first_seen_at <= faceauth_as_of.at
            $$
    $create$, type);
end
$migration$;
comment on function argos.faceauth_as_of(timestamptz) is
    'Each face authentication known at that moment, with what was known of it then. An error where no project was observed yet.';

create function argos.faceauth_as_of(at timestamptz, of_project text)
    returns setof argos.faceauth_then
    language sql stable parallel safe
    as $$
        select project, auth_id, status, deleted_at
        from argos.faceauth_by_vendor_times(faceauth_as_of.at)
        where (select argos.check_observed('faceauth', faceauth_as_of.at, faceauth_as_of.of_project))
            and first_seen_at <= faceauth_as_of.at and project = faceauth_as_of.of_project
    $$;
comment on function argos.faceauth_as_of(timestamptz, text) is
    'The same for one project; an error where that project was not observed yet.';
