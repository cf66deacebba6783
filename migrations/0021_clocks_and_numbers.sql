-- A wrong database clock, and numbers that must not go backwards.

-- A fencing number orders a run, a day's coverage and the last unfiltered pass, so that no clock decides which is newer.
alter table argos_sync.run add column fence bigint not null default 0;
alter table argos_sync.coverage add column fence bigint not null default 0;
alter table argos_sync.project add column unfiltered_fence bigint not null default 0;

-- Why an empty window proved nothing: 'filter' or 'records'. Null for the passes of older programs: 'filter'.
alter table argos_sync.pass add column unverified text check (unverified in ('filter', 'records'));

-- How far the vendor's clock was ahead of the database's when it was last compared; negative: behind.
alter table argos_sync.project add column vendor_ahead_seconds double precision;

-- How far another clock is ahead of this server's. Tests replace this function, like argos_sync.clock().
create function argos_sync.clock_ahead(other timestamptz) returns interval
    language sql volatile parallel safe
    as $$ select other - clock_timestamp() $$;

-- The latest moment that any run has seen: a clock that shows less was set back.
create table argos_sync.clock_mark (
    is_only boolean primary key default true check (is_only),
    seen_at timestamptz not null
);

-- The highest numbers that were committed. A sequence that is behind them would make new observations look old.
create table argos_sync.high_water_mark (
    project text collate "C" not null,
    stream text collate "C" not null,
    read_no bigint not null,
    fence bigint not null,
    primary key (project, stream)
);
insert into argos_sync.high_water_mark (project, stream, read_no, fence)
    select project, stream, coalesce(max(greatest(list_no, detail_no)), 0), 0
    from argos_sync.record group by project, stream;

-- Raises the sequences that are behind the committed numbers or the given one, and returns a read number that is lower
-- than every number drawn from now on. `alter sequence` locks out nextval until this transaction ends. It runs with the
-- rights of the role that migrated, since only the owner may alter a sequence.
create function argos_sync.raise_sequences(drawn bigint, out floor bigint, out was_behind boolean)
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
        declare
            read_min bigint;
            fence_min bigint;
        begin
            -- One at a time: the second would set a sequence back that the first has raised and others have drawn from.
            perform pg_advisory_xact_lock(hashtext('argos_sync.raise_sequences'));
            select greatest(coalesce(max(mark.read_no), 0), drawn), coalesce(max(mark.fence), 0)
                into read_min, fence_min from argos_sync.high_water_mark as mark;
            select greatest(fence_min, coalesce(max(claim.fence), 0)) into fence_min from argos_sync.claim;
            select greatest(fence_min, coalesce(max(run.fence), 0)) into fence_min from argos_sync.run;
            -- A sequence that was just restarted has not given out its last_value.
            select last_value - (not is_called)::int into floor from argos_sync.read_number;
            was_behind := floor < read_min;
            if was_behind then
                execute format('alter sequence argos_sync.read_number restart with %s', read_min + 1);
                floor := read_min;
            end if;
            if (select last_value - (not is_called)::int from argos_sync.fence) < fence_min then
                execute format('alter sequence argos_sync.fence restart with %s', fence_min + 1);
                was_behind := true;
            end if;
        end
    $$;
