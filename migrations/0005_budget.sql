-- The budget of each API key: how many calls each lane has had of a UTC day, and until when the calls a second are given out.
-- Every HTTP attempt counts. Processes take blocks of calls, so that restarts and replicas share both limits.

-- One row for each project, day and lane that had calls; old days go after a while.
create table argos_sync.budget (
    project text collate "C" not null,
    day date not null,
    lane text collate "C" not null check (lane in ('fresh', 'unsettled', 'detail', 'backfill', 'audit')),
    -- Calls given to the lane: those made, and those that a running process still holds.
    taken bigint not null default 0 check (taken >= 0),
    -- Calls of its share that the lane let pass by, and that others may have.
    lapsed bigint not null default 0 check (lapsed >= 0),
    primary key (project, day, lane)
);

-- One row for each project. Whoever takes calls locks it first.
create table argos_sync.rate (
    project text collate "C" primary key,
    -- Until then every call that the limit a second allows is given out.
    free_at timestamptz not null
);
