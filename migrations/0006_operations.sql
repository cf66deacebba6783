-- What operating needs: quarantine that can be retried, runs whose end is known, and records that are refilled from raw.

-- When a quarantined item was read, so that storing it later overwrites nothing newer (I6). Not known of those that were
-- kept before: they may make new records only.
alter table argos_sync.quarantine add column read_no bigint;

-- A run holds its row like a claim, and renews it while it works: a process that was killed leaves none that seems to run.
-- An older program says nothing of either; its runs are believed for a day.
alter table argos_sync.run add column holder text,
    add column until_at timestamptz not null default argos_sync.clock() + interval '1 day';
create index run_unended on argos_sync.run (until_at) where ended_at is null;

-- How the last run of a project ended, and what went wrong.
alter table argos_sync.project add column last_outcome text
        check (last_outcome in ('complete', 'complete_empty', 'empty_unproven', 'partial', 'blocked', 'interrupted', 'failed')),
    add column last_ended_at timestamptz,
    add column last_trouble text;

-- What ended long ago is forgotten in small steps.
create index run_ended_at on argos_sync.run (ended_at);
create index pass_ended_at on argos_sync.pass (ended_at) where ended_at is not null;

-- Whether any record was written by an older normalizer: its smallest version. No id in it, so that the index keeps one
-- entry for many records, and no write to a record but a renormalization moves it.
create index record_normalizer_version on argos_sync.record (project, stream, normalizer_version);
