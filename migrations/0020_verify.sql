-- What comparing random records with the raw items that are kept of them came to. Counters and ids;
-- never a value of a record.

-- Records drawn at random and compared, by UTC day. Days before the published horizon are deleted.
create table argos_sync.verification (
    project text collate "C" not null,
    stream text collate "C" not null,
    day date not null,
    -- Records drawn and compared.
    compared bigint not null,
    -- Those of them with a row that was changed, missing or surplus.
    differing bigint not null,
    primary key (project, stream, day)
);

-- Records that were found damaged and not repaired since: rows differ, or kept items are lost.
create table argos_sync.difference (
    project text collate "C" not null,
    stream text collate "C" not null,
    id text collate "C" not null,
    -- The tables in which rows differ; the table of kept items where one of these is lost.
    tables text[] not null,
    found_at timestamptz not null,
    -- When the record was last compared.
    checked_at timestamptz not null,
    primary key (id, project, stream)
);
create index difference_checked_at on argos_sync.difference (checked_at, project);
