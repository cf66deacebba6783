-- Lists with request_type=aml, as a hint where single calls are few: they may contain `aml` of records whose other list
-- items lack it. Only a digest is stored.

-- The digest of the object aml in the last such list. Null: no such list has contained it.
alter table argos_sync.record add column hint_digest bytea;

-- These lists cover all history, from the newest record to the oldest, and then start again.
alter table argos_sync.project
    -- When the current or last turn began.
    add column hint_started_at timestamptz,
    -- Days before this one are still to be listed in this turn. Null: the turn is complete.
    add column hint_before date,
    -- Until when calls are given out.
    add column hint_until timestamptz;
