-- Items that were received and not stored, since nobody asked for them: unknown records from before `sync.since`.
-- received = inserted + updated + unchanged + quarantined + duplicate + skipped.
alter table argos_sync.run_stream add column skipped bigint not null default 0;
alter table argos_sync.run_stream drop constraint run_stream_check,
    add constraint run_stream_check
        check (received = inserted + updated + unchanged + quarantined + duplicate + skipped);
