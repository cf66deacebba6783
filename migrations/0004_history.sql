-- History: one row for each observed move of what analysts follow, and what was known at an earlier moment.
--
-- A record that is seen for the first time moves nothing, nor does its first single call where that fills in what list
-- items leave out. Rows are written in the transaction that commits the move, from locked records.
-- Their order is that of change_id: changed_at is when the transaction began.

create table argos.submission_change (
    project text collate "C" not null,
    submission_id text collate "C" not null,
    change_id bigint generated always as identity,
    field text not null,
    old_value text,
    new_value text,
    changed_at timestamptz not null,
    lane text not null,
    primary key (project, submission_id, change_id)
);
create index submission_change_changed_at on argos.submission_change (changed_at);

create table argos.faceauth_change (
    project text collate "C" not null,
    auth_id text collate "C" not null,
    change_id bigint generated always as identity,
    field text not null,
    old_value text,
    new_value text,
    changed_at timestamptz not null,
    lane text not null,
    primary key (project, auth_id, change_id)
);
create index faceauth_change_changed_at on argos.faceauth_change (changed_at);

comment on table argos.submission_change is 'One row for each observed move of a submission.';
comment on column argos.submission_change.project is 'The project''s name in the configuration of argos-sync.';
comment on column argos.submission_change.submission_id is 'The record''s id, as the vendor gave it. [identifier]';
comment on column argos.submission_change.change_id is 'The moves of a record in the order of their commits. [fact]';
comment on column argos.submission_change.field is 'What moved: kyc_result, reviewer, aml_status, aml_risk_level, deleted_at, aml_match (a match appeared or vanished), or identity and the column''s name. [fact]';
comment on column argos.submission_change.old_value is 'The value before; for aml_match the resource_id that vanished; always null for identity fields. [identifier]';
comment on column argos.submission_change.new_value is 'The value after; for aml_match the resource_id that appeared; always null for identity fields. [identifier]';
comment on column argos.submission_change.changed_at is 'When argos-sync stored the move. [fact]';
comment on column argos.submission_change.lane is 'The class of work that observed it: fresh, unsettled, detail, backfill or audit. [fact]';

comment on table argos.faceauth_change is 'One row for each observed move of a face authentication.';
comment on column argos.faceauth_change.project is 'The project''s name in the configuration of argos-sync.';
comment on column argos.faceauth_change.auth_id is 'The record''s id, as the vendor gave it. [identifier]';
comment on column argos.faceauth_change.change_id is 'The moves of a record in the order of their commits. [fact]';
comment on column argos.faceauth_change.field is 'What moved: status or deleted_at. [fact]';
comment on column argos.faceauth_change.old_value is 'The value before. [fact]';
comment on column argos.faceauth_change.new_value is 'The value after. [fact]';
comment on column argos.faceauth_change.changed_at is 'When argos-sync stored the move. [fact]';
comment on column argos.faceauth_change.lane is 'The class of work that observed it: fresh, unsettled, detail, backfill or audit. [fact]';

-- What was known at a moment is what stands there now, with every later move taken back: the first of them says what
-- stood there before. Each record is looked up by its key, so that no statistics can mislead the planner.
create function argos.submission_as_of(at timestamptz)
    returns table (
        project text,
        submission_id text,
        kyc_result text,
        reviewer text,
        aml_status text,
        aml_risk_level text,
        aml_matches text[],
        deleted_at timestamptz
    )
    language sql stable parallel safe
    as $$
        select held.project, held.submission_id,
            case when 'kyc_result' = any(moved.fields) then moved.kyc_result else held.kyc_result end,
            case when 'reviewer' = any(moved.fields) then moved.reviewer else held.reviewer end,
            case when 'aml_status' = any(moved.fields) then moved.aml_status else held.aml_status end,
            case when 'aml_risk_level' = any(moved.fields) then moved.aml_risk_level else held.aml_risk_level end,
            coalesce(matched.resource_ids, '{}'),
            case when 'deleted_at' = any(moved.fields) then moved.deleted_at else held.deleted_at end
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
                    and change.changed_at > submission_as_of.at
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
                        and change.changed_at > submission_as_of.at and field = 'aml_match'
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
        where held.first_seen_at <= submission_as_of.at
    $$;
comment on function argos.submission_as_of(timestamptz) is
    'Each submission known at that moment, with what was known of it then; aml_matches are resource ids, sorted.';

create function argos.faceauth_as_of(at timestamptz)
    returns table (project text, auth_id text, status text, deleted_at timestamptz)
    language sql stable parallel safe
    as $$
        select held.project, held.auth_id,
            case when 'status' = any(moved.fields) then moved.status else held.status end,
            case when 'deleted_at' = any(moved.fields) then moved.deleted_at else held.deleted_at end
        from argos.faceauth as held
        cross join lateral (
            select array_agg(field) as fields,
                max(old_value) filter (where field = 'status') as status,
                max(old_value) filter (where field = 'deleted_at')::timestamptz as deleted_at
            from (
                select distinct on (field) field, old_value
                from argos.faceauth_change as change
                where change.project = held.project and change.auth_id = held.auth_id
                    and change.changed_at > faceauth_as_of.at
                order by field, change_id
            ) as first_move
        ) as moved
        where held.first_seen_at <= faceauth_as_of.at
    $$;
comment on function argos.faceauth_as_of(timestamptz) is
    'Each face authentication known at that moment, with what was known of it then.';
