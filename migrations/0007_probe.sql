-- What each API key was seen to do where the vendor's pages leave it open. Words and numbers about the API, never about a
-- person; the next run is cheaper with them, and right without.

create table argos_sync.probe (
    project text collate "C" not null,
    -- What was looked at, such as 'date style'.
    fact text collate "C" not null,
    -- What was found, such as 'compact'.
    finding text not null,
    -- When the fact was first known.
    learned_at timestamptz not null,
    -- When the vendor was last seen to behave differently, and what was true before.
    changed_at timestamptz,
    before text,
    primary key (project, fact)
);
