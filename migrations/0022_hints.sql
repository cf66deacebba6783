-- Lists with request_type=aml, as a hint where single calls are few: they may show `aml` of records whose other list items
-- leave it out. Nothing of them is stored but a digest.

-- The digest of the object aml that such a list last showed. Null: none showed it yet.
alter table argos_sync.record add column hint_digest bytea;

-- They go through history from the newest record on, again and again.
alter table argos_sync.project
    -- When they last began.
    add column hint_started_at timestamptz,
    -- Days before this one are still to be listed. Null: they are through.
    add column hint_before date,
    -- Until when their calls are given out.
    add column hint_until timestamptz;
